//! The services on a real database: whatever is tried in whatever order, the rules hold and the log tells it all.

use petwalker_kernel::{
    AccountId, BasisPoints, Currency, GeoPoint, Millis, Moment, Money, QuoteId, RideId, SeededEntropy,
    UtcMillis,
};
use petwalker_seal::SealKey;
use petwalker_store::{Command, NativeDatabase, OwnersEvent, Row, Sql as _, read_after};
use proptest::prelude::*;

use super::{
    Action, Caller, Erased, Refusal, Request, Terms, act, appear, erased_up_to, forget, replay, request,
    take_over, tick,
};
use crate::domain::{CancellationPolicy, Fix, PetSize, RidePet, Role, Walked, WalkerCard};
use crate::sql::presence::Presence;
use crate::sql::rides;

mod fair;
mod near;
mod timers;

const SCHEMA: &str = include_str!("../../../../db-schema/region/schema.sql");
/// The tutor's.
const KEY: SealKey = SealKey::new([5; 32]);
/// How long details of rides are kept.
const DETAILS_KEPT_FOR: Millis = Millis::from_mins(30 * 24 * 60);
const START: UtcMillis = UtcMillis::new(1_780_000_000_000);

struct World {
    sql: NativeDatabase,
    now: UtcMillis,
    entropy: SeededEntropy,
    tutor: Caller,
    walkers: Vec<Caller>,
    commands: u32,
}

/// Accepts on the terms of a walker with room for two.
fn accepting() -> Action {
    Action::Accept(Terms { capacity: 2, time_zone: "America/Sao_Paulo".to_owned() })
}

fn place(metres_north: f64) -> GeoPoint {
    GeoPoint::new(-23.55 + metres_north / 111_195.0, -46.63).expect("on Earth")
}

impl World {
    fn new(walkers: usize) -> Self {
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        sql.execute("INSERT INTO region (one, name, epoch, number) VALUES (1, 'test', 1, 7)", &[])
            .expect("a region");
        let mut entropy = SeededEntropy(7);
        let mut account = |role| {
            let moment = &mut Moment { now: START, entropy: &mut entropy };
            Caller { account: AccountId::new(moment), role }
        };
        let tutor = account(Role::Tutor);
        let walkers: Vec<Caller> = (0..walkers).map(|_| account(Role::Walker)).collect();
        let mut world = Self { sql, now: START, entropy, tutor, walkers, commands: 0 };
        for index in 0..world.walkers.len() {
            #[expect(clippy::cast_precision_loss, reason = "a handful of walkers")]
            world.appear(index, 100.0 * index as f64);
        }
        world
    }

    fn appear(&mut self, walker: usize, metres_north: f64) {
        self.appear_at(walker, place(metres_north));
    }

    fn appear_at(&mut self, walker: usize, place_of: GeoPoint) {
        let caller = self.walkers[walker];
        let presence = Presence {
            walker_id: caller.account,
            place: place_of,
            rating_milli: 0,
            capacity: 2,
            sizes: PetSize::Small.bit() | PetSize::Medium.bit(),
            card: WalkerCard {
                time_zone: "America/Sao_Paulo".into(),
                area_centre: place(0.0),
                area_radius_m: 20_000,
                weekly: vec![],
            },
        };
        let moment = Moment { now: self.now, entropy: &mut self.entropy };
        appear(&self.sql, &moment, caller, presence).expect("present");
    }

    fn command(&mut self, caller: Caller) -> Command {
        self.commands += 1;
        Command { actor: caller.account.to_string(), id: format!("c{}", self.commands), fingerprint: vec![1] }
    }

    fn request(&mut self) -> Result<RideId, Refusal> {
        let wanted = self.wanted("p");
        self.ask(self.tutor, &wanted)
    }

    fn ask(&mut self, tutor: Caller, wanted: &Request) -> Result<RideId, Refusal> {
        let command = self.command(tutor);
        let moment = &mut Moment { now: self.now, entropy: &mut self.entropy };
        Ok(request(&self.sql, moment, &command, tutor, wanted)?.ride.order.id)
    }

    /// Two rides of the tutor's, with a pet each.
    fn two_rides(&mut self) -> [RideId; 2] {
        ["p", "q"].map(|pet| {
            let wanted = self.wanted(pet);
            self.ask(self.tutor, &wanted).expect("requested")
        })
    }

