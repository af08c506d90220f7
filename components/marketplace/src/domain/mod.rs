//! Products, carts and orders.

use petwalker_kernel::{AccountId, Millis, Money, OrderId, ProductId, UtcMillis};
use serde::{Deserialize, Serialize};

/// How long stock is set aside for an order.
pub const RESERVED_FOR: Millis = Millis::from_mins(15);
/// Orders of one tutor whose stock is set aside at once.
pub const ORDERS_OPEN_MAX: usize = 5;
/// Units in one cart, and in all orders of one tutor whose stock is set aside at once.
pub const UNITS_OPEN_MAX: u32 = 200;
/// Attempts to pay one order.
pub const ATTEMPTS_MAX: u32 = 10;
/// Products of one partner.
pub const PRODUCTS_MAX: u32 = 1_000;

/// What a partner tells of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductDetails {
    /// The partner's own number.
    pub sku: String,
    /// Title.
    pub title: String,
    /// Description.
    pub description: String,
    /// Category.
    pub category: String,
    /// What one costs.
    pub price: Money,
    /// How many there are.
    pub stock: u32,
}

/// A product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Who sells it.
    pub partner_id: AccountId,
    /// The details.
    pub details: ProductDetails,
}

/// A product in a cart or an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartLine {
    /// The product.
    pub product_id: ProductId,
    /// How many.
    pub quantity: u32,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// The stock is set aside.
    Reserved,
    /// Bought.
    Confirmed,
    /// Given up.
    Released,
}

impl OrderState {
    /// The state's name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Confirmed => "confirmed",
            Self::Released => "released",
        }
    }
}

impl std::str::FromStr for OrderState {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Reserved, Self::Confirmed, Self::Released]
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| format!("'{name}' is no state of an order"))
    }
}

/// Where an order's payment stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderPayment {
    /// It was not asked for.
    #[default]
    None,
    /// Asked of the provider, not answered for good. The stock stays set aside meanwhile.
    Pending,
    /// Paid.
    Captured,
    /// The provider said no. It may be asked again until the reservation ends.
    Declined,
}

impl OrderPayment {
    /// The state's name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Captured => "captured",
            Self::Declined => "declined",
        }
    }
}

impl std::str::FromStr for OrderPayment {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::None, Self::Pending, Self::Captured, Self::Declined]
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| format!("'{name}' is no state of an order's payment"))
    }
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Whose.
    pub tutor_id: AccountId,
    /// Where it stands.
    pub state: OrderState,
    /// What was bought.
    pub lines: Vec<CartLine>,
    /// What it costs.
    pub total: Money,
    /// When the reservation ends.
    pub expires_at: UtcMillis,
    /// Where its payment stands.
    #[serde(default)]
    pub payment: OrderPayment,
    /// How often its payment was asked for.
    #[serde(default)]
    pub attempts: u32,
}

/// How many units some lines are.
#[must_use]
pub fn units(lines: &[CartLine]) -> u32 {
    lines.iter().fold(0, |sum, line| sum.saturating_add(line.quantity))
}

/// Checks a product's details: the first field that is out of its range, and what is allowed.
///
/// # Errors
/// The field and what is allowed.
pub fn check_product(details: &ProductDetails) -> Result<(), (&'static str, &'static str)> {
    let length = |text: &str| text.chars().count();
    if !(1..=60).contains(&length(&details.sku)) {
        return Err(("sku", "must have 1 to 60 characters"));
    }
    if !(1..=120).contains(&length(&details.title)) {
        return Err(("title", "must have 1 to 120 characters"));
    }
    if length(&details.description) > 2_000 {
        return Err(("description", "may have 2000 characters"));
    }
    if !(1..=40).contains(&length(&details.category)) {
        return Err(("category", "must have 1 to 40 characters"));
    }
    if !(1..=100_000_000).contains(&details.price.minor()) {
        return Err(("price", "must be 1 to 100000000 minor units"));
    }
    if details.stock > 1_000_000 {
        return Err(("stock", "may be 1000000"));
    }
    Ok(())
}

/// Checks a cart's lines.
///
/// # Errors
/// The field and what is allowed.
pub fn check_cart(lines: &[CartLine]) -> Result<(), (&'static str, &'static str)> {
    if lines.len() > 50 {
        return Err(("lines", "may be 50"));
    }
    if lines.iter().any(|l| !(1..=100).contains(&l.quantity)) {
        return Err(("lines.quantity", "must be 1 to 100"));
    }
    if units(lines) > UNITS_OPEN_MAX {
        return Err(("lines.quantity", "may be 200 together"));
    }
    let mut seen: Vec<ProductId> = lines.iter().map(|l| l.product_id).collect();
    seen.sort_unstable();
    if seen.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(("lines.product_id", "may come once"));
    }
    Ok(())
}
