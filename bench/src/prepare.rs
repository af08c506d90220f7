//! The databases that both servers start from.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use edge_data::migrate;
use identity::domain::{Account, Keys, Pet, PetDetails, Role, Species};
use matching::domain::{CancellationPolicy, PetSize, RidePet, WalkerCard};
use matching::service::{Caller, Request};
use matching::sql::presence::Presence;
use petwalker_kernel::{
    AccountId, BasisPoints, GeoPoint, Millis, Moment, PetId, QuoteId, SeededEntropy, UtcMillis,
};
use petwalker_seal::SealKey;
use petwalker_store::{Command, Sql as _};

use crate::sql::Pool;

/// Walkers present in the city.
pub(crate) const WALKERS: u32 = 100_000;
/// Tutors who ask for rides, and the quotes that each has ready, for a pet each: a tutor has at most 20 rides open, and a pet
/// is on one at a time.
const TUTORS: u32 = 3_000;
const QUOTES_EACH: u32 = 20;
/// Presence ends by itself, which must not happen while it is measured.
const MEASURED_AT_MOST: Millis = Millis::from_mins(600);
/// The seed of both servers' signing key.
pub(crate) const TOKEN_SEED: &str = "0707070707070707070707070707070707070707070707070707070707070707";

/// What the scenarios ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    /// A tutor's access token.
    pub(crate) token: String,
    /// One of the tutor's rides.
    pub(crate) ride: String,
    /// Quotes, each good for one ride.
    pub(crate) quotes: Vec<Ready>,
    /// The access tokens of those who ask for the rides.
    pub(crate) tutors: Vec<String>,
}

impl Prepared {
    /// What a scenario needs that asks for nothing of anybody.
    pub(crate) fn nobody() -> Self {
        Self { token: "nobody".to_owned(), ride: String::new(), quotes: Vec::new(), tutors: Vec::new() }
    }
}

/// A quote that is ready to be used.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    /// Its id.
    pub(crate) quote: String,
    /// The pet that it is for.
    pub(crate) pet: String,
    /// Whose it is: an index of [`Prepared::tutors`].
    pub(crate) tutor: usize,
}

/// The moment of the clock.
pub(crate) fn now() -> UtcMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcMillis::new(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Makes both databases in `data`, empty.
pub(crate) async fn migrate_both(root: &Path, data: &Path) -> anyhow::Result<()> {
    for label in ["region", "global"] {
        let file = data.join(format!("{label}.db"));
        let database = edge_data::LocalDatabase::open(&file, edge_data::PoolOptions::default()).await?;
        let migrations = migrate::read_folder(&root.join("db-schema").join(label))?;
        migrate::run(&database.connect().await?, &migrations).await?;
    }
    Ok(())
}

/// Makes both databases in `data`, and what the scenarios ask for.
pub(crate) async fn prepare(root: &Path, data: &Path) -> anyhow::Result<Prepared> {
    migrate_both(root, data).await?;
    let (region, global) =
        (Pool::open(&data.join("region.db")).await?, Pool::open(&data.join("global.db")).await?);
    let (region, global) = (region.take()?, global.take()?);
    region.execute("INSERT INTO region (one, name, epoch) VALUES (1, 'sao-paulo-centro', 1)", &[])?;

    let mut entropy = SeededEntropy(11);
    let moment = &mut Moment { now: now(), entropy: &mut entropy };
    global.execute("BEGIN IMMEDIATE", &[])?;
    let tutor = person(&global, moment, 0)?;
    let pet = dog(&global, moment, tutor)?;

    region.execute("BEGIN IMMEDIATE", &[])?;
    let place = |moment: &mut Moment<'_>| {
        let random = |moment: &mut Moment<'_>| {
            let mut bytes = [0; 4];
            moment.entropy.fill(&mut bytes);
            f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX) - 0.5
        };
        GeoPoint::new(-23.55 + 0.4 * random(moment), -46.63 + 0.4 * random(moment))
    };
    for _ in 0..WALKERS {
        let at = place(moment)?;
        let card = WalkerCard {
            time_zone: "America/Sao_Paulo".into(),
            area_centre: at,
            area_radius_m: 10_000,
            weekly: vec![],
        };
        let presence = Presence {
            walker_id: AccountId::new(moment),
            place: at,
            rating_milli: 4_500,
            capacity: 3,
            sizes: 7,
            card,
        };
        let walker = Caller { account: presence.walker_id, role: matching::domain::Role::Walker };
        let seen = Moment { now: moment.now.plus(MEASURED_AT_MOST), entropy: &mut *moment.entropy };
        matching::service::appear(&region, &seen, walker, presence)?;
    }
    let mut prepared = Prepared::default();
    let keys = Keys::from_hex(TOKEN_SEED)?;
    let tariff = pricing::sql::tariff_at(&global, GeoPoint::new(-23.55, -46.63)?)?.context("no tariff")?;
    for number in 1..=TUTORS {
        let asker = person(&global, moment, number)?;
        for _ in 0..QUOTES_EACH {
            let quote = pricing::sql::Quote {
                id: QuoteId::new(moment),
                account_id: asker,
                total: petwalker_kernel::Money::new(4_500, tariff.currency),
                lines: vec![],
                pickup: place(moment)?,
                duration_min: 60,
                sizes: vec![pricing::domain::Size::Medium],
                scheduled_for: None,
                expires_at: moment.now.plus(MEASURED_AT_MOST),
                surge_milli: 1_000,
                tariff: tariff.clone(),
                coupon: None,
            };
            pricing::sql::insert_quote(&region, &quote, &SEAL_KEY)?;
            let (pet, tutor) = (dog(&global, moment, asker)?.id.to_string(), prepared.tutors.len());
            prepared.quotes.push(Ready { quote: quote.id.to_string(), pet, tutor });
        }
        prepared.tutors.push(keys.issue(asker, Role::Tutor, None, now()));
    }
    region.execute("COMMIT", &[])?;
    global.execute("COMMIT", &[])?;
    prepared.ride = first_ride(&region, moment, tutor, &pet)?;
    prepared.token = keys.issue(tutor, Role::Tutor, None, now());
    Ok(prepared)
}