    /// A walk of an hour with that pet, at once.
    fn wanted(&mut self, pet: &str) -> Request {
        let moment = &mut Moment { now: self.now, entropy: &mut self.entropy };
        Request {
            quote_id: QuoteId::new(moment),
            quote_expires_at: self.now.plus(Millis::from_mins(10)),
            price: Money::new(4_500, Currency::BRL),
            pickup: place(0.0),
            duration_min: 60,
            pets: vec![RidePet { id: pet.into(), size: PetSize::Medium }],
            scheduled_for: None,
            notes: String::new(),
            policy: CancellationPolicy {
                grace_min: 5,
                cutoff_hour: 20,
                late: BasisPoints(5_000),
                arrived: BasisPoints(10_000),
            },
            seal_key: Some(KEY),
        }
    }

    /// A fix of now, so many metres north of the pickup.
    fn fix(&self, metres_north: f64) -> Option<Fix> {
        Some(Fix { place: place(metres_north), at: self.now, accuracy_m: 5.0 })
    }

    fn act(&mut self, caller: Caller, ride: RideId, action: &Action) -> Result<(), Refusal> {
        let command = self.command(caller);
        let moment = &mut Moment { now: self.now, entropy: &mut self.entropy };
        act(&self.sql, moment, &command, caller, ride, None, action).map(drop)
    }

    fn tick(&mut self) {
        let moment = &mut Moment { now: self.now, entropy: &mut self.entropy };
        tick(&self.sql, moment, DETAILS_KEPT_FOR).expect("ticks");
    }

    fn state(&self, ride: RideId) -> &'static str {
        rides::find(&self.sql, ride).expect("read").expect("there").state.name()
    }

    fn pin(&self, ride: RideId) -> String {
        rides::find_detailed(&self.sql, ride).expect("read").expect("there").1.expect("kept").pin
    }

    fn dump(&self) -> Vec<Row> {
        let mut rows = self.sql.query("SELECT * FROM rides ORDER BY id", &[]).expect("read");
        rows.extend(self.sql.query("SELECT * FROM offers ORDER BY id", &[]).expect("read"));
        rows
    }

    /// What the events make, by view.
    fn replicated(sql: &NativeDatabase) -> Vec<Row> {
        ["rides", "offers", "ride_details", "commands"]
            .iter()
            .flat_map(|name| {
                sql.query(&format!("SELECT * FROM replicated_{name} ORDER BY 1, 2"), &[]).expect("read")
            })
            .collect()
    }

    /// A standby that took over all events but the last `less`, each batch twice.
    fn standby(&self, less: usize) -> NativeDatabase {
        let standby = NativeDatabase::in_memory(SCHEMA).expect("a database");
        let mut records: Vec<_> =
            read_after(&self.sql, 0, 1_000).expect("read").into_iter().map(|(_, record)| record).collect();
        records.truncate(records.len().saturating_sub(less));
        for batch in records.chunks(3) {
            let events = || {
                let event = |record: &Vec<u8>| OwnersEvent { record: record.clone(), seal_key: Some(KEY) };
                batch.iter().map(event).collect()
            };
            let reached = take_over(&standby, events()).expect("taken over");
            assert_eq!(take_over(&standby, events()), Ok(reached));
        }
        standby
    }

    fn types(&self) -> Vec<String> {
        let records = read_after(&self.sql, 0, 1_000).expect("read");
        records.into_iter().map(|(envelope, _)| envelope.event_type).collect()
    }
}

#[test]
fn the_first_acceptance_wins_once() {
    let mut world = World::new(3);
    let ride = world.request().expect("requested");
    let [a, b, c] = [world.walkers[0], world.walkers[1], world.walkers[2]];
    assert_eq!(world.act(b, ride, &accepting()), Ok(()));
    assert_eq!(world.act(a, ride, &accepting()), Err(Refusal::AlreadyTaken));
    assert_eq!(world.act(c, ride, &accepting()), Err(Refusal::AlreadyTaken));
    assert!(matches!(world.act(b, ride, &accepting()), Err(Refusal::Rejected(_))));
    assert_eq!(world.types(), ["ride.requested", "ride.offered", "ride.accepted"]);
}

