//! Who is told of what: a table of cases.

use petwalker_kernel::{AccountId, EventId, Moment, RideId, SeededEntropy, UtcMillis};

use super::{Happening, Kind, Role, closest, told};

fn happening(event_type: &str, walker: bool, by: Option<Role>) -> (Happening, AccountId, AccountId) {
    let mut entropy = SeededEntropy(1);
    let moment = &mut Moment { now: UtcMillis::new(1_780_000_000_000), entropy: &mut entropy };
    let (tutor, other) = (AccountId::new(moment), AccountId::new(moment));
    let happening = Happening {
        event_id: EventId::new(moment),
        event_type: event_type.to_owned(),
        ride_id: RideId::new(moment),
        tutor_id: tutor,
        walker_id: walker.then_some(other),
        by,
        offered_to: if event_type == "ride.offered" { vec![other] } else { Vec::new() },
        at: moment.now,
    };
    (happening, tutor, other)
}

/// An event, whether it has a walker, who did it, and what tutor and walker are told.
type Case = (&'static str, bool, Option<Role>, &'static [Kind], &'static [Kind]);

#[test]
fn each_event_is_told_to_those_who_did_not_do_it() {
    use Kind::*;
    let cases: [Case; 16] = [
        ("ride.requested", false, None, &[], &[]),
        ("ride.offered", false, None, &[], &[RideOffered]),
        ("ride.offer-declined", false, None, &[], &[]),
        ("ride.accepted", true, None, &[RideAccepted], &[]),
        ("ride.arrived", true, None, &[WalkerArrived], &[]),
        ("ride.started", true, None, &[RideStarted], &[]),
        ("ride.paused", true, None, &[], &[]),
        ("ride.completed", true, None, &[RideCompleted], &[RideCompleted]),
        ("ride.interrupted", true, None, &[RideInterrupted], &[]),
        ("ride.cancelled", true, Some(Role::Tutor), &[], &[RideCancelled]),
        ("ride.cancelled", false, Some(Role::Tutor), &[], &[]),
        ("ride.cancelled", true, Some(Role::Walker), &[RideCancelled], &[]),
        ("ride.cancelled", true, Some(Role::Operator), &[RideCancelled], &[RideCancelled]),
        ("ride.walker-withdrew", true, None, &[WalkerWithdrew], &[]),
        ("ride.expired", false, None, &[RideExpired], &[]),
        ("ride.no-show", true, None, &[TutorNoShow], &[]),
    ];
    for (event_type, walker, by, to_tutor, to_walker) in cases {
        let (happening, tutor, other) = happening(event_type, walker, by);
        let told = told(&happening);
        let of = |who| told.iter().filter(|(to, _)| *to == who).map(|(_, kind)| *kind).collect::<Vec<_>>();
        assert_eq!(of(tutor), to_tutor, "{event_type} {by:?}");
        assert_eq!(of(other), to_walker, "{event_type} {by:?}");
    }
}

#[test]
fn the_closest_language_is_found() {
    let known = ["pt-BR".to_owned(), "en".to_owned()];
    for (wanted, found) in [
        ("pt-BR", "pt-BR"),
        ("PT-br", "pt-BR"),
        ("pt-PT", "pt-BR"),
        ("en-GB", "en"),
        ("de", "pt-BR"),
        ("", "pt-BR"),
    ] {
        assert_eq!(closest(wanted, &known), Some(found), "{wanted}");
    }
    assert_eq!(closest("en", &[]), None);
}
