//! Every step run twice, and failed after each statement: each is told once.

use petwalker_kernel::{AccountId, EventId, Moment, RideId, SeededEntropy, UtcMillis};
use petwalker_store::NativeDatabase;

use super::{Refusal, consume, list, mark_read, offset};
use crate::domain::{Happening, Kind};

const SCHEMA: &str = include_str!("../../../../db-schema/global/schema.sql");
const STREAM: &str = "region/test";

struct World {
    sql: NativeDatabase,
    tutor: AccountId,
    walker: AccountId,
    happenings: Vec<Happening>,
}

/// A ride that is offered, accepted and completed: events 2, 3 and 7 of their stream.
fn world() -> World {
    let mut entropy = SeededEntropy(5);
    let moment = &mut Moment { now: UtcMillis::new(1_780_000_000_000), entropy: &mut entropy };
    let (tutor, walker, ride_id) = (AccountId::new(moment), AccountId::new(moment), RideId::new(moment));
    let mut happenings = Vec::new();
    for event_type in ["ride.offered", "ride.accepted", "ride.completed"] {
        moment.now = UtcMillis::new(moment.now.get() + 1_000);
        let offered_to = if event_type == "ride.offered" { vec![walker] } else { Vec::new() };
        let (event_type, at) = (event_type.to_owned(), moment.now);
        let event_id = EventId::new(moment);
        let walker_id = Some(walker);
        happenings.push(Happening {
            event_id,
            event_type,
            ride_id,
            tutor_id: tutor,
            walker_id,
            by: None,
            offered_to,
            at,
        });
    }
    World { sql: NativeDatabase::in_memory(SCHEMA).expect("a database"), tutor, walker, happenings }
}

#[test]
fn each_is_told_once_however_often_it_comes_and_whatever_fails() {
    let world = world();
    let mut failures = 0;
    for statements in 0.. {
        world.sql.fail_after(statements);
        match consume(&world.sql, STREAM, (1, 7), &world.happenings) {
            Ok(count) => {
                assert_eq!(count, 4);
                break;
            }
            Err(Refusal::Sql(_)) => failures += 1,
            Err(other) => panic!("{other}"),
        }
        assert_eq!(offset(&world.sql, STREAM), Ok(0), "nothing of it was stored");
    }
    assert!(failures > 4);
    world.sql.fail_after(u32::MAX);
    assert_eq!(consume(&world.sql, STREAM, (1, 7), &world.happenings), Ok(0));
    assert_eq!(offset(&world.sql, STREAM), Ok(7));
    assert!(matches!(consume(&world.sql, STREAM, (9, 9), &[]), Err(Refusal::Offset(_))));
    let told = |account| list(&world.sql, account, None, 10, "en").expect("read").notifications;
    let kinds = |account| told(account).into_iter().map(|n| n.kind).collect::<Vec<_>>();
    assert_eq!(kinds(world.tutor), ["ride-completed", "ride-accepted"]);
    assert_eq!(kinds(world.walker), ["ride-completed", "ride-offered"]);
}

#[test]
fn an_inbox_is_paged_read_and_spoken_in_the_language_asked_for() {
    let world = world();
    consume(&world.sql, STREAM, (1, 7), &world.happenings).expect("consumed");
    let first = list(&world.sql, world.tutor, None, 1, "en-GB").expect("read");
    assert_eq!((first.notifications.len(), first.unread), (1, 2));
    assert_eq!(first.notifications[0].title, "The walk is done");
    let second = list(&world.sql, world.tutor, first.next, 1, "pt-PT").expect("read");
    assert_eq!((second.notifications[0].title.as_str(), second.next), ("Passeio aceito", None));
    let up_to = second.notifications[0].id;
    assert_eq!(mark_read(&world.sql, world.tutor, up_to), Ok(1));
    assert_eq!(mark_read(&world.sql, world.tutor, up_to), Ok(1));
    let all = list(&world.sql, world.tutor, None, 10, "en").expect("read");
    assert_eq!(all.notifications.iter().map(|n| n.read).collect::<Vec<_>>(), [false, true]);
    assert_eq!(list(&world.sql, world.walker, None, 10, "en").expect("read").unread, 2, "another's inbox");
    for limit in [0, 101] {
        assert!(matches!(list(&world.sql, world.tutor, None, limit, "en"), Err(Refusal::Invalid { .. })));
    }
}

#[test]
fn there_are_words_for_everything_in_every_language() {
    let world = world();
    let locales = crate::sql::locales(&world.sql).expect("read");
    assert_eq!(locales, ["pt-BR", "en"]);
    for kind in Kind::ALL {
        for locale in &locales {
            let mut happening = world.happenings[1].clone();
            let mut entropy = SeededEntropy(kind as u64 + 100);
            happening.event_id = EventId::new(&mut Moment { now: happening.at, entropy: &mut entropy });
            crate::sql::tell(&world.sql, world.tutor, kind, &happening).expect("told");
            let inbox = list(&world.sql, world.tutor, None, 100, locale).expect("read");
            let found = inbox.notifications.iter().find(|n| n.kind == kind.code()).expect("words");
            assert!(!found.title.is_empty() && !found.body.is_empty());
        }
    }
}