#[test]
fn waves_reach_further_and_end() {
    let mut world = World::new(0);
    let ride = world.request().expect("requested");
    for (seconds, expected) in
        [(0, "offered"), (30, "offered"), (60, "offered"), (89, "offered"), (90, "expired")]
    {
        world.now = START.plus(Millis::from_secs(seconds));
        world.tick();
        assert_eq!(world.state(ride), expected, "after {seconds} s");
    }
    assert_eq!(
        world.types(),
        ["ride.requested", "ride.offered", "ride.offered", "ride.offered", "ride.expired"]
    );
}

#[test]
fn when_everybody_declines_the_next_wave_comes_at_once() {
    let mut world = World::new(1);
    let ride = world.request().expect("requested");
    let (first, late) = (world.walkers[0], world.walkers[0]);
    assert_eq!(world.act(first, ride, &Action::Decline), Ok(()));
    assert_eq!(world.types(), ["ride.requested", "ride.offered", "ride.offer-declined", "ride.offered"]);
    assert_eq!(world.act(late, ride, &accepting()), Err(Refusal::OfferExpired));
}

#[test]
fn a_repeat_is_answered_the_same_and_a_quote_used_once() {
    let mut world = World::new(1);
    let ride = world.request().expect("requested");
    let walker = world.walkers[0];
    let command = world.command(walker);
    let accept = |world: &mut World, command: &Command| {
        let moment = &mut Moment { now: world.now, entropy: &mut world.entropy };
        act(&world.sql, moment, command, walker, ride, None, &accepting())
    };
    let first = accept(&mut world, &command).expect("accepted");
    world.now = world.now.plus(Millis::from_mins(1));
    assert_eq!(accept(&mut world, &command), Ok(first));
    let other = Command { fingerprint: vec![2], ..command };
    assert!(matches!(accept(&mut world, &other), Err(Refusal::Command(_))));
    assert_eq!(world.types().len(), 3);
}

#[test]
fn a_standby_answers_a_repeat_as_the_owner_did() {
    let mut world = World::new(1);
    let ride = world.request().expect("requested");
    assert_eq!(ride.region().get(), 7);
    let (walker, command) = (world.walkers[0], world.command(world.walkers[0]));
    let repeat = |sql: &NativeDatabase| {
        let moment = &mut Moment { now: START, entropy: &mut SeededEntropy(9) };
        act(sql, moment, &command, walker, ride, None, &accepting())
    };
    let first = repeat(&world.sql).expect("accepted");
    let standby = world.standby(0);
    standby.execute("INSERT INTO region (one, name, epoch) VALUES (1, 'test', 2)", &[]).expect("owned");
    assert_eq!(repeat(&standby), Ok(first));
    // A batch that does not follow is refused, and a person whose key is gone has no details any more.
    let records = read_after(&world.sql, 0, 10).expect("read");
    let event = |index: usize| OwnersEvent { record: records[index].1.clone(), seal_key: None };
    let fresh = NativeDatabase::in_memory(SCHEMA).expect("a database");
    assert!(take_over(&fresh, vec![event(1)]).is_err());
    assert_eq!(take_over(&fresh, vec![event(0), event(1)]), Ok(2));
    assert_eq!(rides::find_detailed(&fresh, ride).expect("read").expect("there").1, None);
}

/// Rows of a table.
fn count(sql: &NativeDatabase, table: &str) -> i64 {
    let row = sql.first(&format!("SELECT count(*) FROM {table}"), &[]).expect("read").expect("a row");
    row.int(0).expect("a count")
}

