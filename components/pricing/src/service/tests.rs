//! Coupons are used once, and quotes are given so many a day.

use petwalker_kernel::{AccountId, GeoPoint, Millis, Moment, QuoteId, SeededEntropy, UtcMillis};
use petwalker_seal::SealKey;
use petwalker_store::{Command, CommandError, NativeDatabase};

use super::{CouponNews, QUOTES_A_DAY_MAX, Refusal, Request, create, hold_coupon, note_coupon};
use crate::domain::Size;
use crate::sql::Quote;

struct World {
    region: NativeDatabase,
    global: NativeDatabase,
    entropy: SeededEntropy,
    now: UtcMillis,
    account: AccountId,
    commands: u32,
}

impl World {
    fn new() -> Self {
        let region = include_str!("../../../../db-schema/region/schema.sql");
        let region = format!("{region}INSERT INTO region (one, name, epoch) VALUES (1, 'here', 1);");
        let mut entropy = SeededEntropy(5);
        let now = UtcMillis::new(1_780_000_000_000);
        Self {
            region: NativeDatabase::in_memory(&region).expect("a database"),
            global: NativeDatabase::in_memory(include_str!("../../../../db-schema/global/schema.sql"))
                .expect("a database"),
            account: AccountId::new(&mut Moment { now, entropy: &mut entropy }),
            entropy,
            now,
            commands: 0,
        }
    }

    fn quote(&mut self, coupon: Option<&str>) -> Result<Quote, Refusal> {
        self.commands += 1;
        let command = Command { actor: "a".into(), id: format!("c{}", self.commands), fingerprint: vec![] };
        let request = Request {
            pickup: GeoPoint::new(-23.55, -46.63).expect("a place"),
            duration_min: 60,
            sizes: vec![Size::Medium],
            scheduled_for: None,
            coupon: coupon.map(str::to_owned),
            open_rides: 0,
            free_walkers: 9,
            seal_key: Some(SealKey::new([7; 32])),
        };
        let moment = &mut Moment { now: self.now, entropy: &mut self.entropy };
        create(&self.region, &self.global, moment, &command, self.account, &request)
    }

    fn with_coupon(&mut self) -> Result<QuoteId, Refusal> {
        self.quote(Some("BEMVINDO")).map(|quote| quote.id)
    }

    fn hold(&self, quote: QuoteId) -> Result<(), Refusal> {
        hold_coupon(&self.region, &self.global, self.now, self.account, quote)
    }

    fn note(&self, ride: &str, news: &CouponNews) {
        note_coupon(&self.region, &self.global, ride, news).expect("noted");
    }
}

fn refused<T>(outcome: &Result<T, Refusal>) -> bool {
    matches!(outcome, Err(Refusal::CouponRefused(_)))
}

#[test]
fn an_account_uses_a_coupon_once_however_many_quotes_it_has() {
    let mut world = World::new();
    let [first, second] = [world.with_coupon(), world.with_coupon()].map(|quote| quote.expect("quoted"));
    assert_eq!(world.hold(first), Ok(()));
    assert!(refused(&world.hold(second)), "both were asked for before either was booked");
    assert!(refused(&world.with_coupon()));
    assert_eq!(world.hold(first), Ok(()), "the same quote makes the same ride");
    // The ride's event makes it final, however often it comes.
    for _ in 0..2 {
        world.note("r1", &CouponNews::Booked(first));
    }
    assert_eq!(world.hold(first), Ok(()));
    world.now = world.now.plus(Millis::from_mins(60 * 24 * 300));
    assert!(refused(&world.with_coupon()) && refused(&world.hold(second).and_then(|()| world.with_coupon())));
    // Another account has its own.
    world.account = AccountId::new(&mut Moment { now: world.now, entropy: &mut world.entropy });
    assert!(world.with_coupon().is_ok());
}

#[test]
fn a_coupon_of_which_nothing_came_is_free_again() {
    let mut world = World::new();
    let first = world.with_coupon().expect("quoted");
    world.hold(first).expect("held");
    world.now = world.now.plus(Millis::from_mins(21));
    let second = world.with_coupon().expect("the booking came to nothing");
    world.hold(second).expect("held");
    world.note("r2", &CouponNews::Booked(second));
    // Nobody came: it cost nothing, and is given back once.
    world.note("r2", &CouponNews::CostNothing);
    world.note("r2", &CouponNews::CostNothing);
    world.note("r3", &CouponNews::CostNothing);
    let third = world.with_coupon().expect("given back");
    world.hold(third).expect("held");
    world.note("r4", &CouponNews::Booked(third));
    // Old events that come again change nothing.
    world.note("r2", &CouponNews::Booked(second));
    world.note("r2", &CouponNews::CostNothing);
    assert!(refused(&world.with_coupon()));
    let plain = world.quote(None).expect("quoted");
    assert_eq!((world.hold(plain.id), plain.coupon), (Ok(()), None));
}

#[test]
fn an_account_gets_so_many_quotes_a_day() {
    let mut world = World::new();
    for _ in 0..QUOTES_A_DAY_MAX {
        world.quote(None).expect("quoted");
    }
    let quota = Refusal::Command(CommandError::QuotaReached { what: "quotes", most: QUOTES_A_DAY_MAX });
    assert_eq!(world.quote(None).err(), Some(quota));
    world.now = world.now.plus(Millis::from_mins(24 * 60));
    assert!(world.quote(None).is_ok(), "the next day");
}
