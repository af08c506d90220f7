//! Money through the public door: nobody has any that nobody paid, and whatever is given back is given back by the right ones.

use petwalker_tests::{Client, TestNode, config};
use serde_json::{Value, json};

use crate::live::Walk;
use crate::rides::{act, until};

fn brl(minor: i64) -> Value {
    json!({ "minor": minor, "currency": "BRL" })
}

/// Credits less debits of the caller's only account; 0 where it has had none.
async fn balance(client: &Client) -> i64 {
    let balances = client.get("/v1/me/balances").await.ok();
    balances["balances"]
        .as_array()
        .expect("balances")
        .iter()
        .map(|b| b["amount"]["minor"].as_i64().expect("a sum"))
        .sum()
}

async fn pays_with(tutor: &Client, token: &str) {
    assert_eq!(tutor.put("/v1/me/payment-method", &json!({ "token": token })).await.status, 204, "{token}");
}

/// A walk that was completed, and what the invoice says once it is as wanted.
async fn walked(client: &Client, lat: f64, token: &str, wanted: &str) -> (Walk, Value) {
    let walk = Walk::begin_on(client, lat, -46.63).await;
    pays_with(&walk.tutor, token).await;
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    let invoice = until(&walk.tutor, &walk.path("/invoice"), |i| i["payment"] == wanted).await;
    (walk, invoice)
}

async fn tip(walk: &Walk, minor: i64) -> petwalker_tests::Answer {
    walk.tutor.post(&walk.path("/tip"), &json!({ "amount": brl(minor) })).await
}

