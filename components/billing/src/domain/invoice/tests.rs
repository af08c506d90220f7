//! Bills, tips, declines and refunds in any order: the ledger says what was captured and not given back, and nothing else.

use std::collections::BTreeMap;

use petwalker_kernel::{
    AccountId, BasisPoints, Currency, InvoiceId, Moment, Money, RideId, SeededEntropy, UtcMillis,
};
use proptest::prelude::*;

use super::{Bill, BillError, Invoice, InvoiceLine, PaymentState, Purpose, TIPS_MAX};
use crate::domain::Transfer;

fn brl(minor: i64) -> Money {
    Money::new(minor, Currency::BRL)
}

fn bill(minor: i64, bp: u32, walked: bool) -> (InvoiceId, Bill) {
    let mut moment = Moment { now: UtcMillis::new(0), entropy: &mut SeededEntropy(1) };
    let line = InvoiceLine { kind: "base".into(), label: "base".into(), amount: brl(minor) };
    let bill = Bill {
        ride_id: RideId::new(&mut moment),
        tutor_id: AccountId::new(&mut moment),
        walker_id: walked.then(|| AccountId::new(&mut moment)),
        lines: vec![line],
        total: brl(minor),
        platform_fee: BasisPoints(bp),
    };
    (InvoiceId::new(&mut moment), bill)
}

fn issued(minor: i64, bp: u32, walked: bool) -> Invoice {
    let (id, bill) = bill(minor, bp, walked);
    Invoice::issue(id, bill, UtcMillis::new(0)).expect("issued")
}

#[test]
fn a_bill_that_does_not_add_up_is_refused() {
    let (id, good) = bill(100, 2_000, true);
    let wrong = Bill { total: brl(101), ..good.clone() };
    assert_eq!(Invoice::issue(id, wrong, UtcMillis::new(0)).err(), Some(BillError::Sum(brl(100), brl(101))));
    let (id, negative) = bill(-1, 0, true);
    assert_eq!(Invoice::issue(id, negative, UtcMillis::new(0)).err(), Some(BillError::Negative));
    let share = Bill { platform_fee: BasisPoints(10_001), ..good };
    assert_eq!(Invoice::issue(id, share, UtcMillis::new(0)).err(), Some(BillError::Share));
}

#[test]
fn nothing_due_needs_no_payment() {
    assert_eq!(issued(0, 2_000, true).payment, PaymentState::NothingDue);
}

#[test]
fn the_tips_of_a_ride_have_limits() {
    let walk = issued(4_500, 2_000, true);
    assert!(matches!(walk.clone().tip(brl(100_001)), Err(BillError::Amount(..))));
    assert_eq!(walk.clone().tip(brl(13_501)), Err(BillError::TipsTooMuch(brl(13_500))));
    let tipped = walk.tip(brl(13_500)).expect("three times the price");
    assert_eq!(tipped.clone().tip(brl(1)), Err(BillError::TipsTooMuch(brl(13_500))));
    // A declined tip makes room for its amount, and counts as one of ten.
    let mut invoice = tipped.declined(Purpose::Tip, brl(13_500)).expect("declined");
    assert_eq!((invoice.total, invoice.walker_share), (brl(4_500), brl(3_600)));
    for _ in 1..TIPS_MAX {
        invoice = invoice.tip(brl(1)).expect("tipped");
    }
    assert_eq!(invoice.tip(brl(1)), Err(BillError::TipsMax));
    assert!(issued(100, 2_000, true).tip(brl(5_000)).is_ok(), "a cheap ride may be tipped well");
    assert_eq!(issued(100, 2_000, false).tip(brl(1)), Err(BillError::NobodyWalked));
}

#[test]
fn what_was_written_before_shares_were_kept_is_read() {
    let walk = issued(4_500, 2_000, true);
    let old = |invoice: Invoice| Invoice { shares: None, ..invoice };
    // A captured ride: all of it can be given back, from the right ones.
    let (paid, _) = walk.clone().captured(Purpose::Ride, brl(4_500), brl(3_600)).expect("captured");
    let kept = paid.shares;
    let read = old(paid);
    assert_eq!(Some(read.shares()), kept);
    let (_, transfers) = read.refund(brl(4_500), "because").expect("refunded");
    assert_eq!(transfers.iter().map(|t| t.amount.minor()).collect::<Vec<_>>(), [3_600, 900, 4_500]);
    // One that is pending is captured as one that is new.
    let (read, _) = old(walk).captured(Purpose::Ride, brl(4_500), brl(3_600)).expect("captured");
    assert_eq!((read.payment, read.shares), (PaymentState::Captured, kept));
}

/// What befalls an invoice.
#[derive(Clone, Debug)]
enum Step {
    Tip(i64),
    /// The provider answers one of what is pending.
    Answer {
        which: usize,
        captured: bool,
    },
    /// The tutor sets another way to pay: what was declined is asked for again.
    Retry,
    Refund(i64),
    RefundAll,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_i64..6_000).prop_map(Step::Tip),
        (any::<usize>(), any::<bool>()).prop_map(|(which, captured)| Step::Answer { which, captured }),
        Just(Step::Retry),
        (1_i64..8_000).prop_map(Step::Refund),
        Just(Step::RefundAll),
    ]
}

