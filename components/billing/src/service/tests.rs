//! Every step run twice, and failed after each statement: one invoice, one payment, an even ledger.

use petwalker_kernel::{
    AccountId, BasisPoints, Currency, Millis, Moment, Money, OrderId, RideId, SeededEntropy, UtcMillis,
};
use petwalker_store::{Command, NativeDatabase, Sql as _, Value};

use super::{
    Caller, OrderCharge, Refusal, Role, TestProvider, balances, charge_order, check, consume, get,
    must_owe_nothing, offset, pump, refund, set_payment_method, tip,
};
use crate::domain::{Bill, Invoice, InvoiceLine, PaymentState};

const SCHEMA: &str = include_str!("../../../../db-schema/global/schema.sql");
const NOW: UtcMillis = UtcMillis::new(1_780_000_000_000);
const STREAM: &str = "region/test";

fn brl(minor: i64) -> Money {
    Money::new(minor, Currency::BRL)
}

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
        let moment = &mut Moment { now: self.now, entropy: &mut self.entropy };
        let tutor = Caller { account: self.bill.tutor_id, role: Role::Tutor };
        set_payment_method(&self.sql, moment, &command, tutor, token).expect("set");
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

    fn balance(&self, caller: Caller) -> i64 {
        balances(&self.sql, caller).expect("read").iter().map(|(_, amount)| amount.minor()).sum()
    }

    fn tip(&mut self, minor: i64) -> Result<Invoice, Refusal> {
        let (command, tutor, ride) = (self.command(), self.caller(Role::Tutor), self.bill.ride_id);
        let moment = &mut Moment { now: self.now, entropy: &mut self.entropy };
        tip(&self.sql, moment, &command, tutor, ride, brl(minor))
    }

    fn refund(&mut self, minor: i64) -> Result<Invoice, Refusal> {
        let (command, operator, ride) = (self.command(), self.caller(Role::Operator), self.bill.ride_id);
        let moment = &mut Moment { now: self.now, entropy: &mut self.entropy };
        refund(&self.sql, moment, &command, operator, ride, brl(minor), "the dog was ill")
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
        (1, 1, 0)
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
    assert!(failures > 6, "only {failures} statements were failed");
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
            world.now = world.now.plus(Millis::from_secs(1));
        }
        assert_eq!((world.payment(), asked), (expected, pumps), "{token}");
        world.even();
    }
}

#[test]
fn nobody_has_money_that_nobody_paid() {
    let mut world = World::new();
    world.pays_with("test_decline");
    let bill = world.bill.clone();
    world.consume(1, 1, Some(bill)).expect("consumed");
    let [tutor, walker, operator] =
        [Role::Tutor, Role::Walker, Role::Operator].map(|role| world.caller(role));
    let nobody_has_any = |world: &World| {
        let of = [tutor, walker, operator].map(|caller| world.balance(caller));
        assert_eq!((of, world.count("ledger_transfers")), ([0; 3], 0));
    };
    assert_eq!(must_owe_nothing(&world.sql, tutor), Ok(()), "what is pending is not owed");
    nobody_has_any(&world);
    // A tip before the decline, which is declined as well, and none after it.
    assert_eq!(world.tip(500).expect("asked for").total, brl(5_000));
    world.pump().expect("pumps");
    nobody_has_any(&world);
    let invoice = get(&world.sql, tutor, world.bill.ride_id).expect("an invoice");
    assert_eq!(
        (invoice.payment, invoice.total, invoice.lines.len()),
        (PaymentState::Declined, brl(4_500), 1)
    );
    assert_eq!(must_owe_nothing(&world.sql, tutor), Err(Refusal::PaymentDue(brl(4_500))));
    assert_eq!(world.tip(500), Err(Refusal::PaymentDue(brl(4_500))));
    // The same card once more: declined once more, and owed once.
    world.pays_with("test_decline");
    assert_eq!(world.payment(), PaymentState::Pending);
    assert_eq!(world.pump(), Ok((1, 1)));
    assert_eq!(must_owe_nothing(&world.sql, tutor), Err(Refusal::PaymentDue(brl(4_500))));
    nobody_has_any(&world);
    // Another one: paid, and nothing is owed.
    world.pays_with("test_ok");
    assert_eq!(world.pump(), Ok((1, 1)));
    assert_eq!((world.payment(), must_owe_nothing(&world.sql, tutor)), (PaymentState::Captured, Ok(())));
    assert_eq!((world.balance(tutor), world.balance(walker)), (0, 3_600));
    // What was declined before is not asked for again with a third.
    world.pays_with("test_late");
    assert_eq!(world.pump(), Ok((0, 0)));
    world.even();
}

