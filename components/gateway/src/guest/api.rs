//! The API's own types: what every package means by a moment and an amount, and bodies that join several domains.

use async_graphql::{
    InputObject, InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value,
};
use serde::{Deserialize, Serialize};
use utoipa::{PartialSchema, ToSchema};

use super::bindings::petwalker::advice::health::Weather;
use super::bindings::petwalker::identity::profiles::Position;
use super::bindings::petwalker::tracking::routes::{
    Circle, Fence, Mark, MarkKind, Precision, Progress, Receipt, SeqRun, TrackPoint,
};
use super::replicas::Replicas;

/// A moment: milliseconds since 1970-01-01T00:00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant {
    /// Milliseconds.
    pub epoch_ms: i64,
}

impl PartialSchema for Instant {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        i64::schema()
    }
}

impl ToSchema for Instant {}

/// Milliseconds since 1970-01-01T00:00:00 UTC, beyond the 32 bits of GraphQL's own Int.
#[Scalar(name = "UtcMillis")]
impl ScalarType for Instant {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::Number(n) => n
                .as_i64()
                .map(|epoch_ms| Self { epoch_ms })
                .ok_or_else(|| InputValueError::custom("a whole number")),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(self.epoch_ms.into())
    }
}

/// An amount of money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, SimpleObject, InputObject)]
#[serde(deny_unknown_fields)]
#[graphql(input_name = "MoneyInput")]
pub struct Money {
    /// Minor units (centavos, cents).
    pub minor: i64,
    /// ISO 4217 code.
    pub currency: String,
}

/// E-mail address and password.
#[derive(Clone, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    /// E-mail address.
    pub email: String,
    /// Password.
    pub password: String,
}

/// A refresh token.
#[derive(Clone, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct RefreshToken {
    /// As the log-in or the last refresh gave it.
    pub refresh_token: String,
}

/// A new password.
#[derive(Clone, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    /// The password so far.
    pub current: String,
    /// The new one, 10 to 128 characters.
    pub new: String,
}

/// The password once more, for what cannot be undone.
#[derive(Clone, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct ErasureBody {
    /// The password.
    pub password: String,
}

/// What is to be priced.
#[derive(Clone, Debug, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct QuoteBody {
    /// Where the pets are fetched.
    pub pickup: Position,
    /// Length of the walk in minutes, 15 to 240.
    pub duration_min: u32,
    /// The pets, 1 to 10.
    pub pet_ids: Vec<String>,
    /// When the walk is to start; left out for now.
    pub scheduled_for: Option<Instant>,
    /// A coupon's code.
    pub coupon: Option<String>,
}

/// What a ride is requested with.
#[derive(Clone, Debug, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct RideBody {
    /// A quote that has not ended.
    pub quote_id: String,
    /// The pets that were quoted.
    pub pet_ids: Vec<String>,
    /// For the walker, at most 500 characters.
    #[serde(default)]
    #[graphql(default)]
    pub notes: String,
}

/// The tutor's PIN.
#[derive(Clone, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct PinBody {
    /// Four digits.
    pub pin: String,
}

/// How a walk was cut short.
#[derive(Clone, Debug, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct IncidentBody {
    /// What happened, 1 to 500 characters.
    pub reason: String,
}

/// What a tutor thinks of a walk.
#[derive(Clone, Debug, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct RatingBody {
    /// 1 to 5.
    pub stars: u8,
    /// At most 1000 characters.
    #[serde(default)]
    #[graphql(default)]
    pub comment: String,
}

/// Points of a walk.
#[derive(Clone, Debug, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct PointsBody {
    /// At most 1000, in any order.
    pub points: Vec<TrackPoint>,
}

/// A fix of a walker on the way to the pets.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct ApproachBody {
    /// When it was taken.
    pub at: Instant,
    /// Where.
    pub place: Position,
    /// Radius of 68 % confidence, metres, 0 to 10000.
    pub accuracy_m: f32,
}

/// Where a walk may go and end.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct FencesBody {
    /// Where the pets are brought back to; left out for the pickup.
    pub home: Option<Circle>,
    /// Where the walk may go; left out for everywhere.
    pub area: Option<Circle>,
}

/// The fences of a ride.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Fences {
    /// At most one of a kind.
    pub fences: Vec<Fence>,
}

/// What a walker noted on the way.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct MarkBody {
    /// What.
    pub kind: MarkKind,
    /// When.
    pub at: Instant,
    /// Where.
    pub place: Position,
}

/// The marks of a walk.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Marks {
    /// In the order of time.
    pub marks: Vec<Mark>,
}

/// A route as encoded polylines of precision 5.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Polylines {
    /// One for each stretch that was measured without a break.
    pub polylines: Vec<String>,
}

/// What a ticket is wanted for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketBody {
    /// Which socket of the ride.
    pub socket: SocketKind,
}

