//! The component: bindings, and conversions between them and the domain.

mod bindings;
mod convert;

use petwalker_kernel::RideId;
use petwalker_store::{Ambient, Database};

use self::bindings::Component;
use self::bindings::exports::petwalker::billing::invoices as wit;
use crate::service::{self, Refusal, TestProvider};

fn global() -> Result<Database, Refusal> {
    Ok(Database::open("global")?)
}

fn ride(id: &str) -> Result<RideId, Refusal> {
    id.parse().map_err(|_| Refusal::NotFound)
}

impl wit::Guest for Component {
    async fn offset(stream: String) -> Result<u64, wit::Refusal> {
        Ok(service::offset(&global()?, &stream)?)
    }

    async fn consume(
        run: wit::EventRun,
        bill: Option<wit::Bill>,
    ) -> Result<Option<wit::Invoice>, wit::Refusal> {
        let bill = bill.map(convert::bill).transpose()?;
        let sql = global()?;
        let issued = Ambient::moment(|moment| {
            service::consume(&sql, moment, &run.stream, (run.first, run.last), bill)
        })?;
        Ok(issued.map(convert::invoice))
    }

    async fn pump() -> Result<wit::PumpReport, wit::Refusal> {
        let sql = global()?;
        let report = Ambient::moment(|moment| service::pump(&sql, moment, &TestProvider(&sql)))?;
        Ok(wit::PumpReport {
            asked: report.asked,
            ended: report.ended,
            next_due: report.next_due.map(convert::instant),
        })
    }

    async fn get(caller: wit::Caller, ride_id: String) -> Result<wit::Invoice, wit::Refusal> {
        let caller = convert::caller(&caller)?;
        Ok(convert::invoice(service::get(&global()?, caller, ride(&ride_id)?)?))
    }

    async fn tip(
        command: wit::Command,
        caller: wit::Caller,
        ride_id: String,
        amount: wit::Money,
    ) -> Result<wit::Invoice, wit::Refusal> {
        let caller = convert::caller(&caller)?;
        let (command, amount, ride) =
            (convert::command(command, caller), convert::money(&amount)?, ride(&ride_id)?);
        let sql = global()?;
        let invoice = Ambient::moment(|moment| service::tip(&sql, moment, &command, caller, ride, amount))?;
        Ok(convert::invoice(invoice))
    }

    async fn refund(
        command: wit::Command,
        caller: wit::Caller,
        ride_id: String,
        amount: wit::Money,
        reason: String,
    ) -> Result<wit::Invoice, wit::Refusal> {
        let caller = convert::caller(&caller)?;
        let (command, amount, ride) =
            (convert::command(command, caller), convert::money(&amount)?, ride(&ride_id)?);
        let sql = global()?;
        let invoice =
            Ambient::moment(|moment| service::refund(&sql, moment, &command, caller, ride, amount, &reason))?;
        Ok(convert::invoice(invoice))
    }

    async fn set_payment_method(
        command: wit::Command,
        caller: wit::Caller,
        token: String,
    ) -> Result<(), wit::Refusal> {
        let caller = convert::caller(&caller)?;
        let command = convert::command(command, caller);
        let sql = global()?;
        Ok(Ambient::moment(|moment| service::set_payment_method(&sql, moment, &command, caller, &token))?)
    }

    async fn may_book(caller: wit::Caller) -> Result<(), wit::Refusal> {
        Ok(service::must_owe_nothing(&global()?, convert::caller(&caller)?)?)
    }

    async fn charge_order(charge: wit::OrderCharge) -> Result<wit::PaymentState, wit::Refusal> {
        let charge = convert::charge(&charge)?;
        let sql = global()?;
        let state =
            Ambient::moment(|moment| service::charge_order(&sql, moment, &TestProvider(&sql), &charge))?;
        Ok(convert::payment_state(state))
    }

    async fn forget(account_id: String) -> Result<(), wit::Refusal> {
        let account = account_id.parse().map_err(|_| Refusal::NotFound)?;
        Ok(service::forget(&global()?, account)?)
    }

    async fn balances(caller: wit::Caller) -> Result<Vec<wit::Balance>, wit::Refusal> {
        let balances = service::balances(&global()?, convert::caller(&caller)?)?;
        Ok(balances
            .into_iter()
            .map(|(account, amount)| wit::Balance { account, amount: convert::money_to_wit(amount) })
            .collect())
    }

    async fn check(caller: wit::Caller) -> Result<wit::LedgerCheck, wit::Refusal> {
        let check = service::check(&global()?, convert::caller(&caller)?)?;
        Ok(wit::LedgerCheck {
            transfers: check.transfers,
            sums: check.sums.into_iter().map(convert::money_to_wit).collect(),
        })
    }
}
