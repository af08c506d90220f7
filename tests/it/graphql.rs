//! GraphQL over HTTP.

use crate::api::kept;
use petwalker_tests::shared;
use reqwest::Method;
use serde_json::json;

const MODERN: (&str, &str) = ("accept", "application/graphql-response+json");

#[tokio::test]
async fn the_schema_is_the_one_in_the_repository() {
    kept("docs/schema.graphql", &shared().client().get("/graphql/schema").await.text);
}

#[tokio::test]
async fn the_same_capabilities_as_rest() {
    let client = shared().client();
    let (tutor, pet) = client.tutor_with_pet().await;
    let walker = client.walker_at(-23.60, -46.70).await;
    let query = |query: &str, variables: serde_json::Value| json!({ "query": query, "variables": variables });

    let quote = tutor
        .post(
            "/graphql",
            &query(
                "mutation($input: QuoteBody!) { createQuote(input: $input) { id total { minor currency } lines { kind } expiresAt } }",
                json!({ "input": { "pickup": { "lat": -23.60, "lon": -46.70 }, "durationMin": 30, "petIds": [pet] } }),
            ),
        )
        .await
        .ok();
    let quote = &quote["data"]["createQuote"];
    assert_eq!(quote["lines"][0]["kind"], "BASE", "{quote}");
    let request = query(
        "mutation($input: RideBody!) { requestRide(input: $input) { id state pin } }",
        json!({ "input": { "quoteId": quote["id"], "petIds": [pet] } }),
    );
    let key = [("idempotency-key", "graphql-ride")];
    let ride = tutor.post_with("/graphql", &request, &key).await.ok();
    assert_eq!(ride["data"]["requestRide"]["state"], "OFFERED", "{ride}");
    assert_eq!(tutor.post_with("/graphql", &request, &key).await.ok(), ride);

    let id = &ride["data"]["requestRide"]["id"];
    let accepted = walker
        .post(
            "/graphql",
            &query("mutation($id: String!) { acceptRide(id: $id) { state version } }", json!({ "id": id })),
        )
        .await
        .ok();
    assert_eq!(accepted["data"]["acceptRide"]["state"], "ACCEPTED", "{accepted}");
    let stale = query(
        "mutation($id: String!) { arrive(id: $id, expectedVersion: 1) { state } }",
        json!({ "id": id }),
    );
    let stale = walker.post("/graphql", &stale).await.ok();
    assert_eq!(stale["errors"][0]["extensions"]["code"], "stale-version", "{stale}");
}

#[tokio::test]
async fn statuses_follow_the_draft() {
    let client = shared().client();
    let post = |body: &'static str, headers: Vec<(&'static str, &'static str)>| {
        let client = client.clone();
        async move {
            let mut all = vec![("content-type", "application/json")];
            all.extend(headers);
            client.raw(Method::POST, "/graphql", &all, body.as_bytes().to_vec()).await
        }
    };
    for (body, headers, status) in [
        (r#"{"query":"{ products { next } }"}"#, vec![MODERN], 200),
        (r#"{"query":"{ nothing }"}"#, vec![MODERN], 400),
        (r#"{"query":"{ nothing }"}"#, vec![], 200),
        (r#"{"query":"{"}"#, vec![MODERN], 400),
        (r#"{"quer"#, vec![MODERN], 400),
        (r#"{"query":"{ me { id } }"}"#, vec![MODERN], 200),
    ] {
        let answer = post(body, headers).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }
    let nobody = post(r#"{"query":"{ me { id } }"}"#, vec![]).await;
    assert_eq!(nobody.json["errors"][0]["extensions"]["code"], "unauthenticated", "{}", nobody.text);

    let get = |query: &str| {
        let path = format!("/graphql?query={query}");
        let client = client.clone();
        async move { client.get(&path).await }
    };
    assert_eq!(get("%7Bproducts%7Bnext%7D%7D").await.status, 200);
    assert_eq!(get("mutation%7Bcheckout%7Bid%7D%7D").await.status, 405);
}

#[tokio::test]
async fn deep_and_wide_documents_are_refused() {
    let client = shared().client();
    let types = "{ fields { type ".repeat(20) + &"} }".repeat(20);
    let deep = json!({ "query": format!("{{ __schema {{ types {types} }} }}") });
    let wide: String = (0..500).map(|n| format!("p{n}: products {{ next }} ")).collect();
    for query in [deep, json!({ "query": format!("{{ {wide} }}") })] {
        let answer = client.post_with("/graphql", &query, &[MODERN]).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
    let nested = json!({ "query": "{".repeat(10_000) });
    assert_eq!(client.post_with("/graphql", &nested, &[MODERN]).await.status, 400);
    assert_eq!(client.get("/v1/hello").await.status, 200);
}
