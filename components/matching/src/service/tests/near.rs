//! Where walkers are shown, and for how long; what offers tell of a pickup.

use petwalker_kernel::{AccountId, GeoPoint, Millis, Moment, SeededEntropy, UtcMillis};
use petwalker_store::Sql as _;

use super::{START, World, place};
use crate::domain::{Role, pickup_square};
use crate::service::{NearbyWalker, demand_around, nearest};
use crate::sql::offers;

impl World {
    fn nearest(&self, from: GeoPoint, limit: u32) -> Vec<NearbyWalker> {
        nearest(&self.sql, self.now, from, limit).expect("found")
    }

    /// Where everybody is shown.
    fn shown(&self) -> Vec<(AccountId, GeoPoint)> {
        let rows = self.sql.query("SELECT walker_id, shown_lat, shown_lon FROM presence", &[]).expect("read");
        let place = |row: &petwalker_store::Row| {
            GeoPoint::new(row.real(1).expect("a number"), row.real(2).expect("a number")).expect("on Earth")
        };
        rows.iter().map(|row| (row.parse(0).expect("an id"), place(row))).collect()
    }
}

#[test]
fn nearest_finds_those_who_are_shown_nearest_however_far() {
    let mut world = World::new(40);
    for index in 0..40_u32 {
        world.appear(index as usize, 60.0 * f64::from(index) * f64::from(index));
    }
    let mut expected = world.shown();
    expected.sort_by(|a, b| a.1.distance_m(place(0.0)).total_cmp(&b.1.distance_m(place(0.0))));
    let found = world.nearest(place(0.0), 30);
    let ids: Vec<AccountId> = expected[..30].iter().map(|(id, _)| *id).collect();
    assert_eq!(found.iter().map(|w| w.walker_id).collect::<Vec<_>>(), ids);
    assert!(found.iter().all(|walker| walker.distance_m % 500 == 0));
    assert!(found[29].distance_m > 40_000, "{:?}", found[29]);
}

#[test]
fn who_asks_as_often_as_they_like_comes_no_closer_than_500_m() {
    // Rings of questions around each walker: the place whose distances fit the answers best is where the walker is shown.
    let mut world = World::new(12);
    for index in 0..12_u32 {
        world.appear(index as usize, 137.0 * f64::from(index));
    }
    for (index, walker) in world.walkers.iter().enumerate() {
        let truth = place(137.0 * f64::from(u32::try_from(index).expect("few")));
        let mut answers = Vec::new();
        for ring in 1..=12_u32 {
            for part in 0..16_u32 {
                let angle = f64::from(part) * std::f64::consts::TAU / 16.0;
                let metres = 330.0 * f64::from(ring);
                let lon = truth.lon() + metres * angle.sin() / (111_195.0 * truth.lat().to_radians().cos());
                let from =
                    GeoPoint::new(truth.lat() + metres * angle.cos() / 111_195.0, lon).expect("a place");
                let told = world.nearest(from, 50);
                let told = told.iter().find(|w| w.walker_id == walker.account).expect("shown").distance_m;
                answers.push((from, f64::from(told)));
            }
        }
        // How far a place is from fitting the answers, of which each is a band of 500 m.
        let off = |at: GeoPoint| -> f64 {
            answers.iter().map(|(from, told)| ((from.distance_m(at) - told).abs() - 250.0).max(0.0)).sum()
        };
        let mut best = (f64::MAX, truth);
        for north in -20..=20_i32 {
            for east in -20..=20_i32 {
                let lon =
                    truth.lon() + 100.0 * f64::from(east) / (111_195.0 * truth.lat().to_radians().cos());
                let lat = truth.lat() + 100.0 * f64::from(north) / 111_195.0;
                let at = GeoPoint::new(lat, lon).expect("a place");
                if off(at) < best.0 {
                    best = (off(at), at);
                }
            }
        }
        assert!(off(truth) > 0.0, "the answers do not fit the walker's own place");
        let error = best.1.distance_m(truth);
        // The search steps by 100 m.
        assert!(error >= 400.0, "found to {error:.0} m");
    }
}

