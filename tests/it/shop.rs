//! The shop: what is agreed to is paid, what is paid is bought, and nobody sets the whole stock aside.

use petwalker_tests::{Client, TestNode, config};
use serde_json::{Value, json};

use crate::rides::until;

fn brl(minor: i64) -> Value {
    json!({ "minor": minor, "currency": "BRL" })
}

fn leash(price: i64) -> Value {
    json!({
        "sku": "leash", "title": "Leash", "description": "", "category": "leash", "price": brl(price), "stock": 1000,
    })
}

struct Shop {
    node: TestNode,
    partner: Client,
    tutor: Client,
    product: String,
}

impl Shop {
    async fn open() -> Self {
        let node = TestNode::start(config).await;
        let (partner, tutor) = (node.client().join("partner").await, node.client().join("tutor").await);
        let product = partner.put("/v1/products", &leash(2_500)).await.ok();
        let product = product["id"].as_str().expect("an id").to_owned();
        Self { node, partner, tutor, product }
    }

    async fn fill(&self, quantity: u32) {
        let lines = json!({ "lines": [{ "product_id": self.product, "quantity": quantity }] });
        self.tutor.put("/v1/cart", &lines).await.ok();
    }

    async fn checkout(&self, total: i64) -> petwalker_tests::Answer {
        self.tutor.post("/v1/orders", &json!({ "total": brl(total) })).await
    }

    async fn confirm(&self, order: &Value, key: &str) -> petwalker_tests::Answer {
        let path = format!("/v1/orders/{}/confirm", order["id"].as_str().expect("an id"));
        self.tutor.post_with(&path, &json!({}), &[("idempotency-key", key)]).await
    }

    async fn pays_with(&self, token: &str) {
        let set = self.tutor.put("/v1/me/payment-method", &json!({ "token": token })).await;
        assert_eq!(set.status, 204, "{}", set.text);
    }

    async fn stock(&self) -> i64 {
        let page = self.tutor.get("/v1/products").await.ok();
        page["products"][0]["details"]["stock"].as_i64().expect("a stock")
    }

