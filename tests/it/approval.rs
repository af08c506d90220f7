//! Walkers and partners act once an operator has approved them.

use petwalker_tests::{Client, TestNode, config};
use serde_json::{Value, json};

use crate::secrets::PASSWORD;

/// Who somebody is.
async fn id(person: &Client) -> String {
    person.get("/v1/me").await.ok()["id"].as_str().expect("an id").to_owned()
}

fn ids(page: &Value) -> Vec<&str> {
    page["accounts"]
        .as_array()
        .expect("accounts")
        .iter()
        .filter_map(|account| account["id"].as_str())
        .collect()
}

async fn node() -> TestNode {
    TestNode::start(|data| {
        let mut config = config(data);
        // As it is where nobody says anything.
        config.variables.remove("approval");
        config
    })
    .await
}

/// M10: nobody becomes a walker or a seller by signing up.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_walks_or_sells_by_signing_up() {
    let node = node().await;
    let client = node.client();
    let operator = client.join_as_operator(node.folder.path()).await;
    let (tutor, _) = client.tutor_with_pet().await;
    let (walker, partner) = (client.join("walker").await, client.join("partner").await);
    let place = json!({ "lat": -23.55, "lon": -46.63 });
    let profile = json!({
        "area_centre": place, "area_radius_m": 8_000, "capacity": 3, "weekly": [],
        "accepted_sizes": ["small", "medium", "large"], "time_zone": "America/Sao_Paulo",
    });
    // What an operator decides by is written before.
    walker.put("/v1/walkers/me", &profile).await.ok();
    let leash = json!({
        "sku": "leash", "title": "Leash", "description": "", "category": "leash",
        "price": { "minor": 2_500, "currency": "BRL" }, "stock": 10,
    });
    for (person, path, body) in
        [(&walker, "/v1/walkers/me/presence", &place), (&partner, "/v1/products", &leash)]
    {
        assert_eq!(person.get("/v1/me").await.ok()["approved"], false);
        person.put(path, body).await.refused(403, "not-approved");
    }
    let appear = json!({ "query": "mutation { appear(place: { lat: -23.55, lon: -46.63 }) }" });
    let refused = walker.post("/graphql", &appear).await.json;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "not-approved", "{refused}");
    let nearest = "/v1/walkers/nearest?lat=-23.55&lon=-46.63";
    assert_eq!(tutor.get(nearest).await.ok()["walkers"], json!([]));

    let (walker_id, partner_id) = (id(&walker).await, id(&partner).await);
    let approval = |id: &str| format!("/v1/accounts/{id}/approval");
    for person in [&tutor, &walker, &partner] {
        person.put(&approval(&walker_id), &json!({})).await.refused(403, "forbidden");
        person.delete(&approval(&partner_id)).await.refused(403, "forbidden");
        person.get("/v1/accounts/awaiting-approval").await.refused(403, "forbidden");
    }
    let first = operator.get("/v1/accounts/awaiting-approval?limit=1").await.ok();
    let next = first["next"].as_str().expect("a next page");
    let second = operator.get(&format!("/v1/accounts/awaiting-approval?cursor={next}")).await.ok();
    assert_eq!((ids(&first), ids(&second)), (vec![&*walker_id], vec![&*partner_id]));
    assert_eq!(second["next"], Value::Null);
    operator.put(&approval(&id(&tutor).await), &json!({})).await.refused(422, "invalid");
    operator.put(&approval("nobody"), &json!({})).await.refused(404, "not-found");

    let approve =
        json!({ "query": format!("mutation {{ approveAccount(id: \"{partner_id}\") {{ approved }} }}") });
    for _ in 0..2 {
        assert_eq!(operator.put(&approval(&walker_id), &json!({})).await.ok()["approved"], true);
        let approved = operator.post("/graphql", &approve).await.ok();
        assert_eq!(approved["data"]["approveAccount"]["approved"], true, "{approved}");
    }
    assert_eq!(walker.put("/v1/walkers/me/presence", &place).await.status, 204);
    let product = partner.put("/v1/products", &leash).await.ok();
    let waiting =
        operator.post("/graphql", &json!({ "query": "{ awaitingApproval { accounts { id } } }" })).await.ok();
    assert_eq!(waiting["data"]["awaitingApproval"]["accounts"], json!([]), "{waiting}");

    // Taken back: neither appears, shows, nor sells any more.
    let lines = json!({ "lines": [{ "product_id": product["id"], "quantity": 1 }] });
    tutor.put("/v1/cart", &lines).await.ok();
    for id in [&walker_id, &partner_id] {
        assert_eq!(operator.delete(&approval(id)).await.ok()["approved"], false);
    }
    walker.put("/v1/walkers/me/presence", &place).await.refused(403, "not-approved");
    assert_eq!(tutor.get("/v1/products").await.ok()["products"], json!([]));
    let total = json!({ "total": { "minor": 2_500, "currency": "BRL" } });
    tutor.post("/v1/orders", &total).await.refused(409, "out-of-stock");
    operator.put(&approval(&partner_id), &json!({})).await.ok();
    assert_eq!(tutor.get("/v1/products").await.ok()["products"][0]["id"], product["id"]);
    tutor.post("/v1/orders", &total).await.ok();

    // Who was erased awaits nothing, and is nobody to approve.
    assert_eq!(walker.post("/v1/me/erasure", &json!({ "password": PASSWORD })).await.status, 204);
    let waiting = operator.get("/v1/accounts/awaiting-approval").await.ok();
    assert_eq!(waiting["accounts"], json!([]));
    operator.put(&approval(&walker_id), &json!({})).await.refused(404, "not-found");
    node.stop().await;
}
