//! Stock, orders and their payments, under limits.

use petwalker_kernel::{AccountId, Currency, Moment, Money, ProductId, SeededEntropy, UtcMillis};
use petwalker_store::{Command, NativeDatabase, Sql as _};

use super::{Refusal, browse, checkout, pay, put_cart, put_product, release_expired, settle, unpaid};
use crate::domain::{
    ATTEMPTS_MAX, CartLine, ORDERS_OPEN_MAX, Order, OrderPayment, OrderState, PRODUCTS_MAX, ProductDetails,
    RESERVED_FOR, UNITS_OPEN_MAX,
};
use crate::sql;

const SCHEMA: &str = include_str!("../../../../db-schema/global/schema.sql");

fn command(id: u32) -> Command {
    Command { actor: "a".into(), id: format!("c{id}"), fingerprint: vec![] }
}

fn brl(minor: i64) -> Money {
    Money::new(minor, Currency::BRL)
}

fn details(sku: &str, stock: u32) -> ProductDetails {
    ProductDetails {
        sku: sku.into(),
        title: format!("Leash {sku}"),
        description: String::new(),
        category: "leash".into(),
        price: Money::new(2_500, Currency::BRL),
        stock,
    }
}

#[test]
fn stock_is_never_oversold_and_comes_back() {
    let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
    let mut entropy = SeededEntropy(1);
    let mut moment = Moment { now: UtcMillis::new(1_000), entropy: &mut entropy };
    let partner = AccountId::new(&mut moment);
    let product = put_product(&sql, &mut moment, &command(0), partner, details("a", 5)).expect("added");
    let stock = || sql::product(&sql, product.id).expect("read").expect("there").details.stock;
    let line = |quantity| [CartLine { product_id: product.id, quantity }];

    let mut orders = Vec::new();
    for n in 0..3 {
        let tutor = AccountId::new(&mut moment);
        put_cart(&sql, &moment, &command(10 + n), tutor, &line(2)).expect("a cart");
        orders.push((tutor, checkout(&sql, &mut moment, &command(20 + n), tutor, brl(5_000))));
    }
    assert_eq!(stock(), 1);
    assert!(matches!(orders[2].1, Err(Refusal::OutOfStock(_))));
    let (tutor, first) = (orders[0].0, orders[0].1.clone().expect("reserved"));
    assert_eq!(first.total, Money::new(5_000, Currency::BRL));
    assert_eq!(checkout(&sql, &mut moment, &command(20), tutor, brl(5_000)), Ok(first.clone()));
    let paying = pay(&sql, &moment, &command(30), tutor, first.id).expect("asked for");
    assert_eq!((paying.order.state, paying.shares), (OrderState::Reserved, vec![(partner, brl(5_000))]));
    let confirmed = settle(&sql, first.id, 1, true).expect("settled");
    assert_eq!(confirmed.state, OrderState::Confirmed);

    moment.now = moment.now.plus(RESERVED_FOR);
    assert_eq!(release_expired(&sql, &moment), Ok(1));
    assert_eq!(release_expired(&sql, &moment), Ok(0));
    assert_eq!(stock(), 3);
    let second = orders[1].1.clone().expect("reserved");
    assert_eq!(pay(&sql, &moment, &command(31), orders[1].0, second.id), Err(Refusal::Gone));
}

