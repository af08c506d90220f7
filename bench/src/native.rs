//! The native baseline: axum and libSQL, the same services and statements, no WebAssembly.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Path as UrlPath, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use identity::domain::{Claims, Keys, PetSize as IdentitySize};
use matching::domain::{PetSize, RidePet};
use matching::service::{Caller, Request, RideView};
use petwalker_kernel::{AccountId, Entropy, GeoPoint, Moment, PetId, UtcMillis};
use petwalker_store::{Command, SqlError};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::prepare::{SEAL_KEY, TOKEN_SEED, policy};
use crate::sql::Pool;

struct Shared {
    region: Pool,
    global: Pool,
    keys: Keys,
    known: Mutex<HashMap<String, Claims>>,
    /// The turn to write, as the node has it.
    writer: tokio::sync::Mutex<()>,
}

type App = State<Arc<Shared>>;

/// Serves until killed; prints its port.
pub(crate) async fn serve(data: &Path) -> anyhow::Result<()> {
    let shared = Arc::new(Shared {
        region: Pool::open(&data.join("region.db")).await?,
        global: Pool::open(&data.join("global.db")).await?,
        keys: Keys::from_hex(TOKEN_SEED)?,
        known: Mutex::default(),
        writer: tokio::sync::Mutex::default(),
    });
    let router = Router::new()
        .route("/v1/hello", get(|| async { Json(json!({ "hello": "petwalker" })) }))
        .route("/v1/rides/{id}", get(read))
        .route("/v1/walkers/nearest", get(nearest))
        .route("/v1/rides", post(request))
        .with_state(shared);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    use axum::serve::ListenerExt as _;
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await?;
    Ok(())
}

struct Os;

impl Entropy for Os {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

fn now() -> UtcMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcMillis::new(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Why the baseline did not answer; it is not expected to happen.
struct Failed(String);

impl<E: std::fmt::Display> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0).into_response()
    }
}

fn authenticate(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Failed> {
    let token =
        headers.get("authorization").and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    let token = token.ok_or("no token")?;
    let mut known = shared.known.lock().unwrap_or_else(PoisonError::into_inner);
    let claims = match known.get(token) {
        Some(claims) => {
            claims.check_time(now())?;
            *claims
        }
        None => {
            let claims = shared.keys.verify(token, now())?;
            known.insert(token.to_owned(), claims);
            claims
        }
    };
    Ok(Caller { account: claims.account, role: matching::domain::Role::Tutor })
}

fn ride_json(view: &RideView) -> serde_json::Value {
    let order = &view.ride.order;
    json!({
        "id": order.id, "tutor_id": order.tutor_id, "walker_id": view.ride.commitment().map(|c| c.walker_id),
        "state": view.ride.state.name(), "version": view.ride.version, "quote_id": order.quote_id,
        "price": order.price, "duration_min": order.duration_min, "pets": order.pets, "pickup": view.pickup,
        "notes": view.notes, "pin": view.pin, "requested_at": order.requested_at,
        "scheduled_for": order.scheduled_for,
    })
}

async fn read(
    State(shared): App,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let caller = authenticate(&shared, &headers)?;
    let view = matching::service::get(&shared.region.take()?, caller, id.parse()?)?;
    Ok(Json(ride_json(&view)).into_response())
}

#[derive(Deserialize)]
struct Around {
    lat: f64,
    lon: f64,
}

async fn nearest(
    State(shared): App,
    Query(around): Query<Around>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    authenticate(&shared, &headers)?;
    let place = GeoPoint::new(around.lat, around.lon)?;
    let found = matching::service::nearest(&shared.region.take()?, now(), place, 10)?;
    let walkers: Vec<_> = found
        .iter()
        .map(|w| json!({ "walker_id": w.walker_id, "distance_m": w.distance_m, "rating_milli": w.rating_milli }))
        .collect();
    Ok(Json(json!({ "walkers": walkers })).into_response())
}

#[derive(Deserialize)]
struct RideBody {
    quote_id: String,
    pet_ids: Vec<PetId>,
}

async fn request(
    State(shared): App,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Response, Failed> {
    let caller = authenticate(&shared, &headers)?;
    let wanted: RideBody = serde_json::from_slice(&body)?;
    let fingerprint = Sha256::digest(&body).to_vec();
    let request = order(&shared, caller.account, &wanted)?;
    let _turn = shared.writer.lock().await;
    let moment = &mut Moment { now: now(), entropy: &mut Os };
    let id = hex::encode(moment.bytes::<16>());
    let command = Command { actor: caller.account.to_string(), id, fingerprint };
    let view = matching::service::request(&shared.region.take()?, moment, &command, caller, &request)?;
    Ok((StatusCode::CREATED, Json(ride_json(&view))).into_response())
}

/// What the gateway fetches before it asks matching.
fn order(shared: &Shared, tutor: AccountId, wanted: &RideBody) -> Result<Request, Failed> {
    let quote =
        pricing::service::get(&shared.region.take()?, tutor, wanted.quote_id.parse()?, Some(&SEAL_KEY))?;
    let caller = identity::service::Caller { account: tutor, role: identity::domain::Role::Tutor };
    let pets = identity::service::get_pets(
        &shared.global.take().map_err(|e: SqlError| e)?,
        caller,
        &wanted.pet_ids,
    )?;
    let size = |grams| match IdentitySize::of(grams) {
        IdentitySize::Small => PetSize::Small,
        IdentitySize::Medium => PetSize::Medium,
        IdentitySize::Large => PetSize::Large,
        IdentitySize::Giant => PetSize::Giant,
    };
    Ok(Request {
        quote_id: quote.id,
        quote_expires_at: quote.expires_at,
        price: quote.total,
        pickup: quote.pickup,
        duration_min: quote.duration_min,
        pets: pets.iter().map(|p| RidePet { id: p.id.to_string(), size: size(p.details.weight_g) }).collect(),
        scheduled_for: quote.scheduled_for,
        notes: String::new(),
        policy: policy(),
        seal_key: Some(SEAL_KEY),
    })
}
