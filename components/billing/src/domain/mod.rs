//! The rules of invoices and payments.

mod card;
mod invoice;
mod payment;
mod shares;
mod transfer;

pub use card::looks_like_a_card;
pub use invoice::{Bill, BillError, Invoice, InvoiceLine, PaymentState, Purpose, TIPS_MAX};
pub use payment::{Answer, Attempt, next_attempt};
pub use shares::Shares;
pub use transfer::{BadLedgerAccount, LedgerAccount, Transfer};
