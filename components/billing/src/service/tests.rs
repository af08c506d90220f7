//! Every step run twice, and failed after each statement: one invoice, one payment, an even ledger.

use petwalker_kernel::{AccountId, BasisPoints, Currency, Moment, Money, RideId, SeededEntropy, UtcMillis};
use petwalker_store::{Command, NativeDatabase, Sql as _};

use super::{
    Caller, Refusal, Role, TestProvider, check, consume, get, offset, pump, refund, set_payment_method, tip,
};
use crate::domain::{Bill, InvoiceLine, PaymentState};

const SCHEMA: &str = include_str!("../../../../db-schema/global/schema.sql");
const NOW: UtcMillis = UtcMillis::new(1_780_000_000_000);
const STREAM: &str = "region/test";

struct World {
    sql: NativeDatabase,
    entropy: SeededEntropy,
    now: UtcMillis,
    bill: Bill,
    commands: u32,
}

impl World {
    fn new() -> Self {
        let mut entropy = SeededEntropy(3);
        let moment = &mut Moment { now: NOW, entropy: &mut entropy };
        let amount = Money::new(4_500, Currency::BRL);
        let bill = Bill {
            ride_id: RideId::new(moment),
            tutor_id: AccountId::new(moment),
            walker_id: Some(AccountId::new(moment)),
            lines: vec![InvoiceLine { kind: "base".into(), label: "base fare".into(), amount }],
            total: amount,
            platform_fee: BasisPoints(2_000),
        };
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        Self { sql, entropy, now: NOW, bill, commands: 0 }
    }

    fn consume(&mut self, first: u64, last: u64, bill: Option<Bill>) -> Result<bool, Refusal> {
        let moment = &mut Moment { now: self.now, entropy: &mut self.entropy };
        Ok(consume(&self.sql, moment, STREAM, (first, last), bill)?.is_some())
    }

    fn pump(&mut self) -> Result<(u32, u32), Refusal> {
        let moment = &mut Moment { now: self.now, entropy: &mut self.entropy };
        let report = pump(&self.sql, moment, &TestProvider(&self.sql))?;
        Ok((report.asked, report.ended))
    }

    fn caller(&self, role: Role) -> Caller {
        let account = match role {
            Role::Walker => self.bill.walker_id.expect("a walker"),
            _ => self.bill.tutor_id,
        };
        Caller { account, role }
    }

    fn pays_with(&mut self, token: &str) {
        let command = self.command();
        let moment = Moment { now: self.now, entropy: &mut self.entropy };
        let tutor = Caller { account: self.bill.tutor_id, role: Role::Tutor };
        set_payment_method(&self.sql, &moment, &command, tutor, token).expect("set");
    }

    fn command(&mut self) -> Command {
        self.commands += 1;
        Command { actor: "a".into(), id: format!("c{}", self.commands), fingerprint: vec![] }
    }

    fn payment(&self) -> PaymentState {
        get(&self.sql, self.caller(Role::Operator), self.bill.ride_id).expect("an invoice").payment
    }

    fn count(&self, table: &str) -> i64 {
        let rows = self.sql.query(&format!("SELECT count(*) FROM {table}"), &[]).expect("counted");
        rows[0].int(0).expect("a count")
    }

    fn even(&self) {
        let sums = check(&self.sql, self.caller(Role::Operator)).expect("checked").sums;
        assert!(sums.iter().all(|sum| sum.minor() == 0), "{sums:?}");
    }
}

#[test]
fn events_are_consumed_once_and_in_order() {
    let mut world = World::new();
    let bill = world.bill.clone();
    assert_eq!(world.consume(1, 3, None), Ok(false));
    assert!(matches!(world.consume(5, 5, Some(bill.clone())), Err(Refusal::Offset(_))));
    assert_eq!(world.consume(4, 4, Some(bill.clone())), Ok(true));
    assert_eq!(world.consume(4, 4, Some(bill.clone())), Ok(false));
    assert_eq!(world.consume(2, 4, Some(bill)), Ok(false));
    assert_eq!(offset(&world.sql, STREAM), Ok(4));
    assert_eq!(
        (world.count("invoices"), world.count("payments"), world.count("ledger_transfers")),
        (1, 1, 2)
    );
    world.even();
}

