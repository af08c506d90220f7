//! The payment port, and the provider that is built in for tests and demonstrations.

use petwalker_kernel::{Millis, UtcMillis};
use petwalker_store::{Sql, SqlError, Value};

use crate::domain::Answer;
use crate::sql::Payment;

/// Moves money outside the ledger. Asking twice for one payment moves it once: the payment's id is the provider's
/// idempotency key.
pub trait PaymentProvider {
    /// Asks for a payment, or for what became of one that was asked for before.
    ///
    /// # Errors
    /// When the provider cannot be reached at all; the payment is asked for again.
    fn charge(&self, payment: &Payment, now: UtcMillis) -> Result<Answer, SqlError>;
}

/// A provider that keeps its memory in the database and answers as the token says: `test_decline` declines,
/// `test_timeout` answers the first time with silence though the money is moved, `test_late` confirms two seconds later,
/// and everything else is paid at once.
pub struct TestProvider<'a, S>(pub &'a S);

impl TestProvider<'_, ()> {
    /// What an account pays with that has set nothing.
    pub const DEFAULT_TOKEN: &'static str = "test_ok";
}

/// How late `test_late` confirms.
const LATE: Millis = Millis::from_secs(2);

impl<S: Sql> PaymentProvider for TestProvider<'_, S> {
    fn charge(&self, payment: &Payment, now: UtcMillis) -> Result<Answer, SqlError> {
        let (outcome, known_at) = match payment.token.as_str() {
            "test_decline" => ("declined", now),
            "test_late" => ("captured", now.plus(LATE)),
            _ => ("captured", now),
        };
        let first = self.0.execute(
            "INSERT OR IGNORE INTO test_provider_charges (payment_id, amount_minor, outcome, known_at_ms) \
             VALUES (?1, ?2, ?3, ?4)",
            &[Value::display(&payment.id), payment.amount.minor().into(), outcome.into(), known_at.into()],
        )? == 1;
        if first && payment.token == "test_timeout" {
            return Ok(Answer::Unknown);
        }
        let row = self.0.first(
            "SELECT outcome, known_at_ms FROM test_provider_charges WHERE payment_id = ?1",
            &[Value::display(&payment.id)],
        )?;
        Ok(match row {
            Some(row) if row.int(1)? <= now.get() && row.text(0)? == "captured" => Answer::Captured,
            Some(row) if row.int(1)? <= now.get() => Answer::Declined,
            _ => Answer::Unknown,
        })
    }
}