#[test]
fn presence_ends_by_itself() {
    let mut world = World::new(3);
    assert_eq!(world.nearest(place(0.0), 10).len(), 3);
    world.now = START.plus(Millis::from_mins(14));
    world.appear(1, 0.0);
    let kept = world.walkers[1].account;
    for minutes in [16, 28] {
        world.now = START.plus(Millis::from_mins(minutes));
        let found = world.nearest(place(0.0), 10);
        assert_eq!(found.iter().map(|w| w.walker_id).collect::<Vec<_>>(), [kept], "{minutes} min");
        assert_eq!(demand_around(&world.sql, world.now, place(0.0)), Ok((0, 1)));
    }
    let ride = world.request().expect("requested");
    let offered: Vec<usize> = (0..3)
        .filter(|index| {
            offers::state(&world.sql, ride, world.walkers[*index].account).expect("read").is_some()
        })
        .collect();
    assert_eq!(offered, [1], "who has not been heard of gets no offer");
    world.tick();
    assert_eq!(world.shown().len(), 1, "and is removed");
    world.now = START.plus(Millis::from_mins(30));
    assert!(world.nearest(place(0.0), 10).is_empty());
}

#[test]
fn demand_counts_tutors_and_not_their_rides() {
    let mut world = World::new(0);
    for pet in ["a", "b", "c"] {
        let wanted = world.wanted(pet);
        world.ask(world.tutor, &wanted).expect("requested");
    }
    assert_eq!(demand_around(&world.sql, world.now, place(0.0)), Ok((1, 0)));
}

/// What the offers of a ride at that pickup tell, whoever gets them.
fn told_of(pickup: GeoPoint) -> Vec<(AccountId, u32)> {
    let mut world = World::new(0);
    // A net of walkers, as somebody would spread who wants to know where a pickup is.
    let mut entropy = SeededEntropy(21);
    for row in 0..12_i32 {
        for column in 0..12_i32 {
            let moment = &mut Moment { now: START, entropy: &mut entropy };
            world
                .walkers
                .push(crate::service::Caller { account: AccountId::new(moment), role: Role::Walker });
            let index = world.walkers.len() - 1;
            let lat = -23.55 + f64::from(row - 6) * 120.0 / 111_195.0;
            let lon = -46.63 + f64::from(column - 6) * 130.0 / 111_195.0;
            world.appear_at(index, GeoPoint::new(lat, lon).expect("a place"));
        }
    }
    let mut wanted = world.wanted("p");
    wanted.pickup = pickup;
    let ride = world.ask(world.tutor, &wanted).expect("requested");
    let mut told = Vec::new();
    for seconds in [0, 30, 60] {
        world.now = START.plus(Millis::from_secs(seconds));
        world.tick();
        for walker in &world.walkers {
            let now = UtcMillis::new(0);
            if let Some(offer) = offers::open_one(&world.sql, ride, walker.account, now).expect("read") {
                assert_eq!(offer.distance_m % 500, 0);
                told.push((walker.account, offer.distance_m));
            }
        }
    }
    told
}

#[test]
fn offers_tell_of_a_pickup_its_square_and_cell_and_no_more() {
    let somewhere = place(0.0);
    let square = pickup_square(somewhere);
    let mut places: Vec<GeoPoint> = Vec::new();
    for (north, east) in [(-400.0, -400.0), (350.0, -300.0), (0.0, 0.0), (410.0, 420.0)] {
        let at = GeoPoint::new(square.lat() + north / 111_195.0, square.lon() + east / 101_900.0);
        places.push(at.expect("a place"));
    }
    assert!(places.iter().all(|at| pickup_square(*at) == square && at.cell(5) == places[0].cell(5)));
    let first = told_of(places[0]);
    assert!(first.len() >= 30, "{}", first.len());
    // Over a kilometre apart, and nobody can tell them from each other.
    assert!(places[0].distance_m(places[3]) > 1_000.0);
    for at in &places[1..] {
        assert_eq!(told_of(*at), first, "{at:?}");
    }
}
