//! One bad row does not stop a region's timers.

use petwalker_kernel::{Millis, Moment};
use petwalker_store::Sql as _;

use super::{DETAILS_KEPT_FOR, START, World};
use crate::service::{TickReport, tick};

impl World {
    fn fire(&mut self) -> TickReport {
        let moment = &mut Moment { now: self.now, entropy: &mut self.entropy };
        tick(&self.sql, moment, DETAILS_KEPT_FOR).expect("ticks")
    }

    fn after(&mut self, seconds: i64) -> TickReport {
        self.now = START.plus(Millis::from_secs(seconds));
        self.fire()
    }
}

#[test]
fn a_row_that_fails_is_set_aside_and_the_others_go_on() {
    let mut world = World::new(0);
    let bad = world.request().expect("requested");
    let wanted = world.wanted("q");
    let good = world.ask(world.tutor, &wanted).expect("requested");
    let body = world.sql.first("SELECT body FROM rides WHERE id = ?1", &[bad.to_string().into()]);
    let body = body.expect("read").expect("a row").blob(0).expect("bytes").to_vec();
    let write = "UPDATE rides SET body = ?2, due_at_ms = 1 WHERE id = ?1";
    world.sql.execute(write, &[bad.to_string().into(), vec![0xc1_u8].as_slice().into()]).expect("damaged");

    let report = world.after(30);
    assert_eq!((report.waves, report.set_aside.len()), (1, 1), "{report:?}");
    assert_eq!(report.set_aside[0].0, bad.to_string());
    assert_eq!(report.set_aside[0].1, world.now.plus(Millis::from_mins(1)));
    assert_eq!(report.next_due, Some(START.plus(Millis::from_secs(60))), "the good one's");
    // Not tried again before its time, and each time later.
    assert_eq!(world.after(60).set_aside.len(), 0);
    let report = world.after(90);
    assert_eq!((world.state(good), report.expired), ("expired", 1));
    assert_eq!(report.set_aside[0].1, world.now.plus(Millis::from_mins(2)));
    assert_eq!(world.after(205).set_aside.len(), 0);
    assert_eq!(world.after(210).set_aside[0].1, world.now.plus(Millis::from_mins(4)));
    for _ in 0..12 {
        world.now = world.now.plus(Millis::from_mins(60));
        let report = world.fire();
        assert!(report.set_aside[0].1 <= world.now.plus(Millis::from_mins(60)), "{report:?}");
    }
    // Once it is mended it goes on, and what was noted of it is forgotten.
    world.sql.execute(write, &[bad.to_string().into(), body.as_slice().into()]).expect("mended");
    world.now = world.now.plus(Millis::from_mins(60));
    assert_eq!(world.fire().waves, 1);
    let noted = world.sql.query("SELECT 1 FROM timers_set_aside", &[]).expect("read");
    assert_eq!(noted.len(), 0);
}

#[test]
fn an_id_that_is_none_hides_no_other() {
    let mut world = World::new(0);
    let good = world.request().expect("requested");
    let odd =
        "INSERT INTO rides SELECT 'odd', tutor_id, NULL, 'q', state, 1, 1, cell, 1, body, NULL FROM rides";
    world.sql.execute(odd, &[]).expect("written");
    let report = world.after(30);
    assert_eq!((report.waves, report.set_aside.len()), (1, 1), "{report:?}");
    assert_eq!(world.state(good), "offered");
}

#[test]
fn a_ride_whose_details_are_gone_is_given_up() {
    let mut world = World::new(0);
    let ride = world.request().expect("requested");
    world.sql.execute("DELETE FROM ride_details", &[]).expect("erased");
    assert_eq!(world.after(30).expired, 1);
    assert_eq!((world.state(ride), world.after(31)), ("expired", TickReport::default()));
}

#[test]
fn a_database_that_cannot_be_used_is_not_the_rows_fault() {
    let mut world = World::new(0);
    world.request().expect("requested");
    world.now = START.plus(Millis::from_secs(30));
    world.sql.execute("DROP TABLE timers_set_aside", &[]).expect("dropped");
    let moment = &mut Moment { now: world.now, entropy: &mut world.entropy };
    assert!(tick(&world.sql, moment, DETAILS_KEPT_FOR).is_err());
}