#[test]
fn a_retry_that_fails_anywhere_is_one_payment() {
    let mut failures = 0;
    for statements in 0.. {
        let mut world = World::new();
        world.pays_with("test_decline");
        let bill = world.bill.clone();
        world.consume(1, 1, Some(bill)).expect("consumed");
        world.pump().expect("pumps");
        world.sql.fail_after(statements);
        let (command, tutor) = (world.command(), world.caller(Role::Tutor));
        let moment = &mut Moment { now: world.now, entropy: &mut world.entropy };
        let set = set_payment_method(&world.sql, moment, &command, tutor, "test_ok");
        if set.is_ok() {
            break;
        }
        failures += 1;
        set_payment_method(&world.sql, moment, &command, tutor, "test_ok").expect("set");
        assert_eq!(world.pump(), Ok((1, 1)), "after {statements}");
        assert_eq!((world.payment(), world.balance(tutor)), (PaymentState::Captured, 0));
        assert_eq!(world.balance(world.caller(Role::Walker)), 3_600);
        world.even();
    }
    assert!(failures > 8, "only {failures} statements were failed");
}

#[test]
fn a_refund_a_tip_and_a_refund_leave_nothing_with_anybody() {
    let mut world = World::new();
    let bill = world.bill.clone();
    world.consume(1, 1, Some(bill)).expect("consumed");
    world.pump().expect("pumps");
    let [walker, operator] = [Role::Walker, Role::Operator].map(|role| world.caller(role));
    assert_eq!((world.balance(walker), world.balance(operator)), (3_600, 900 - 4_500));
    world.refund(4_500).expect("refunded");
    assert_eq!((world.balance(walker), world.balance(operator)), (0, 0));
    world.tip(500).expect("tipped");
    assert_eq!(world.balance(walker), 0, "a tip counts once it is captured");
    world.pump().expect("pumps");
    assert_eq!(world.balance(walker), 500);
    assert_eq!(world.refund(500).expect("refunded").payment, PaymentState::Refunded);
    assert_eq!((world.balance(walker), world.balance(operator)), (0, 0));
    world.even();
}

#[test]
fn an_invoice_of_before_shares_were_kept_is_given_back_by_the_right_ones() {
    let mut world = World::new();
    let bill = world.bill.clone();
    world.consume(1, 1, Some(bill)).expect("consumed");
    world.pump().expect("pumps");
    let i = get(&world.sql, world.caller(Role::Operator), world.bill.ride_id).expect("an invoice");
    let parties = (i.id, i.ride_id, i.tutor_id, i.walker_id, &i.lines);
    let money = (i.total, i.walker_share, i.platform_fee, i.refunded, i.paid, i.payment, i.issued_at);
    let (id, ride, tutor, walker, lines) = parties;
    let (total, walkers, fee, back, paid, payment, at) = money;
    let before = (id, ride, tutor, walker, lines, total, walkers, fee, back, paid, payment, at);
    let body = Value::encode(&before).expect("written");
    world.sql.execute("UPDATE invoices SET body = ?1", &[body]).expect("written");
    assert_eq!(world.refund(4_500).expect("refunded").payment, PaymentState::Refunded);
    let [walker, operator] = [Role::Walker, Role::Operator].map(|role| world.caller(role));
    assert_eq!((world.balance(walker), world.balance(operator)), (0, 0));
    world.even();
}

#[test]
fn a_card_number_is_no_token() {
    let mut world = World::new();
    let (command, tutor) = (world.command(), world.caller(Role::Tutor));
    let moment = &mut Moment { now: NOW, entropy: &mut world.entropy };
    for token in ["4242424242424242", "4242-4242-4242-4242", "card_378282246310005"] {
        let refused = set_payment_method(&world.sql, moment, &command, tutor, token);
        assert!(
            matches!(&refused, Err(Refusal::Invalid { field: "token", message }) if !message.contains("42"))
        );
    }
    assert_eq!(world.count("payment_methods"), 0);
}