#[test]
fn what_is_kept_of_a_command_tells_nothing_personal() {
    let mut world = World::new(1);
    let ride = world.request().expect("requested");
    let (walker, pin) = (world.walkers[0], world.pin(ride));
    for action in [accepting(), Action::Arrive(world.fix(0.0)), Action::Start(pin.clone())] {
        world.act(walker, ride, &action).expect("done");
    }
    let (_, details) = rides::find_detailed(&world.sql, ride).expect("read").expect("there");
    let details = details.expect("kept");
    let latitude = details.pickup.lat();
    let rows = world.sql.query("SELECT outcome FROM commands", &[]).expect("read");
    assert_eq!(rows.len(), 4);
    for row in &rows {
        let outcome = row.blob(0).expect("bytes");
        let holds = |bytes: &[u8]| outcome.windows(bytes.len()).any(|part| part == bytes);
        assert!(!holds(pin.as_bytes()) && !holds(&latitude.to_be_bytes()), "{outcome:?}");
    }
    // Whoever repeats a command is told the details as they are now: none once they were erased.
    let command = Command { actor: world.tutor.account.to_string(), id: "c1".into(), fingerprint: vec![1] };
    let (tutor, request) = (world.tutor, world.wanted("p"));
    let repeat = |world: &mut World| {
        let moment = &mut Moment { now: world.now, entropy: &mut world.entropy };
        super::request(&world.sql, moment, &command, tutor, &request).expect("repeated")
    };
    let view = repeat(&mut world);
    assert_eq!((view.ride.order.id, view.pin.as_deref()), (ride, Some(pin.as_str())));
    world.sql.execute("DELETE FROM ride_details", &[]).expect("erased");
    assert_eq!(repeat(&mut world).pin, None);
}

#[test]
fn a_command_without_a_name_is_not_remembered() {
    let mut world = World::new(1);
    let ride = world.request().expect("requested");
    let walker = world.walkers[0];
    let unnamed = Command { actor: walker.account.to_string(), id: String::new(), fingerprint: vec![] };
    let moment = &mut Moment { now: world.now, entropy: &mut world.entropy };
    act(&world.sql, moment, &unnamed, walker, ride, None, &accepting()).expect("accepted");
    assert_eq!(count(&world.sql, "commands"), 1, "the request alone");
    assert_eq!(count(&world.sql, "daily_counts"), 2, "both are counted, the tutor's and the walker's");
    let (last, _) = read_after(&world.sql, 0, 100).expect("read").pop().expect("an event");
    assert_eq!((last.event_type.as_str(), last.command), ("ride.accepted", None));
}

#[test]
fn what_was_kept_long_enough_is_removed_here_and_at_a_standby() {
    let mut world = World::new(1);
    let [over, going_on] = world.two_rides();
    let (tutor, walker) = (world.tutor, world.walkers[0]);
    world.act(walker, going_on, &accepting()).expect("accepted");
    world.act(tutor, over, &Action::Cancel).expect("cancelled");
    let counts =
        |world: &World| ["commands", "offers", "ride_details", "rides"].map(|table| count(&world.sql, table));
    let day = Millis::from_mins(24 * 60);
    let events = world.types().len();
    let ticked = |world: &mut World, days: i64| {
        world.now = START.plus(Millis::new(day.get() * days));
        world.tick();
        counts(world)
    };
    assert_eq!(ticked(&mut world, 2), [4, 2, 2, 2]);
    assert_eq!(world.types().len(), events, "nothing was due, so nothing was said");
    assert_eq!(ticked(&mut world, 3), [0, 2, 2, 2], "commands go after 48 hours");
    assert_eq!(ticked(&mut world, 8), [0, 1, 2, 2], "offers of a ride that is over go after a week");
    assert_eq!(ticked(&mut world, 31), [0, 1, 1, 2], "details go a month after the end");
    assert_eq!(world.types().len(), events + 3);
    assert!(rides::find_detailed(&world.sql, over).expect("read").expect("there").1.is_none());
    assert!(rides::find_detailed(&world.sql, going_on).expect("read").expect("there").1.is_some());
    let rows = world.dump();
    assert_eq!(World::replicated(&world.standby(0)), World::replicated(&world.sql));
    replay(&world.sql).expect("replays");
    assert_eq!(world.dump(), rows);
}

