//! Every step run twice, and failed after each statement: each event is counted once.

use petwalker_kernel::UtcMillis;
use petwalker_store::NativeDatabase;

use super::{Refusal, consume, days, offset};
use crate::domain::Happening;

const SCHEMA: &str = include_str!("../../../../db-schema/global/schema.sql");
const STREAM: &str = "region/test";

fn walk(at: i64) -> Vec<Happening> {
    ["ride.requested", "ride.offered", "ride.accepted", "ride.started", "ride.completed"]
        .into_iter()
        .map(|event_type| {
            let ended = event_type == "ride.completed";
            Happening {
                event_type: event_type.to_owned(),
                at: UtcMillis::new(at),
                offers: if event_type == "ride.offered" { 4 } else { 0 },
                walked_ms: if ended { 1_800_000 } else { 0 },
                walked_m: if ended { 2_500 } else { 0 },
            }
        })
        .collect()
}

#[test]
fn each_event_is_counted_once_however_often_it_comes_and_whatever_fails() {
    let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
    let day = 1_795_564_800_000;
    let both = [walk(day), walk(day - 1)].concat();
    let mut failures = 0;
    for statements in 0.. {
        sql.fail_after(statements);
        match consume(&sql, STREAM, (1, 10), "test", &both) {
            Ok(()) => break,
            Err(Refusal::Sql(_)) => failures += 1,
            Err(other) => panic!("{other}"),
        }
        assert_eq!(offset(&sql, STREAM), Ok(0), "nothing of it was stored");
    }
    assert!(failures > 3);
    sql.fail_after(u32::MAX);
    consume(&sql, STREAM, (1, 10), "test", &both).expect("passed over");
    consume(&sql, STREAM, (11, 15), "test", &walk(day)).expect("consumed");
    consume(&sql, "region/other", (1, 5), "other", &walk(day)).expect("consumed");
    assert!(matches!(consume(&sql, STREAM, (17, 17), "test", &[]), Err(Refusal::Offset(_))));
    let found = days(&sql, true, "2026-11-24", "2026-11-25", Some("test")).expect("told");
    let figures: Vec<_> = found
        .iter()
        .map(|day| (day.date.as_str(), day.tally.completed, day.tally.offers, day.tally.walked_m))
        .collect();
    assert_eq!(figures, [("2026-11-24", 1, 4, 2_500), ("2026-11-25", 2, 8, 5_000)]);
    assert_eq!(days(&sql, true, "2026-11-25", "2026-11-25", None).expect("told").len(), 2);
    assert_eq!(days(&sql, false, "2026-11-25", "2026-11-25", None), Err(Refusal::Forbidden));
    assert!(matches!(days(&sql, true, "2026-11-25", "x", None), Err(Refusal::Span(_))));
}
