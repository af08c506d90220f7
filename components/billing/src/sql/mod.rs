//! Statements over billing's tables.

mod invoices;
mod ledger;
mod payments;

pub use invoices::{
    forget_method, insert_invoice, invoice, invoice_by_id, method, put_method, update_invoice,
};
pub use ledger::{balances, post, sums, transfer_count};
pub use payments::{
    Payment, Standing, Subject, debts, due_payments, insert_payment, next_due, order_payment, replace,
    settle_payment, shares,
};
