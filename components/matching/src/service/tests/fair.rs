//! What walkers and tutors may ask of each other: room, nearness, PINs; and who may see a ride.

use petwalker_kernel::{AccountId, Millis, Moment, RideId, SeededEntropy, UtcMillis};
use petwalker_store::{Sql as _, Value};
use proptest::prelude::*;

use super::{KEY, START, World, accepting};
use crate::domain::{Fix, NotSeen, PetSize, Rejection, RidePet, Role, State, Walked};
use crate::service::{Action, Caller, OPEN_RIDES_MAX, Refusal, RideView, Terms, act, get, offer_of, offers};
use crate::sql::rides;

fn terms(capacity: u32) -> Action {
    Action::Accept(Terms { capacity, time_zone: "UTC".to_owned() })
}

impl World {
    /// Somebody else of that role.
    fn another(&mut self, role: Role) -> Caller {
        Caller { account: AccountId::new(&mut Moment { now: START, entropy: &mut self.entropy }), role }
    }

    /// A ride of another tutor's, with so many pets.
    fn of_another(&mut self, pets: usize) -> RideId {
        let tutor = self.another(Role::Tutor);
        let mut wanted = self.wanted("");
        wanted.pets = (0..pets)
            .map(|n| RidePet { id: format!("{}-{n}", tutor.account), size: PetSize::Small })
            .collect();
        self.ask(tutor, &wanted).expect("requested")
    }

    fn wait(&mut self, seconds: i64) {
        self.now = self.now.plus(Millis::from_secs(seconds));
    }

    /// Tries a PIN that is none, so many times.
    fn burn(&mut self, walker: Caller, ride: RideId, times: usize) {
        for _ in 0..times {
            assert_eq!(self.act(walker, ride, &Action::Start("none".into())), Err(Refusal::WrongPin));
        }
    }

    fn accept_and_arrive(&mut self, walker: Caller, ride: RideId) {
        self.act(walker, ride, &accepting()).expect("accepted");
        self.act(walker, ride, &Action::Arrive(self.fix(0.0))).expect("arrived");
    }

    fn get(&self, caller: Caller, ride: RideId) -> Result<RideView, Refusal> {
        get(&self.sql, caller, ride)
    }

    fn offer_of(&mut self, caller: Caller, ride: RideId) -> Option<u32> {
        let moment = Moment { now: self.now, entropy: &mut self.entropy };
        offer_of(&self.sql, &moment, caller, ride).ok().map(|view| view.offer.distance_m)
    }
}

#[test]
fn capacity_is_asked_when_a_ride_is_accepted() {
    let mut world = World::new(1);
    let walker = world.walkers[0];
    let held: Vec<RideId> = (0..4).map(|_| world.of_another(1)).collect();
    assert_eq!(world.act(walker, held[0], &terms(1)), Ok(()));
    for ride in &held[1..] {
        let full = Err(Refusal::NoCapacity { pets: 2, capacity: 1 });
        assert_eq!(world.act(walker, *ride, &terms(1)), full);
        assert_eq!(world.state(*ride), "offered");
    }
    // At another time there is room, and once the first is over there is again.
    let tutor = world.another(Role::Tutor);
    let mut later = world.wanted("t");
    later.scheduled_for = Some(START.plus(Millis::from_mins(100)));
    let later = world.ask(tutor, &later).expect("requested");
    assert_eq!(world.act(walker, later, &terms(1)), Ok(()));
    assert_eq!(world.act(walker, held[0], &Action::Cancel), Ok(()));
    assert_eq!(world.act(walker, held[1], &terms(1)), Ok(()));
}

