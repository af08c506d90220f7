//! The component: bindings, and conversions between them and the domain.

mod bindings;

use petwalker_kernel::{AccountId, GeoPoint, Money, UtcMillis};
use petwalker_seal::SealKey;
use petwalker_store::{Ambient, Command, CommandError, Database, OwnersEvent};

use self::bindings::Component;
use self::bindings::exports::petwalker::pricing::quotes as wit;
use crate::domain::{Line, LineKind, Outcome, Size};
use crate::service::{self, CouponNews, Refusal, Request};
use crate::sql::Quote;

impl wit::Guest for Component {
    fn create(
        command: wit::Command,
        caller: wit::Caller,
        request: wit::QuoteRequest,
    ) -> Result<wit::Quote, wit::Refusal> {
        let account = tutor(&caller)?;
        let command = Command { actor: caller.account_id, id: command.id, fingerprint: command.fingerprint };
        let request = convert_request(request)?;
        let (region, global) = databases()?;
        let quote =
            Ambient::moment(|moment| service::create(&region, &global, moment, &command, account, &request))?;
        Ok(quote_to_wit(quote))
    }

    fn get(caller: wit::Caller, id: String, key: Option<Vec<u8>>) -> Result<wit::Quote, wit::Refusal> {
        let account = tutor(&caller)?;
        let key = seal_key(key)?;
        let id = id.parse().map_err(|_| Refusal::NotFound)?;
        let region = Database::open("region").map_err(Refusal::from)?;
        Ok(quote_to_wit(service::get(&region, account, id, key.as_ref())?))
    }

    fn take_over(events: Vec<wit::ReplicaEvent>) -> Result<u64, wit::Refusal> {
        let event = |event: wit::ReplicaEvent| {
            Ok(OwnersEvent { record: event.bytes, seal_key: seal_key(event.seal_key)? })
        };
        let events = events.into_iter().map(event).collect::<Result<_, Refusal>>()?;
        let region = Database::open("region").map_err(Refusal::from)?;
        Ok(service::take_over(&region, events)?)
    }

    async fn hold_coupon(caller: wit::Caller, id: String) -> Result<(), wit::Refusal> {
        let account = tutor(&caller)?;
        let id = id.parse().map_err(|_| Refusal::NotFound)?;
        let (region, global) = databases()?;
        Ok(service::hold_coupon(&region, &global, Ambient::now(), account, id)?)
    }

    async fn release_coupon(caller: wit::Caller, id: String) -> Result<(), wit::Refusal> {
        let account = tutor(&caller)?;
        let id = id.parse().map_err(|_| Refusal::NotFound)?;
        let (region, global) = databases()?;
        Ok(service::release_coupon(&region, &global, account, id)?)
    }

    async fn note_coupons(notes: Vec<wit::CouponNote>) -> Result<(), wit::Refusal> {
        let (region, global) = databases()?;
        for note in notes {
            let news = match note.quote_id {
                Some(id) => CouponNews::Booked(id.parse().map_err(|_| Refusal::NotFound)?),
                None => CouponNews::CostNothing,
            };
            service::note_coupon(&region, &global, &note.ride_id, &news)?;
        }
        Ok(())
    }

    fn settle(id: String, outcome: wit::RideOutcome) -> Result<wit::Settlement, wit::Refusal> {
        let id = id.parse().map_err(|_| Refusal::NotFound)?;
        let outcome = match outcome {
            wit::RideOutcome::Completed(ms) => Outcome::Completed(ms),
            wit::RideOutcome::Interrupted(ms) => Outcome::Interrupted(ms),
            wit::RideOutcome::CalledOff(fee) => {
                let currency = fee.currency.parse().map_err(|e| invalid("fee.currency", e))?;
                Outcome::CalledOff(Money::new(fee.minor, currency))
            }
        };
        let region = Database::open("region").map_err(Refusal::from)?;
        let settlement = service::settle(&region, id, outcome)?;
        Ok(wit::Settlement {
            lines: settlement.lines.into_iter().map(line_to_wit).collect(),
            total: money_to_wit(settlement.total),
            platform_fee_bp: settlement.platform_fee.0,
        })
    }
}

