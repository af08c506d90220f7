//! Between the bindings' types and the domain's.

use petwalker_kernel::{Money, OrderId};
use petwalker_store::{Command, CommandError};

use super::bindings::exports::petwalker::marketplace::shop as wit;
use crate::domain::{CartLine, Order, OrderPayment, OrderState, Product, ProductDetails};
use crate::service::{Paying, Refusal};

pub(super) fn command(command: wit::Command, caller: &wit::Caller) -> Command {
    Command { actor: caller.account_id.clone(), id: command.id, fingerprint: command.fingerprint }
}

fn money(amount: Money) -> wit::Money {
    wit::Money { minor: amount.minor(), currency: amount.currency().to_string() }
}

pub(super) fn money_in(amount: &wit::Money, field: &'static str) -> Result<Money, Refusal> {
    let currency = amount.currency.parse();
    let currency =
        currency.map_err(|e: petwalker_kernel::MoneyError| Refusal::Invalid(field, e.to_string()))?;
    Ok(Money::new(amount.minor, currency))
}

pub(super) fn order_id(id: &str) -> Result<OrderId, Refusal> {
    id.parse().map_err(|_| Refusal::NotFound("order"))
}

pub(super) fn details(details: wit::ProductDetails) -> Result<ProductDetails, Refusal> {
    let price = money_in(&details.price, "price.currency")?;
    Ok(ProductDetails {
        sku: details.sku,
        title: details.title,
        description: details.description,
        category: details.category,
        price,
        stock: details.stock,
    })
}

pub(super) fn product(product: Product) -> wit::Product {
    let details = product.details;
    wit::Product {
        id: product.id.to_string(),
        partner_id: product.partner_id.to_string(),
        details: wit::ProductDetails {
            sku: details.sku,
            title: details.title,
            description: details.description,
            category: details.category,
            price: money(details.price),
            stock: details.stock,
        },
    }
}

pub(super) fn line(line: &wit::CartLine) -> Result<CartLine, Refusal> {
    let product_id = line.product_id.parse().map_err(|_| Refusal::NotFound("product"))?;
    Ok(CartLine { product_id, quantity: line.quantity })
}

fn lines(lines: Vec<CartLine>) -> Vec<wit::CartLine> {
    let line = |l: CartLine| wit::CartLine { product_id: l.product_id.to_string(), quantity: l.quantity };
    lines.into_iter().map(line).collect()
}

pub(super) fn cart((cart, total): (Vec<CartLine>, Option<Money>)) -> wit::Cart {
    wit::Cart { lines: lines(cart), total: total.map(money) }
}

pub(super) fn order(order: Order) -> wit::Order {
    wit::Order {
        id: order.id.to_string(),
        state: match order.state {
            OrderState::Reserved => wit::OrderState::Reserved,
            OrderState::Confirmed => wit::OrderState::Confirmed,
            OrderState::Released => wit::OrderState::Released,
        },
        lines: lines(order.lines),
        total: money(order.total),
        expires_at: wit::Instant { epoch_ms: order.expires_at.get() },
        payment: match order.payment {
            OrderPayment::None => wit::OrderPayment::None,
            OrderPayment::Pending => wit::OrderPayment::Pending,
            OrderPayment::Captured => wit::OrderPayment::Captured,
            OrderPayment::Declined => wit::OrderPayment::Declined,
        },
    }
}

pub(super) fn paying(paying: Paying) -> wit::Paying {
    let share = |(partner, amount): (petwalker_kernel::AccountId, Money)| wit::PartnerShare {
        partner_id: partner.to_string(),
        amount: money(amount),
    };
    wit::Paying {
        attempt: paying.order.attempts,
        tutor_id: paying.order.tutor_id.to_string(),
        shares: paying.shares.into_iter().map(share).collect(),
        order: order(paying.order),
    }
}

impl From<Refusal> for wit::Refusal {
    fn from(refusal: Refusal) -> Self {
        use wit::RefusalCode as Code;
        let code = match &refusal {
            Refusal::Invalid(..) | Refusal::Command(CommandError::BadId) => Code::Invalid,
            Refusal::NotFound(_) => Code::NotFound,
            Refusal::OutOfStock(_) => Code::OutOfStock,
            Refusal::PriceChanged(_) => Code::PriceChanged,
            Refusal::LimitReached(_) => Code::LimitReached,
            Refusal::Gone => Code::Gone,
            Refusal::Command(CommandError::KeyReused(_)) => Code::KeyReused,
            Refusal::Command(CommandError::QuotaReached { .. }) => Code::QuotaReached,
            Refusal::Command(CommandError::Sql(_)) => Code::Unavailable,
        };
        let field = match &refusal {
            Refusal::Invalid(field, _) => Some((*field).to_owned()),
            _ => None,
        };
        Self { code, message: refusal.to_string(), field }
    }
}