#[test]
fn a_walk_that_runs_late_does_not_put_too_many_pets_into_one_hand() {
    let mut world = World::new(1);
    let walker = world.walkers[0];
    let first = world.of_another(1);
    world.act(walker, first, &terms(1)).expect("accepted");
    let tutor = world.another(Role::Tutor);
    let mut later = world.wanted("l");
    later.scheduled_for = Some(START.plus(Millis::from_mins(61)));
    let later = world.ask(tutor, &later).expect("requested");
    world.act(walker, later, &terms(1)).expect("one after the other");
    world.wait(3_000);
    world.act(walker, first, &Action::Arrive(world.fix(0.0))).expect("arrived");
    let pin = world.pin(first);
    world.act(walker, first, &Action::Start(pin)).expect("started");
    world.wait(900);
    world.act(walker, later, &Action::Arrive(world.fix(0.0))).expect("arrived");
    let pin = world.pin(later);
    let full = Err(Refusal::NoCapacity { pets: 2, capacity: 1 });
    assert_eq!(world.act(walker, later, &Action::Start(pin.clone())), full);
    world.act(walker, first, &Action::Complete(Walked::default())).expect("completed");
    assert_eq!(world.act(walker, later, &Action::Start(pin)), Ok(()));
}

#[test]
fn who_arrives_was_seen_there() {
    let mut world = World::new(3);
    let ride = world.request().expect("requested");
    let walker = world.walkers[2];
    world.act(walker, ride, &accepting()).expect("accepted");
    world.wait(121);
    let not_seen = |why| Err(Refusal::Rejected(Rejection::NotSeen(why)));
    let old = Fix { at: START, ..world.fix(0.0).expect("one") };
    for (fix, why) in
        [(None, NotSeen::NoFix), (Some(old), NotSeen::NoFix), (world.fix(1_000.0), NotSeen::TooFar(1_000))]
    {
        assert_eq!(world.act(walker, ride, &Action::Arrive(fix)), not_seen(why), "{fix:?}");
        assert_eq!(world.state(ride), "accepted");
    }
    // The presence tells where somebody is as well.
    world.appear(2, 1_000.0);
    assert_eq!(world.act(walker, ride, &Action::Arrive(None)), not_seen(NotSeen::TooFar(1_000)));
    world.appear(2, 120.0);
    assert_eq!(world.act(walker, ride, &Action::Arrive(None)), Ok(()));
    // And who gives up has stayed.
    world.wait(601);
    assert_eq!(world.act(walker, ride, &Action::NoShow(None)), not_seen(NotSeen::NoFix));
    let gone = world.fix(800.0);
    assert!(matches!(
        world.act(walker, ride, &Action::NoShow(gone)),
        Err(Refusal::Rejected(Rejection::NotSeen(NotSeen::TooFar(_))))
    ));
    assert_eq!(world.act(walker, ride, &Action::NoShow(world.fix(20.0))), Ok(()));
}

#[test]
fn wrong_pins_end_with_the_commitment_of_who_tried_them() {
    let mut world = World::new(2);
    let ride = world.request().expect("requested");
    let (first, second) = (world.walkers[0], world.walkers[1]);
    world.accept_and_arrive(first, ride);
    world.burn(first, ride, 5);
    let pin = world.pin(ride);
    assert_eq!(world.act(first, ride, &Action::Start(pin.clone())), Err(Refusal::TooManyAttempts));
    world.act(first, ride, &Action::Cancel).expect("withdrawn");
    // The others had the first wave's offer; the next one goes to whoever has not had one.
    world.sql.execute("UPDATE offers SET state = 'open', expires_at_ms = 1 << 60", &[]).expect("open");
    world.accept_and_arrive(second, ride);
    world.burn(second, ride, 4);
    assert_eq!(world.act(second, ride, &Action::Start(pin)), Ok(()));
}

