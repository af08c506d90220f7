//! The rules of invoices and payments.

mod invoice;
mod payment;
mod transfer;

pub use invoice::{Bill, BillError, Invoice, InvoiceLine, PaymentState};
pub use payment::{Answer, Attempt, next_attempt};
pub use transfer::{LedgerAccount, Transfer};