/// The region's database and the global one.
fn databases() -> Result<(Database, Database), Refusal> {
    Ok((Database::open("region")?, Database::open("global")?))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err asks for")]
fn invalid(field: &'static str, message: impl ToString) -> Refusal {
    Refusal::Invalid { field, message: message.to_string() }
}

fn seal_key(bytes: Option<Vec<u8>>) -> Result<Option<SealKey>, Refusal> {
    let read =
        |bytes: Vec<u8>| SealKey::from_slice(&bytes).ok_or_else(|| invalid("seal_key", "has 32 bytes"));
    bytes.map(read).transpose()
}

fn tutor(caller: &wit::Caller) -> Result<AccountId, Refusal> {
    if caller.role != wit::CallerRole::Tutor {
        return Err(Refusal::Forbidden);
    }
    caller.account_id.parse().map_err(|e| invalid("caller.account_id", e))
}

fn convert_request(request: wit::QuoteRequest) -> Result<Request, Refusal> {
    let size = |size: &wit::PetSize| match size {
        wit::PetSize::Small => Size::Small,
        wit::PetSize::Medium => Size::Medium,
        wit::PetSize::Large => Size::Large,
        wit::PetSize::Giant => Size::Giant,
    };
    Ok(Request {
        pickup: GeoPoint::new(request.pickup.lat, request.pickup.lon).map_err(|e| invalid("pickup", e))?,
        duration_min: request.duration_min,
        sizes: request.sizes.iter().map(size).collect(),
        scheduled_for: request.scheduled_for.map(|at| UtcMillis::new(at.epoch_ms)),
        coupon: request.coupon,
        open_rides: request.open_rides,
        free_walkers: request.free_walkers,
        seal_key: seal_key(request.seal_key)?,
    })
}

fn size_to_wit(size: Size) -> wit::PetSize {
    match size {
        Size::Small => wit::PetSize::Small,
        Size::Medium => wit::PetSize::Medium,
        Size::Large => wit::PetSize::Large,
        Size::Giant => wit::PetSize::Giant,
    }
}

fn money_to_wit(amount: Money) -> wit::Money {
    wit::Money { minor: amount.minor(), currency: amount.currency().to_string() }
}

fn line_to_wit(line: Line) -> wit::PriceLine {
    let kind = match line.kind {
        LineKind::Base => wit::LineKind::Base,
        LineKind::Time => wit::LineKind::Time,
        LineKind::ExtraPets => wit::LineKind::ExtraPets,
        LineKind::Size => wit::LineKind::Size,
        LineKind::TimeBand => wit::LineKind::TimeBand,
        LineKind::Surge => wit::LineKind::Surge,
        LineKind::Coupon => wit::LineKind::Coupon,
        LineKind::Overrun => wit::LineKind::Overrun,
        LineKind::CutShort => wit::LineKind::CutShort,
        LineKind::Fee => wit::LineKind::Fee,
    };
    wit::PriceLine { kind, label: line.label, amount: money_to_wit(line.amount) }
}

fn quote_to_wit(quote: Quote) -> wit::Quote {
    let instant = |at: UtcMillis| wit::Instant { epoch_ms: at.get() };
    wit::Quote {
        id: quote.id.to_string(),
        total: money_to_wit(quote.total),
        lines: quote.lines.into_iter().map(line_to_wit).collect(),
        pickup: wit::Position { lat: quote.pickup.lat(), lon: quote.pickup.lon() },
        duration_min: quote.duration_min,
        sizes: quote.sizes.into_iter().map(size_to_wit).collect(),
        scheduled_for: quote.scheduled_for.map(instant),
        expires_at: instant(quote.expires_at),
        surge_milli: quote.surge_milli,
        platform_fee_bp: quote.tariff.platform_fee.0,
        cancellation: wit::CancellationTerms {
            grace_min: quote.tariff.cancellation.grace_min,
            cutoff_hour: quote.tariff.cancellation.cutoff_hour,
            late_bp: quote.tariff.cancellation.late.0,
            arrived_bp: quote.tariff.cancellation.arrived.0,
        },
    }
}

impl From<Refusal> for wit::Refusal {
    fn from(refusal: Refusal) -> Self {
        use wit::RefusalCode as Code;
        let code = match &refusal {
            Refusal::Invalid { .. } | Refusal::Price(_) | Refusal::Command(CommandError::BadId) => {
                Code::Invalid
            }
            Refusal::NotFound => Code::NotFound,
            Refusal::Forbidden | Refusal::Erased => Code::Forbidden,
            Refusal::NoTariff => Code::NoTariff,
            Refusal::CouponRefused(_) => Code::CouponRefused,
            Refusal::Command(CommandError::KeyReused(_)) => Code::KeyReused,
            Refusal::Command(CommandError::QuotaReached { .. }) => Code::QuotaReached,
            Refusal::Command(CommandError::Sql(_)) => Code::Unavailable,
        };
        let field = match &refusal {
            Refusal::Invalid { field, .. } => Some((*field).to_owned()),
            _ => None,
        };
        Self { code, message: refusal.to_string(), field }
    }
}