async fn even(operator: &Client) {
    let check = operator.get("/v1/ledger/check").await.ok();
    for sum in check["sums"].as_array().expect("sums") {
        assert_eq!(sum["minor"], 0, "{check}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_gives_nobody_money_and_books_nothing_more() {
    let node = TestNode::start(config).await;
    let operator = node.client().join_as_operator(node.folder.path()).await;
    let (walk, invoice) = walked(&node.client(), -23.11, "test_decline", "declined").await;
    let total = invoice["total"]["minor"].as_i64().expect("a total");
    assert_eq!(
        (balance(&walk.walker).await, balance(&walk.tutor).await, balance(&operator).await),
        (0, 0, 0)
    );
    for _ in 0..3 {
        tip(&walk, 500).await.refused(409, "payment-due");
    }
    let pet = walk.ride["pets"][0]["id"].as_str().expect("a pet");
    let wanted = json!({ "pickup": { "lat": -23.11, "lon": -46.63 }, "duration_min": 30, "pet_ids": [pet] });
    let quote = walk.tutor.post("/v1/quotes", &wanted).await.ok();
    let booking = json!({ "quote_id": quote["id"], "pet_ids": [pet] });
    walk.tutor.post("/v1/rides", &booking).await.refused(409, "payment-due");
    let query = json!({ "query": format!(
        "mutation {{ requestRide(input: {{ quoteId: {}, petIds: [{}] }}) {{ id }} }}", quote["id"], json!(pet)
    ) });
    let refused = walk.tutor.post("/graphql", &query).await;
    assert_eq!(refused.json["errors"][0]["extensions"]["code"], "payment-due", "{}", refused.text);
    walk.tutor.post("/v1/orders", &json!({ "total": brl(1) })).await.refused(409, "payment-due");
    // A card number is no token, and is not told back.
    for token in ["4242424242424242", "4242-4242-4242-4242"] {
        let refused = walk.tutor.put("/v1/me/payment-method", &json!({ "token": token })).await;
        refused.refused(422, "invalid");
        assert!(!refused.text.contains("4242"), "{}", refused.text);
    }
    // Another card: what was due is asked for at once, and the tutor may book again.
    pays_with(&walk.tutor, "test_ok").await;
    let paid = until(&walk.tutor, &walk.path("/invoice"), |i| i["payment"] == "captured").await;
    assert_eq!((&paid["total"], &paid["lines"]), (&invoice["total"], &invoice["lines"]));
    let earned = balance(&walk.walker).await;
    assert_eq!(earned, paid["walker_share"]["minor"].as_i64().expect("a share"));
    assert_eq!((balance(&walk.tutor).await, balance(&operator).await), (0, -earned));
    assert!(earned > 0 && earned < total);
    walk.tutor.post("/v1/rides", &booking).await.ok();
    even(&operator).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tips_count_once_they_are_captured_and_have_limits() {
    let node = TestNode::start(config).await;
    let operator = node.client().join_as_operator(node.folder.path()).await;
    let (walk, invoice) = walked(&node.client(), -23.12, "test_ok", "captured").await;
    let (price, earned) = (invoice["total"]["minor"].as_i64().expect("a total"), balance(&walk.walker).await);
    // A tip on a card that declines is nobody's, leaves no debt, and is off the invoice again.
    pays_with(&walk.tutor, "test_decline").await;
    assert_eq!(tip(&walk, 500).await.ok()["payment"], "pending");
    let after = until(&walk.tutor, &walk.path("/invoice"), |i| i["payment"] != "pending").await;
    assert_eq!(
        (&after["payment"], &after["total"], &after["lines"]),
        (&json!("captured"), &brl(price), &invoice["lines"])
    );
    assert_eq!(balance(&walk.walker).await, earned);
    pays_with(&walk.tutor, "test_ok").await;
    tip(&walk, 3 * price + 1).await.refused(422, "too-much");
    for minor in [3 * price - 8, 1, 1, 1, 1, 1, 1, 1, 1] {
        tip(&walk, minor).await.ok();
    }
    tip(&walk, 1).await.refused(409, "limit-reached");
    until(&walk.tutor, &walk.path("/invoice"), |i| i["payment"] == "captured").await;
    assert_eq!(balance(&walk.walker).await, earned + 3 * price);
    even(&operator).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_tip_and_refund_leave_nothing_with_anybody() {
    let node = TestNode::start(config).await;
    let operator = node.client().join_as_operator(node.folder.path()).await;
    let (walk, invoice) = walked(&node.client(), -23.13, "test_ok", "captured").await;
    let refund = async |minor: i64| {
        let body = json!({ "amount": brl(minor), "reason": "the dog was ill" });
        operator.post(&walk.path("/refund"), &body).await
    };
    let price = invoice["total"]["minor"].as_i64().expect("a total");
    let nothing = async || {
        assert_eq!(
            (balance(&walk.walker).await, balance(&walk.tutor).await, balance(&operator).await),
            (0, 0, 0)
        );
    };
    assert_eq!(refund(price).await.ok()["payment"], "refunded");
    nothing().await;
    tip(&walk, 500).await.ok();
    until(&walk.tutor, &walk.path("/invoice"), |i| i["payment"] == "captured").await;
    assert_eq!((balance(&walk.walker).await, balance(&operator).await), (500, -500));
    for minor in [199, 300, 1] {
        refund(minor).await.ok();
    }
    nothing().await;
    refund(1).await.refused(422, "too-much");
    even(&operator).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_is_used_once_and_comes_back_where_it_cost_nothing() {
    let node = TestNode::start(config).await;
    let client = node.client();
    let (lat, lon) = (-23.14, -46.63);
    let walker = client.walker_at(lat, lon).await;
    let (tutor, pet) = client.tutor_with_pet().await;
    let wanted = json!({
        "pickup": { "lat": lat, "lon": lon }, "duration_min": 30, "pet_ids": [pet], "coupon": "BEMVINDO",
    });
    let quote = async || tutor.post("/v1/quotes", &wanted).await;
    let book = async |quote: &Value| {
        tutor.post("/v1/rides", &json!({ "quote_id": quote["id"], "pet_ids": [pet] })).await
    };
    // Two quotes with it, both good: the first that is booked has it.
    let [first, second] = [quote().await.ok(), quote().await.ok()];
    assert!(first["lines"].as_array().expect("lines").iter().any(|line| line["kind"] == "coupon"), "{first}");
    let ride = book(&first).await.ok();
    book(&second).await.refused(422, "coupon-refused");
    quote().await.refused(422, "coupon-refused");
    // Called off without a fee: it is there again, and used again.
    act(&tutor, &ride, "cancel", &json!({})).await.ok();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    let third = loop {
        let answer = quote().await;
        if answer.status == 201 {
            break answer.ok();
        }
        assert!(tokio::time::Instant::now() < deadline, "{}", answer.text);
        tokio::task::yield_now().await;
    };
    let ride = book(&third).await.ok();
    act(&walker, &ride, "accept", &json!({})).await.ok();
    quote().await.refused(422, "coupon-refused");
    book(&second).await.refused(422, "coupon-refused");
    node.stop().await;
}