#[test]
fn a_locked_pin_costs_nothing_and_is_renewed() {
    let mut world = World::new(1);
    let walker = world.walkers[0];
    let (tutor, operator) = (world.tutor, world.another(Role::Operator));
    let fee = |world: &World, ride| match rides::find(&world.sql, ride).expect("read").expect("there").state {
        State::Cancelled { fee, .. } => fee.minor(),
        other => panic!("{other:?}"),
    };
    let ride = world.request().expect("requested");
    world.accept_and_arrive(walker, ride);
    world.burn(walker, ride, 5);
    world.wait(700);
    let locked = Err(Refusal::Rejected(Rejection::PinLocked));
    assert_eq!(world.act(walker, ride, &Action::NoShow(world.fix(0.0))), locked);
    assert_eq!(world.act(walker, ride, &Action::RenewPin(None)), Err(Refusal::Forbidden));
    world.act(tutor, ride, &Action::Cancel).expect("cancelled");
    assert_eq!(fee(&world, ride), 0);

    for (who, key) in [(tutor, Some(KEY)), (operator, Some(KEY)), (operator, None)] {
        world.now = world.now.plus(Millis::from_mins(1));
        world.appear(0, 0.0);
        let ride = world.request().expect("requested");
        world.accept_and_arrive(walker, ride);
        world.burn(walker, ride, 5);
        world.act(who, ride, &Action::RenewPin(key.clone())).expect("renewed");
        let pin = world.pin(ride);
        if key.is_some() {
            let standby = rides::find_detailed(&world.standby(0), ride).expect("read").expect("there");
            assert_eq!(standby.1.expect("kept").pin, pin, "a standby knows it");
        }
        assert_eq!(world.act(walker, ride, &Action::Start(pin)), Ok(()));
        let late = world.act(who, ride, &Action::RenewPin(key));
        assert!(matches!(late, Err(Refusal::Rejected(Rejection::Illegal { .. }))), "{late:?}");
        world.act(walker, ride, &Action::Complete(Walked::default())).expect("completed");
    }
    // Once renewed, calling off costs again what it did.
    let ride = world.request().expect("requested");
    world.accept_and_arrive(walker, ride);
    world.burn(walker, ride, 5);
    world.act(tutor, ride, &Action::RenewPin(Some(KEY))).expect("renewed");
    world.act(tutor, ride, &Action::Cancel).expect("cancelled");
    assert_eq!(fee(&world, ride), 4_500);
}

#[test]
fn a_pet_is_on_one_ride_at_a_time_and_a_tutor_has_a_few_open() {
    let mut world = World::new(0);
    let tutor = world.tutor;
    let mut twice = world.wanted("p");
    twice.pets.push(twice.pets[0].clone());
    assert!(matches!(world.ask(tutor, &twice), Err(Refusal::Invalid { field: "pets", .. })));
    let at = |minutes| Some(START.plus(Millis::from_mins(minutes)));
    let ask = |world: &mut World, pet: &str, at: Option<UtcMillis>| {
        let mut wanted = world.wanted(pet);
        wanted.scheduled_for = at;
        world.ask(tutor, &wanted)
    };
    let first = ask(&mut world, "p", at(300)).expect("requested");
    let busy = Err(Refusal::PetBusy("p".into()));
    assert_eq!(ask(&mut world, "p", at(241)), busy);
    assert_eq!(ask(&mut world, "p", at(359)), busy);
    for (pet, at) in [("p", at(240)), ("p", at(360)), ("q", at(300)), ("p", None)] {
        ask(&mut world, pet, at).expect("at another time, or another pet");
    }
    assert_eq!(ask(&mut world, "p", None), busy);
    for number in 5..OPEN_RIDES_MAX {
        ask(&mut world, &format!("pet {number}"), None).expect("requested");
    }
    assert_eq!(ask(&mut world, "one more", None), Err(Refusal::TooManyRides));
    world.act(tutor, first, &Action::Cancel).expect("cancelled");
    ask(&mut world, "p", at(300)).expect("free again");
}

