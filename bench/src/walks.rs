//! Walks under way, for the scenarios over sockets.

use std::path::Path;

use anyhow::Context as _;
use identity::domain::{Keys, Role};
use matching::domain::{Fix, PetSize, RidePet, WalkerCard};
use matching::service::{Action, Caller, Request, Terms};
use matching::sql::presence::Presence;
use petwalker_kernel::{
    AccountId, Currency, GeoPoint, Millis, Moment, Money, PetId, QuoteId, RideId, SeededEntropy,
};
use petwalker_store::{Command, Sql};

use crate::prepare::{TOKEN_SEED, migrate_both, now, policy};
use crate::sql::Pool;

/// A walk under way.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    pub(crate) ride: RideId,
    /// The walker's access token.
    pub(crate) walker: String,
    /// The access token of the tutor who asked for it.
    pub(crate) tutor: String,
}

/// Walks under way in a fresh region.
pub(crate) struct Walks {
    pub(crate) walks: Vec<Walk>,
}

/// Makes both databases in `data`, with so many walks under way.
pub(crate) async fn prepare(root: &Path, data: &Path, count: u32) -> anyhow::Result<Walks> {
    migrate_both(root, data).await?;
    let region = Pool::open(&data.join("region.db")).await?.take()?;
    region.execute("INSERT INTO region (one, name, epoch) VALUES (1, 'sao-paulo-centro', 1)", &[])?;
    region.execute("PRAGMA synchronous = OFF", &[])?;
    let mut entropy = SeededEntropy(13);
    let moment = &mut Moment { now: now(), entropy: &mut entropy };
    let keys = Keys::from_hex(TOKEN_SEED)?;
    let mut walks = Vec::new();
    for index in 0..count {
        walks.push(begin(&region, moment, index, &keys).with_context(|| format!("walk {index}"))?);
    }
    Ok(Walks { walks })
}

/// One walk, alone in its corner of the region.
fn begin(sql: &impl Sql, moment: &mut Moment<'_>, index: u32, keys: &Keys) -> anyhow::Result<Walk> {
    let place = GeoPoint::new(-40.0 + 0.1 * f64::from(index / 100), -60.0 + 0.1 * f64::from(index % 100))?;
    let (tutor, walker) = (AccountId::new(moment), AccountId::new(moment));
    let card = WalkerCard {
        time_zone: "America/Sao_Paulo".into(),
        area_centre: place,
        area_radius_m: 10_000,
        weekly: vec![],
    };
    let presence = Presence { walker_id: walker, place, rating_milli: 4_500, capacity: 3, sizes: 7, card };
    let by_walker = Caller { account: walker, role: matching::domain::Role::Walker };
    matching::service::appear(sql, moment, by_walker, presence)?;
    let request = Request {
        quote_id: QuoteId::new(moment),
        quote_expires_at: moment.now.plus(Millis::from_mins(10)),
        price: Money::new(4_500, Currency::BRL),
        pickup: place,
        duration_min: 60,
        pets: vec![RidePet { id: PetId::new(moment).to_string(), size: PetSize::Medium }],
        scheduled_for: None,
        notes: String::new(),
        policy: policy(),
        seal_key: None,
    };
    let command = |actor: AccountId, step: &str| Command {
        actor: actor.to_string(),
        id: format!("{index}-{step}"),
        fingerprint: vec![],
    };
    let by_tutor = Caller { account: tutor, role: matching::domain::Role::Tutor };
    let view = matching::service::request(sql, moment, &command(tutor, "request"), by_tutor, &request)?;
    let ride = view.ride.order.id;
    let pin = view.pin.context("no PIN")?;
    let terms = Terms { capacity: 3, time_zone: "America/Sao_Paulo".to_owned() };
    let there = Fix { place, at: moment.now, accuracy_m: 5.0 };
    for (step, action) in [
        ("accept", Action::Accept(terms)),
        ("arrive", Action::Arrive(Some(there))),
        ("start", Action::Start(pin)),
    ] {
        matching::service::act(sql, moment, &command(walker, step), by_walker, ride, None, &action)?;
    }
    let (walker, tutor) =
        (keys.issue(walker, Role::Walker, None, now()), keys.issue(tutor, Role::Tutor, None, now()));
    Ok(Walk { ride, walker, tutor })
}