#[test]
fn who_was_erased_is_forgotten_here_and_at_a_standby() {
    let mut world = World::new(1);
    let [over, going_on] = world.two_rides();
    let (tutor, walker) = (world.tutor, world.walkers[0]);
    world.act(walker, going_on, &accepting()).expect("accepted");
    world.act(tutor, over, &Action::Cancel).expect("cancelled");
    let erase = |world: &mut World, seq, caller: Caller| {
        let moment = &mut Moment { now: world.now, entropy: &mut world.entropy };
        forget(&world.sql, moment, &Erased { seq, account_id: caller.account }).expect("forgotten");
    };
    erase(&mut world, 1, tutor);
    let has_details = |world: &World, ride| {
        rides::find_detailed(&world.sql, ride).expect("read").expect("there").1.is_some()
    };
    assert!(!has_details(&world, over) && has_details(&world, going_on), "a walk under way needs them");
    assert_eq!((count(&world.sql, "commands"), count(&world.sql, "presence")), (1, 1), "the walker's");
    erase(&mut world, 2, walker);
    assert_eq!((count(&world.sql, "commands"), count(&world.sql, "presence")), (0, 0));
    assert_eq!(count(&world.sql, "daily_counts"), 0);
    let events = world.types().len();
    erase(&mut world, 1, tutor);
    assert_eq!((world.types().len(), erased_up_to(&world.sql)), (events, Ok(2)), "each is followed once");
    let standby = world.standby(0);
    assert_eq!(erased_up_to(&standby), Ok(2));
    assert_eq!(World::replicated(&standby), World::replicated(&world.sql));
}

#[test]
fn a_tick_removes_a_bounded_number_of_rows() {
    let world = World::new(0);
    for n in 0..1_200 {
        let row = [format!("a{n}").into(), START.plus(Millis::new(n)).into()];
        world
            .sql
            .execute("INSERT INTO commands (actor, id, fingerprint, outcome, at_ms) VALUES (?1, 'x', x'', x'', ?2)", &row)
            .expect("inserted");
    }
    let mut world = world;
    world.now = START.plus(Millis::from_mins(50 * 60));
    let mut left = Vec::new();
    for _ in 0..3 {
        world.tick();
        left.push(count(&world.sql, "commands"));
    }
    assert_eq!(left, [699, 198, 0]);
}

/// Which state may follow which.
const FOLLOWS: &[(&str, &[&str])] = &[
    ("requested", &["offered", "cancelled", "expired"]),
    ("offered", &["offered", "accepted", "cancelled", "expired"]),
    ("accepted", &["arrived", "offered", "expired", "cancelled"]),
    ("arrived", &["started", "offered", "expired", "cancelled", "no_show"]),
    ("started", &["paused", "completed", "interrupted"]),
    ("paused", &["started", "completed", "interrupted"]),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_tried_the_rules_hold(steps in proptest::collection::vec((0_u8..15, 0_usize..4), 1..60)) {
        let mut world = World::new(4);
        let ride = world.request().expect("requested");
        for (step, who) in steps {
            let before = world.state(ride);
            let events = world.types().len();
            let walker = world.walkers[who];
            let walked = Walked { distance_m: 10, moving_ms: 10 };
            let pin = world.pin(ride);
            let (caller, action) = match step {
                0 => (walker, accepting()),
                1 => (walker, Action::Decline),
                2 => (walker, Action::Arrive(world.fix(0.0))),
                3 => (walker, Action::Start(pin)),
                4 => (walker, Action::Start("no".into())),
                5 => (walker, Action::Pause),
                6 => (walker, Action::Resume),
                7 => (walker, Action::Complete(walked)),
                8 => (walker, Action::Interrupt(walked, "a storm".into())),
                9 => (walker, Action::Cancel),
                10 => (world.tutor, Action::Cancel),
                11 => (walker, Action::NoShow(world.fix(0.0))),
                14 => (world.tutor, Action::RenewPin(Some(KEY))),
                _ => {
                    world.now = world.now.plus(Millis::from_secs(if step == 12 { 20 } else { 700 }));
                    world.tick();
                    continue;
                }
            };
            let outcome = world.act(caller, ride, &action);
            let after = world.state(ride);
            if outcome.is_err() {
                prop_assert_eq!((before, events), (after, world.types().len()), "a refusal changed something");
            } else if before != after {
                let allowed = FOLLOWS.iter().find(|(from, _)| *from == before).map_or(&[][..], |(_, to)| to);
                prop_assert!(allowed.contains(&after), "{} became {}", before, after);
            }
        }
        let rows = world.dump();
        let replayed = replay(&world.sql).expect("replays");
        prop_assert_eq!(usize::try_from(replayed).expect("fits"), world.types().len());
        prop_assert_eq!(world.dump(), rows);
        let standby = world.standby(0);
        prop_assert_eq!(World::replicated(&standby), World::replicated(&world.sql));
    }
}