    async fn earned(&self) -> Value {
        self.partner.get("/v1/me/balances").await.ok()["balances"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_total_is_agreed_to_and_an_order_is_bought_once_it_is_paid() {
    let shop = Shop::open().await;
    shop.fill(2).await;
    // The price goes up between the cart and the check-out: nothing is charged that nobody agreed to.
    shop.partner.put("/v1/products", &leash(99_999)).await.ok();
    let refused = shop.checkout(5_000).await;
    refused.refused(409, "price-changed");
    assert_eq!(refused.json["total"], brl(199_998));
    let query = json!({ "query":
        "mutation { checkout(input: { total: { minor: 5000, currency: \"BRL\" } }) { id } }" });
    let refused = shop.tutor.post("/graphql", &query).await;
    let extensions = &refused.json["errors"][0]["extensions"];
    assert_eq!(
        (&extensions["code"], &extensions["total"]),
        (&json!("price-changed"), &brl(199_998)),
        "{}",
        refused.text
    );
    shop.tutor.post("/v1/orders", &json!({})).await.refused(400, "malformed");
    shop.partner.put("/v1/products", &leash(2_500)).await.ok();
    let order = shop.checkout(5_000).await.ok();
    assert_eq!(
        (&order["state"], &order["payment"], shop.stock().await),
        (&json!("reserved"), &json!("none"), 998)
    );
    // A card that declines buys nothing, and says so; the partner has nothing.
    shop.pays_with("test_decline").await;
    shop.confirm(&order, "a").await.refused(409, "payment-declined");
    shop.confirm(&order, "a").await.refused(409, "payment-declined");
    let path = format!("/v1/orders/{}", order["id"].as_str().expect("an id"));
    let now = shop.tutor.get(&path).await.ok();
    assert_eq!((&now["state"], &now["payment"]), (&json!("reserved"), &json!("declined")));
    assert_eq!(shop.earned().await, json!([]));
    // Another card buys it, once, whatever the key.
    shop.pays_with("test_ok").await;
    for key in ["b", "b", "c", "a"] {
        let bought = shop.confirm(&order, key).await.ok();
        assert_eq!(
            (&bought["state"], &bought["payment"]),
            (&json!("confirmed"), &json!("captured")),
            "{key}"
        );
    }
    let query =
        json!({ "query": format!("mutation {{ confirmOrder(id: {}) {{ state payment }} }}", order["id"]) });
    let bought = shop.tutor.post("/graphql", &query).await.ok();
    assert_eq!(
        bought["data"]["confirmOrder"],
        json!({ "state": "CONFIRMED", "payment": "CAPTURED" }),
        "{bought}"
    );
    let earned = shop.earned().await;
    assert_eq!((earned.as_array().map(Vec::len), &earned[0]["amount"]), (Some(1), &brl(5_000)));
    assert_eq!(shop.stock().await, 998);
    let operator = shop.node.client().join_as_operator(shop.node.folder.path()).await;
    assert_eq!(operator.get("/v1/ledger/check").await.ok()["sums"], json!([brl(0)]));
    shop.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_confirmed_late_buys_the_order_by_itself() {
    let shop = Shop::open().await;
    for token in ["test_late", "test_timeout"] {
        shop.pays_with(token).await;
        shop.fill(1).await;
        let order = shop.checkout(2_500).await.ok();
        let pending = shop.confirm(&order, token).await.ok();
        assert_eq!(
            (&pending["state"], &pending["payment"]),
            (&json!("reserved"), &json!("pending")),
            "{token}"
        );
        let path = format!("/v1/orders/{}", order["id"].as_str().expect("an id"));
        let bought = until(&shop.tutor, &path, |order| order["state"] == "confirmed").await;
        assert_eq!(bought["payment"], "captured");
    }
    assert_eq!(shop.earned().await[0]["amount"], brl(5_000));
    shop.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sets_the_whole_stock_aside() {
    let shop = Shop::open().await;
    for _ in 0..2 {
        shop.fill(100).await;
        shop.checkout(250_000).await.ok();
    }
    shop.fill(1).await;
    shop.checkout(2_500).await.refused(409, "limit-reached");
    assert_eq!(shop.stock().await, 800);
    let product = json!({
        "sku": "bowl", "title": "Bowl", "description": "", "category": "bowl", "price": brl(100), "stock": 1000,
    });
    let bowl = shop.partner.put("/v1/products", &product).await.ok();
    let lines = json!({ "lines": [
        { "product_id": shop.product, "quantity": 100 }, { "product_id": bowl["id"], "quantity": 101 },
    ] });
    shop.tutor.put("/v1/cart", &lines).await.refused(422, "invalid");
    let lines = json!({ "lines": [
        { "product_id": shop.product, "quantity": 100 }, { "product_id": bowl["id"], "quantity": 100 },
    ] });
    shop.tutor.put("/v1/cart", &lines).await.ok();
    // Somebody else is not kept from it.
    let other = shop.node.client().join("tutor").await;
    other.put("/v1/cart", &json!({ "lines": [{ "product_id": shop.product, "quantity": 1 }] })).await.ok();
    other.post("/v1/orders", &json!({ "total": brl(2_500) })).await.ok();
    shop.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tutor_has_so_many_pets() {
    let node = TestNode::start(config).await;
    let (tutor, _) = node.client().tutor_with_pet().await;
    let rex = json!({
        "name": "Rex", "species": "dog", "weight_g": 14_500, "birth_date": "2021-03-14",
        "conditions": [], "temperament": "",
    });
    for _ in 1..30 {
        tutor.post("/v1/pets", &rex).await.ok();
    }
    tutor.post("/v1/pets", &rex).await.refused(409, "limit-reached");
    let many: String = (0..20)
        .map(|n| {
            format!(
                "p{n}: addPet(input: {{ name: \"Rex\", species: DOG, weightG: 14500, birthDate: \"2021-03-14\", \
                 conditions: [], temperament: \"\" }}) {{ id }} "
            )
        })
        .collect();
    let answer = tutor.post("/graphql", &json!({ "query": format!("mutation {{ {many} }}") })).await;
    assert_eq!(answer.json["errors"][0]["extensions"]["code"], "limit-reached", "{}", answer.text);
    assert_eq!(tutor.get("/v1/pets").await.ok()["pets"].as_array().map(Vec::len), Some(30));
    node.stop().await;
}