/// A tutor with a key.
fn person(global: &crate::sql::Lent, moment: &mut Moment<'_>, number: u32) -> anyhow::Result<AccountId> {
    let account = Account {
        id: AccountId::new(moment),
        email: format!("load-{number}@test.example"),
        display_name: "Load".into(),
        role: Role::Tutor,
        created_at: moment.now,
        approved: true,
    };
    identity::sql::insert_account(global, &account, "none")?;
    identity::sql::insert_seal_key(global, account.id, &SEAL_KEY)?;
    Ok(account.id)
}

/// A dog of a tutor's.
fn dog(global: &crate::sql::Lent, moment: &mut Moment<'_>, tutor: AccountId) -> anyhow::Result<Pet> {
    let details = PetDetails {
        name: "Rex".into(),
        species: Species::Dog,
        weight_g: 14_500,
        birth_date: "2021-03-14".into(),
        conditions: vec![],
        temperament: String::new(),
    };
    let pet = Pet { id: PetId::new(moment), tutor_id: tutor, details };
    identity::sql::insert_pet(global, &pet)?;
    Ok(pet)
}

fn first_ride(
    region: &crate::sql::Lent,
    moment: &mut Moment<'_>,
    tutor: AccountId,
    pet: &Pet,
) -> anyhow::Result<String> {
    let request = Request {
        quote_id: QuoteId::new(moment),
        quote_expires_at: moment.now.plus(Millis::from_mins(10)),
        price: petwalker_kernel::Money::new(4_500, petwalker_kernel::Currency::BRL),
        pickup: GeoPoint::new(-23.55, -46.63)?,
        duration_min: 60,
        pets: vec![RidePet { id: pet.id.to_string(), size: PetSize::Medium }],
        scheduled_for: Some(moment.now.plus(Millis::from_mins(24 * 60))),
        notes: String::new(),
        policy: policy(),
        seal_key: None,
    };
    let command = Command { actor: tutor.to_string(), id: "first".into(), fingerprint: vec![] };
    let caller = Caller { account: tutor, role: matching::domain::Role::Tutor };
    Ok(matching::service::request(region, moment, &command, caller, &request)?.ride.order.id.to_string())
}

/// What the tutor's part of events is sealed with.
pub(crate) const SEAL_KEY: SealKey = SealKey::new([7; 32]);

/// The policy of the prepared tariff.
pub(crate) const fn policy() -> CancellationPolicy {
    CancellationPolicy {
        grace_min: 5,
        cutoff_hour: 20,
        late: BasisPoints(5_000),
        arrived: BasisPoints(10_000),
    }
}