#[test]
fn an_offer_is_seen_while_it_is_open_and_the_ride_by_its_walker_only() {
    let mut world = World::new(4);
    let ride = world.request().expect("requested");
    let [declined, left, open, _] = [world.walkers[0], world.walkers[1], world.walkers[2], world.walkers[3]];
    let stranger = world.another(Role::Walker);
    for walker in [declined, left, open] {
        assert_eq!(world.get(walker, ride), Err(Refusal::NotFound));
        let distance_m = world.offer_of(walker, ride).expect("an offer");
        assert_eq!(distance_m % 500, 0);
        for action in [Action::Arrive(world.fix(0.0)), Action::Pause, Action::Cancel, Action::NoShow(None)] {
            assert_eq!(world.act(walker, ride, &action), Err(Refusal::NotFound), "{action:?}");
        }
    }
    assert_eq!(world.offer_of(stranger, ride), None);
    world.act(declined, ride, &Action::Decline).expect("declined");
    assert_eq!(world.offer_of(declined, ride), None);
    assert_eq!(world.act(declined, ride, &Action::Decline), Err(Refusal::OfferExpired));
    let command = world.command(left);
    let accept = |world: &mut World| {
        let moment = &mut Moment { now: START, entropy: &mut SeededEntropy(5) };
        act(&world.sql, moment, &command, left, ride, None, &accepting()).expect("accepted")
    };
    assert!(accept(&mut world).pickup.is_some());
    assert!(world.get(left, ride).expect("the walker's").pickup.is_some());
    assert_eq!((world.offer_of(left, ride), world.offer_of(open, ride)), (None, None));
    world.act(left, ride, &Action::Cancel).expect("withdrawn");
    assert_eq!(world.get(left, ride), Err(Refusal::NotFound));
    // The command that was answered with the home is not answered with it again.
    let repeated = accept(&mut world);
    assert_eq!((repeated.pickup, repeated.notes), (None, None));
    // An offer ends by its time as well.
    let next = world.of_another(1);
    assert!(world.offer_of(open, next).is_some());
    world.wait(31);
    assert_eq!(world.offer_of(open, next), None);
    let moment = Moment { now: world.now, entropy: &mut world.entropy };
    assert_eq!(offers(&world.sql, &moment, open).expect("read").len(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_walker_ever_holds_more_pets_at_one_time_than_there_is_room_for(
        capacity in 1..4_u32,
        steps in proptest::collection::vec((0_u8..8, 0_usize..6), 1..80),
    ) {
        let mut world = World::new(1);
        let walker = world.walkers[0];
        let asked: Vec<RideId> = (0..6).map(|number| world.of_another(1 + number % 2)).collect();
        // Whatever dispatch thinks, everything is on offer all the time.
        let offer = |world: &World| {
            for ride in &asked {
                let row = "INSERT INTO offers (id, ride_id, walker_id, state, expires_at_ms, distance_m) \
                           VALUES (?1, ?1, ?2, 'open', ?3, 0) \
                           ON CONFLICT DO UPDATE SET state = 'open', expires_at_ms = excluded.expires_at_ms";
                let until = world.now.plus(Millis::from_mins(5));
                let parameters = [Value::display(ride), Value::display(&walker.account), until.into()];
                world.sql.execute(row, &parameters).expect("offered");
            }
        };
        for (step, which) in steps {
            let ride = asked[which];
            offer(&world);
            let pin = world.pin(ride);
            let action = match step {
                0 | 1 => terms(capacity),
                2 => Action::Arrive(world.fix(0.0)),
                3 | 4 => Action::Start(pin),
                5 => Action::Complete(Walked::default()),
                6 => Action::Cancel,
                _ => {
                    world.wait(1_500);
                    continue;
                }
            };
            drop(world.act(walker, ride, &action));
            let held = rides::held_by(&world.sql, walker.account).expect("read");
            let in_hand = held.iter().filter(|r| matches!(r.state, State::Started { .. } | State::Paused { .. }));
            let pets: u32 = in_hand.map(crate::domain::Ride::pets).sum();
            prop_assert!(pets <= capacity, "{} pets in the hands of one who has room for {}", pets, capacity);
        }
    }
}