#[test]
fn a_failure_after_any_statement_leaves_nothing_behind() {
    let mut failures = 0;
    for statements in 0.. {
        let mut world = World::new();
        let bill = world.bill.clone();
        world.sql.fail_after(statements);
        if world.consume(1, 1, Some(bill.clone())).is_ok() {
            break;
        }
        failures += 1;
        assert_eq!(offset(&world.sql, STREAM), Ok(0), "after {statements} statements");
        assert_eq!((world.count("invoices"), world.count("ledger_transfers")), (0, 0), "after {statements}");
        assert_eq!(world.consume(1, 1, Some(bill)), Ok(true));
        assert_eq!(world.pump(), Ok((1, 1)));
        assert_eq!(world.payment(), PaymentState::Captured);
        world.even();
    }
    assert!(failures > 10, "only {failures} statements were failed");
}

#[test]
fn a_pump_that_fails_anywhere_moves_the_money_once() {
    let mut failures = 0;
    for statements in 0.. {
        let mut world = World::new();
        let bill = world.bill.clone();
        world.consume(1, 1, Some(bill)).expect("consumed");
        world.sql.fail_after(statements);
        if world.pump().is_ok() {
            break;
        }
        failures += 1;
        while world.payment() == PaymentState::Pending {
            world.pump().expect("pumps");
        }
        assert_eq!((world.count("test_provider_charges"), world.count("ledger_transfers")), (1, 3));
        world.even();
    }
    assert!(failures > 5, "only {failures} statements were failed");
}

#[test]
fn the_provider_declines_times_out_and_confirms_late() {
    for (token, expected, pumps) in [
        ("test_ok", PaymentState::Captured, 1),
        ("test_decline", PaymentState::Declined, 1),
        ("test_timeout", PaymentState::Captured, 2),
        ("test_late", PaymentState::Captured, 3),
    ] {
        let mut world = World::new();
        world.pays_with(token);
        let bill = world.bill.clone();
        world.consume(1, 1, Some(bill)).expect("consumed");
        let mut asked = 0;
        while world.payment() == PaymentState::Pending {
            asked += world.pump().expect("pumps").0;
            world.now = world.now.plus(petwalker_kernel::Millis::from_secs(1));
        }
        assert_eq!((world.payment(), asked), (expected, pumps), "{token}");
        world.even();
    }
}

#[test]
fn tips_and_refunds_are_for_those_who_may() {
    let mut world = World::new();
    let bill = world.bill.clone();
    let ride = bill.ride_id;
    world.consume(1, 1, Some(bill)).expect("consumed");
    world.pump().expect("pumps");
    let [tutor, walker, operator] =
        [Role::Tutor, Role::Walker, Role::Operator].map(|role| world.caller(role));
    let brl = |minor| Money::new(minor, Currency::BRL);
    let mut give = |caller, amount| {
        let command = world.command();
        let moment = &mut Moment { now: NOW, entropy: &mut world.entropy };
        tip(&world.sql, moment, &command, caller, ride, amount)
    };
    assert_eq!(give(walker, brl(500)), Err(Refusal::Forbidden));
    assert!(matches!(give(tutor, brl(0)), Err(Refusal::Bill(_))));
    assert!(matches!(give(tutor, Money::new(5, Currency::EUR)), Err(Refusal::Bill(_))));
    assert_eq!(give(tutor, brl(500)).expect("tipped").total, brl(5_000));
    world.pump().expect("pumps");
    let mut back = |caller, amount| {
        let command = world.command();
        let moment = &mut Moment { now: NOW, entropy: &mut world.entropy };
        refund(&world.sql, moment, &command, caller, ride, amount, "the dog was ill")
    };
    assert_eq!(back(tutor, brl(1)), Err(Refusal::Forbidden));
    assert!(matches!(back(operator, brl(5_001)), Err(Refusal::Bill(_))));
    assert_eq!(back(operator, brl(5_000)).expect("refunded").payment, PaymentState::Refunded);
    assert!(matches!(back(operator, brl(1)), Err(Refusal::Bill(_))));
    world.even();
}