#[test]
fn an_order_is_paid_once_an_attempt_and_its_partners_get_theirs() {
    for (token, states) in [
        ("test_ok", [PaymentState::Captured, PaymentState::Captured]),
        ("test_decline", [PaymentState::Declined, PaymentState::Declined]),
        ("test_late", [PaymentState::Pending, PaymentState::Captured]),
        ("test_timeout", [PaymentState::Pending, PaymentState::Captured]),
    ] {
        let mut world = World::new();
        world.pays_with(token);
        let moment = &mut Moment { now: world.now, entropy: &mut world.entropy };
        let (partner, other) = (AccountId::new(moment), AccountId::new(moment));
        let mut charge = OrderCharge {
            order: OrderId::new(moment),
            attempt: 1,
            tutor: world.bill.tutor_id,
            amount: brl(5_000),
            shares: vec![(partner, brl(3_000)), (other, brl(1_500))],
        };
        let too_much = OrderCharge { amount: brl(4_499), ..charge.clone() };
        assert!(charge_order(&world.sql, moment, &TestProvider(&world.sql), &too_much).is_err());
        for expected in states {
            let state = charge_order(&world.sql, moment, &TestProvider(&world.sql), &charge);
            assert_eq!(state, Ok(expected), "{token}");
            moment.now = moment.now.plus(Millis::from_secs(3));
        }
        let captured = states[1] == PaymentState::Captured;
        let partners = [partner, other].map(|account| world.balance(Caller { account, role: Role::Partner }));
        assert_eq!(partners, if captured { [3_000, 1_500] } else { [0, 0] });
        assert_eq!(world.count("ledger_transfers"), if captured { 4 } else { 0 });
        assert_eq!(world.balance(world.caller(Role::Tutor)), 0);
        // A declined order is no debt: it is not bought. The next attempt is another payment.
        assert_eq!(must_owe_nothing(&world.sql, world.caller(Role::Tutor)), Ok(()));
        if !captured {
            world.pays_with("test_ok");
            charge.attempt = 2;
            let moment = &mut Moment { now: world.now, entropy: &mut world.entropy };
            let state = charge_order(&world.sql, moment, &TestProvider(&world.sql), &charge);
            assert_eq!(state, Ok(PaymentState::Captured));
        }
        world.even();
    }
}

#[test]
fn money_that_was_credited_before_it_was_paid_is_taken_back_by_the_migration() {
    let migration = include_str!("../../../../db-schema/global/0012_money.sql");
    let before = SCHEMA.split(&migration[..60]).next().expect("what comes before it");
    let sql = NativeDatabase::in_memory(before).expect("a database");
    let run = |text: &str| {
        for one in text.split(";\n") {
            sql.execute(one, &[]).expect("runs");
        }
    };
    for account in ["tutor:t", "walker:w", "platform:revenue", "platform:clearing"] {
        run(&format!("INSERT INTO ledger_accounts VALUES ('{account}', 'BRL')"));
    }
    for (invoice, state) in [("a", "captured"), ("b", "declined"), ("c", "pending")] {
        run(&format!(
            "INSERT INTO invoices VALUES ('{invoice}', 'r{invoice}', 't', 'w', x'00');\n\
             INSERT INTO payments VALUES ('{invoice}1', '{invoice}', 4500, 'BRL', 'token', '{state}', 1, NULL);\n\
             INSERT INTO payments VALUES ('{invoice}2', '{invoice}', 700, 'BRL', 'token', 'declined', 1, NULL)"
        ));
        for (id, from, to, amount, reason) in [
            (1, "tutor:t", "walker:w", 3_600, "walk"),
            (2, "tutor:t", "platform:revenue", 900, "platform-fee"),
            (3, "tutor:t", "walker:w", 700, "tip"),
        ] {
            run(&format!(
                "INSERT INTO ledger_transfers VALUES ('{invoice}{id}', '{from}', '{to}', {amount}, 'BRL', '{reason}', '{invoice}', 1)"
            ));
        }
    }
    run(
        "INSERT INTO ledger_transfers VALUES ('p', 'platform:clearing', 'tutor:t', 4500, 'BRL', 'payment', 'a', 1)",
    );
    for statement in migration.split(";\n").filter(|text| !text.trim().is_empty()) {
        sql.execute(statement, &[]).expect(statement);
    }
    let rows = sql.query(
        "SELECT account, sum(amount_minor) FROM ledger_entries GROUP BY account ORDER BY account",
        &[],
    );
    let sums: Vec<(String, i64)> = rows
        .expect("read")
        .iter()
        .map(|row| (row.text(0).expect("an account").to_owned(), row.int(1).expect("a sum")))
        .collect();
    let expected =
        [("platform:clearing", -4_500), ("platform:revenue", 900), ("tutor:t", 0), ("walker:w", 3_600)];
    assert_eq!(sums, expected.map(|(account, sum)| (account.to_owned(), sum)));
    let kinds = sql.query("SELECT id, kind FROM payments WHERE kind = 'tip' ORDER BY id", &[]).expect("read");
    assert_eq!(kinds.iter().map(|row| row.text(0).expect("an id")).collect::<Vec<_>>(), ["a2", "b2", "c2"]);
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