/// An invoice with its payments and its ledger.
struct World {
    invoice: Invoice,
    pending: Vec<(Purpose, i64, i64)>,
    declined: Vec<(Purpose, i64, i64)>,
    ledger: BTreeMap<String, i64>,
    captured: i64,
    for_walker: i64,
    refunded: i64,
}

impl World {
    fn post(&mut self, transfers: &[Transfer]) {
        for t in transfers {
            *self.ledger.entry(t.debit.to_string()).or_insert(0) -= t.amount.minor();
            *self.ledger.entry(t.credit.to_string()).or_insert(0) += t.amount.minor();
        }
    }

    fn refund(&mut self, amount: i64) {
        let left = self.captured - self.refunded;
        match self.invoice.clone().refund(brl(amount), "because") {
            Ok((invoice, transfers)) => {
                assert!((1..=left).contains(&amount));
                self.refunded += amount;
                self.invoice = invoice;
                self.post(&transfers);
            }
            Err(error) => assert!(matches!(error, BillError::TooMuch(_) | BillError::Amount(..)), "{error}"),
        }
    }

    fn answer(&mut self, which: usize, captured: bool) {
        if self.pending.is_empty() {
            return;
        }
        let (purpose, amount, walkers) = self.pending.remove(which % self.pending.len());
        let invoice = self.invoice.clone();
        if captured {
            let (invoice, transfers) =
                invoice.captured(purpose, brl(amount), brl(walkers)).expect("captured");
            self.invoice = invoice;
            self.captured += amount;
            self.for_walker += walkers;
            self.post(&transfers);
        } else {
            self.invoice = invoice.declined(purpose, brl(amount)).expect("declined");
            if purpose == Purpose::Ride {
                self.declined.push((purpose, amount, walkers));
            }
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Tip(amount) => {
                if let Ok(invoice) = self.invoice.clone().tip(brl(amount)) {
                    self.invoice = invoice;
                    self.pending.push((Purpose::Tip, amount, amount));
                }
            }
            Step::Answer { which, captured } => self.answer(which, captured),
            Step::Retry => {
                for (purpose, amount, walkers) in std::mem::take(&mut self.declined) {
                    self.invoice = self.invoice.clone().asked_again(brl(amount)).expect("asked again");
                    self.pending.push((purpose, amount, walkers));
                }
            }
            Step::Refund(amount) => self.refund(amount),
            Step::RefundAll => self.refund(self.captured - self.refunded),
        }
    }

    fn balance(&self, account: &str) -> i64 {
        self.ledger.get(account).copied().unwrap_or(0)
    }

    /// What holds after every step.
    fn check(&self) {
        let walker = self.invoice.walker_id.map_or(0, |id| self.balance(&format!("walker:{id}")));
        let platform = self.balance("platform:revenue");
        let shares = self.invoice.shares();
        assert_eq!(self.ledger.values().sum::<i64>(), 0);
        assert_eq!(self.balance(&format!("tutor:{}", self.invoice.tutor_id)), 0, "nobody else's money");
        assert_eq!(-self.balance("platform:clearing"), self.captured - self.refunded);
        assert_eq!(walker + platform, self.captured - self.refunded, "no more than was paid");
        assert!(walker >= 0 && platform >= 0, "nobody gives back more than they got");
        assert_eq!(walker, shares.walker - shares.walker_back);
        assert_eq!((shares.walker, shares.walker + shares.platform), (self.for_walker, self.captured));
        assert_eq!(self.invoice.paid.minor(), self.captured);
        let pending: i64 = self.pending.iter().map(|(_, amount, _)| amount).sum();
        assert_eq!(shares.pending, pending);
        assert_eq!(self.invoice.payment == PaymentState::Pending, pending > 0);
        if self.invoice.payment == PaymentState::Declined {
            assert!(!self.declined.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn whatever_happens_everybody_has_what_was_paid_and_not_given_back(
        minor in 1_i64..20_000, bp in 0_u32..=10_000, walked in any::<bool>(),
        steps in proptest::collection::vec(step(), 0..40),
    ) {
        let invoice = issued(minor, bp, walked);
        let walkers = invoice.walker_share.minor();
        let mut world = World {
            invoice,
            pending: vec![(Purpose::Ride, minor, walkers)],
            declined: Vec::new(),
            ledger: BTreeMap::new(),
            captured: 0,
            for_walker: 0,
            refunded: 0,
        };
        world.check();
        for step in steps {
            world.take(&step);
            world.check();
        }
        // Whatever way it came there, giving all of it back leaves nothing with anybody.
        world.refund(world.captured - world.refunded);
        world.check();
        prop_assert!(world.ledger.values().all(|balance| *balance == 0), "{:?}", world.ledger);
    }
}