/// A socket of a ride.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SocketKind {
    /// The walker sends points.
    Track,
    /// The tutor watches.
    Live,
}

/// How far a track is stored.
#[derive(Clone, Debug, Serialize, ToSchema, SimpleObject)]
pub struct Stored {
    /// Points stored by this call.
    pub stored: u32,
    /// Points that were there already.
    pub duplicates: u32,
    /// Points stored in all: what a reader of the live track goes on from.
    pub cursor: u32,
    /// The highest number up to which every point is stored.
    pub contiguous_seq: u32,
    /// The number up to which every point is on every replica of the region's stream: a device keeps later ones, and sends them
    /// again when it connects anew. None where that is not known here: then a device keeps all until the walk has ended.
    pub replicated_seq: Option<u32>,
    /// The highest number stored.
    pub last_seq: u32,
    /// Numbers below it that have not come: at most 32 runs of them.
    pub missing: Vec<SeqRun>,
    /// What the device should do next.
    pub next: Precision,
}

impl Stored {
    /// Nothing new, as far as it is stored.
    pub fn so_far(progress: &Progress, replicated_seq: Option<u32>) -> Self {
        Self {
            stored: 0,
            duplicates: 0,
            cursor: progress.cursor,
            contiguous_seq: progress.contiguous_seq,
            replicated_seq,
            last_seq: progress.last_seq,
            missing: progress.missing.clone(),
            next: progress.next,
        }
    }

    /// What became of a batch.
    pub fn of(receipt: &Receipt, replicas: Replicas) -> Self {
        let replicated_seq = replicas.seq(&receipt.progress, &receipt.told);
        let so_far = Self::so_far(&receipt.progress, replicated_seq);
        Self { stored: receipt.stored, duplicates: receipt.duplicates, ..so_far }
    }
}

/// An amount to give.
#[derive(Clone, Debug, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct TipBody {
    /// How much.
    pub amount: Money,
}

/// An amount to give back.
#[derive(Clone, Debug, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct RefundBody {
    /// How much.
    pub amount: Money,
    /// Why, 1 to 200 characters.
    pub reason: String,
}

/// How a tutor pays.
#[derive(Clone, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct PaymentMethodBody {
    /// The payment provider's token.
    pub token: String,
}

/// A cart's lines.
#[derive(Clone, Debug, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct CartBody {
    /// At most 50.
    pub lines: Vec<super::bindings::petwalker::marketplace::shop::CartLine>,
}

/// What a cart is checked out with.
#[derive(Clone, Debug, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct CheckoutBody {
    /// What the tutor agrees to pay: the cart's total, as it was shown.
    pub total: Money,
}

/// What advice is asked with.
#[derive(Clone, Debug, Default, Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub struct AdviceBody {
    /// The weather where the walk will be.
    pub weather: Option<Weather>,
}

/// The body of a call that needs none: `{}` or nothing.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(from = "Option<NoFields>")]
pub struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoFields {}

impl From<Option<NoFields>> for Nothing {
    fn from(_: Option<NoFields>) -> Self {
        Self {}
    }
}

/// Pets of the caller.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Pets {
    /// Oldest first.
    pub pets: Vec<super::bindings::petwalker::identity::profiles::Pet>,
}

/// Accounts that await an operator's approval.
#[derive(Clone, Debug, Serialize, ToSchema, async_graphql::SimpleObject)]
pub struct AwaitingApproval {
    /// Oldest first.
    pub accounts: Vec<super::bindings::petwalker::identity::accounts::Account>,
    /// Pass it as `cursor` to get the next page; none on the last.
    pub next: Option<String>,
}

/// A ride; to a walker who is only offered it, the offer as long as that is open.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum RideOrOffer {
    /// The ride, for its tutor, its committed walker and operators.
    Ride(Box<super::bindings::petwalker::matching::rides::Ride>),
    /// The offer.
    Offer(super::bindings::petwalker::matching::rides::Offer),
}

/// Offers to the calling walker.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Offers {
    /// Soonest end first.
    pub offers: Vec<super::bindings::petwalker::matching::rides::Offer>,
}

/// Walkers around a place.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NearbyWalkers {
    /// Nearest first.
    pub walkers: Vec<super::bindings::petwalker::matching::presence::NearbyWalker>,
}

/// Up to which notification the caller has read.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadBody {
    /// The newest notification that was read.
    pub up_to: String,
}

/// What is left to read.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Unread {
    /// Notifications that were not read.
    pub unread: u32,
}

/// Days in figures.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Days {
    /// By day, and by region within it. A day without events has none.
    pub days: Vec<super::bindings::petwalker::insights::figures::Day>,
}

/// Balances of the ledger.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Balances {
    /// One an account and currency.
    pub balances: Vec<super::bindings::petwalker::billing::invoices::Balance>,
}

/// Advice for a pet.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdviceList {
    /// Gravest first.
    pub advice: Vec<super::bindings::petwalker::advice::health::AdviceItem>,
}