#[test]
fn pages_follow_one_another() {
    let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
    let moment = &mut Moment { now: UtcMillis::new(1_000), entropy: &mut SeededEntropy(1) };
    let partner = AccountId::new(moment);
    for n in 0..7 {
        put_product(&sql, moment, &command(n), partner, details(&n.to_string(), 1)).expect("added");
    }
    let (mut cursor, mut titles) = (None, Vec::new());
    loop {
        let (page, next) = browse(&sql, Some("leash"), cursor.as_deref(), 3).expect("a page");
        titles.extend(page.into_iter().map(|p| p.details.title));
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(titles, (0..7).map(|n| format!("Leash {n}")).collect::<Vec<_>>());
    assert!(browse(&sql, None, Some("nonsense"), 3).is_err());
    assert!(browse(&sql, None, None, 0).is_err());
}

/// A shop with one product of a stock of 1,000 at 25.00.
struct Shop {
    sql: NativeDatabase,
    entropy: SeededEntropy,
    now: UtcMillis,
    tutor: AccountId,
    partner: AccountId,
    product: ProductId,
    commands: u32,
}

impl Shop {
    fn open() -> Self {
        let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
        let mut entropy = SeededEntropy(2);
        let now = UtcMillis::new(1_000);
        let moment = &mut Moment { now, entropy: &mut entropy };
        let (tutor, partner) = (AccountId::new(moment), AccountId::new(moment));
        let product = put_product(&sql, moment, &command(0), partner, details("a", 1_000)).expect("added").id;
        Self { sql, entropy, now, tutor, partner, product, commands: 1 }
    }

    fn command(&mut self) -> Command {
        self.commands += 1;
        command(self.commands)
    }

    fn stock(&self) -> u32 {
        sql::product(&self.sql, self.product).expect("read").expect("there").details.stock
    }

    /// Puts so many into the cart and checks out, agreeing to that price of one.
    fn order(&mut self, quantity: u32, price: i64) -> Result<Order, Refusal> {
        let (first, second) = (self.command(), self.command());
        let moment = &mut Moment { now: self.now, entropy: &mut self.entropy };
        let line = [CartLine { product_id: self.product, quantity }];
        put_cart(&self.sql, moment, &first, self.tutor, &line).expect("a cart");
        checkout(&self.sql, moment, &second, self.tutor, brl(price * i64::from(quantity)))
    }

    fn pay(&mut self, order: &Order) -> Result<Order, Refusal> {
        let command = self.command();
        let moment = Moment { now: self.now, entropy: &mut self.entropy };
        Ok(pay(&self.sql, &moment, &command, self.tutor, order.id)?.order)
    }

    fn release(&mut self) -> u32 {
        let moment = Moment { now: self.now, entropy: &mut self.entropy };
        release_expired(&self.sql, &moment).expect("released")
    }
}

#[test]
fn the_tutor_agrees_to_the_total() {
    let mut shop = Shop::open();
    assert_eq!(shop.order(2, 2_400), Err(Refusal::PriceChanged(brl(5_000))));
    // The price goes up between the cart and the check-out.
    let command = shop.command();
    let moment = &mut Moment { now: shop.now, entropy: &mut shop.entropy };
    let dear = ProductDetails { price: brl(99_999), ..details("a", 1_000) };
    put_product(&shop.sql, moment, &command, shop.partner, dear).expect("replaced");
    assert_eq!(shop.order(2, 2_500), Err(Refusal::PriceChanged(brl(199_998))));
    assert_eq!(shop.stock(), 1_000);
    assert_eq!(shop.order(2, 99_999).expect("agreed").total, brl(199_998));
}

#[test]
fn an_order_is_bought_when_it_is_paid() {
    let mut shop = Shop::open();
    let order = shop.order(2, 2_500).expect("reserved");
    assert_eq!((order.state, order.payment, shop.stock()), (OrderState::Reserved, OrderPayment::None, 998));
    let paying = shop.pay(&order).expect("asked for");
    assert_eq!(
        (paying.state, paying.payment, paying.attempts),
        (OrderState::Reserved, OrderPayment::Pending, 1)
    );
    // Asked again meanwhile, it is the same attempt; and a tick knows of it.
    assert_eq!(shop.pay(&order), Ok(paying.clone()));
    assert_eq!(unpaid(&shop.sql).expect("read").len(), 1);
    let declined = settle(&shop.sql, order.id, 1, false).expect("settled");
    assert_eq!((declined.state, declined.payment), (OrderState::Reserved, OrderPayment::Declined));
    assert_eq!(unpaid(&shop.sql).expect("read").len(), 0);
    // Another attempt, whose answer comes after the reservation's end: the stock is still there for it.
    assert_eq!(shop.pay(&order).expect("asked for").attempts, 2);
    assert_eq!(settle(&shop.sql, order.id, 1, true).expect("passed over").state, OrderState::Reserved);
    shop.now = shop.now.plus(RESERVED_FOR);
    assert_eq!((shop.release(), shop.stock()), (0, 998));
    let bought = settle(&shop.sql, order.id, 2, true).expect("settled");
    assert_eq!((bought.state, bought.payment), (OrderState::Confirmed, OrderPayment::Captured));
    // Confirmed stays confirmed, whatever is asked.
    assert_eq!(shop.pay(&order), Ok(bought.clone()));
    assert_eq!(settle(&shop.sql, order.id, 2, false), Ok(bought));
    assert_eq!((shop.release(), shop.stock()), (0, 998));
}

#[test]
fn a_declined_order_ends_with_its_reservation() {
    let mut shop = Shop::open();
    let order = shop.order(2, 2_500).expect("reserved");
    for attempt in 1..=ATTEMPTS_MAX {
        assert_eq!(shop.pay(&order).expect("asked for").attempts, attempt);
        settle(&shop.sql, order.id, attempt, false).expect("settled");
    }
    assert!(matches!(shop.pay(&order), Err(Refusal::LimitReached(_))));
    shop.now = shop.now.plus(RESERVED_FOR);
    assert_eq!((shop.release(), shop.stock()), (1, 1_000));
    assert_eq!(shop.pay(&order), Err(Refusal::Gone));
}

#[test]
fn one_account_does_not_set_the_whole_stock_aside() {
    let mut shop = Shop::open();
    assert!(shop.order(100, 2_500).is_ok() && shop.order(100, 2_500).is_ok());
    assert!(matches!(shop.order(1, 2_500), Err(Refusal::LimitReached(_))));
    assert_eq!(shop.stock(), 1_000 - UNITS_OPEN_MAX);
    shop.now = shop.now.plus(RESERVED_FOR);
    assert_eq!(shop.release(), 2);
    for _ in 0..ORDERS_OPEN_MAX {
        shop.order(1, 2_500).expect("reserved");
    }
    assert!(matches!(shop.order(1, 2_500), Err(Refusal::LimitReached(_))));
    let lines: Vec<CartLine> = (0..3).map(|_| CartLine { product_id: shop.product, quantity: 100 }).collect();
    let command = shop.command();
    let moment = Moment { now: shop.now, entropy: &mut shop.entropy };
    let refused = put_cart(&shop.sql, &moment, &command, shop.tutor, &lines);
    assert!(matches!(refused, Err(Refusal::Invalid("lines.quantity", _))), "{refused:?}");
}

#[test]
fn a_partner_has_so_many_products_and_no_more() {
    let mut shop = Shop::open();
    let moment = &mut Moment { now: shop.now, entropy: &mut shop.entropy };
    for n in 1..PRODUCTS_MAX {
        put_product(&shop.sql, moment, &command(n + 1), shop.partner, details(&n.to_string(), 1))
            .expect("added");
    }
    let refused = put_product(&shop.sql, moment, &command(5_000), shop.partner, details("more", 1));
    assert!(matches!(refused, Err(Refusal::LimitReached(_))), "{refused:?}");
    put_product(&shop.sql, moment, &command(5_001), shop.partner, details("a", 2)).expect("replaced");
    let count = shop.sql.query("SELECT count(*) FROM products", &[]).expect("counted");
    assert_eq!(count[0].uint::<u32>(0), Ok(PRODUCTS_MAX));
}
