//! What holds for every operation of the API.

use petwalker_tests::{root, shared};
use reqwest::Method;
use serde_json::{Value, json};

/// Compares a text with the file kept in the repository; `PETWALKER_UPDATE=1` writes the file instead.
pub(crate) fn kept(file: &str, text: &str) {
    let path = root().join(file);
    if std::env::var_os("PETWALKER_UPDATE").is_some() {
        std::fs::write(&path, text).expect("written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        known == text,
        "{file} is out of date: run the tests with PETWALKER_UPDATE=1 and look at the change"
    );
}

#[tokio::test]
async fn the_description_is_the_one_in_the_repository() {
    let answer = shared().client().get("/openapi.json").await;
    assert_eq!(answer.json["openapi"], "3.1.0");
    kept("docs/openapi.json", &format!("{}\n", answer.text));
}

#[tokio::test]
async fn every_secured_operation_refuses_strangers() {
    let client = shared().client();
    let api = client.get("/openapi.json").await.json;
    let forged = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.x";
    let mut checked = 0;
    for (path, operations) in api["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            if operation["security"].is_null() {
                continue;
            }
            let path = path.replace("{id}", "01890a5d-ac96-774b-bcce-b302099a8057");
            let method: Method = method.to_uppercase().parse().expect("a method");
            let anonymous = client.raw(method.clone(), &path, &[], Vec::new()).await;
            anonymous.refused(401, "unauthenticated");
            let stranger = client.with_token(forged).raw(method, &path, &[], Vec::new()).await;
            stranger.refused(401, "bad-token");
            checked += 1;
        }
    }
    assert!(checked >= 35, "only {checked} operations are secured");
}

#[tokio::test]
async fn wrong_roles_are_refused() {
    let client = shared().client();
    let (tutor, walker) = (client.join("tutor").await, client.join("walker").await);
    walker.get("/v1/cart").await.refused(403, "forbidden");
    walker
        .post(
            "/v1/quotes",
            &json!({ "pickup": { "lat": -23.55, "lon": -46.63 }, "duration_min": 30, "pet_ids": [] }),
        )
        .await
        .refused(403, "forbidden");
    tutor.get("/v1/walkers/me/offers").await.refused(403, "forbidden");
    tutor.get("/v1/ledger/check").await.refused(403, "forbidden");
    let body = json!({ "email": "x@test.example", "password": "correct horse", "display_name": "x", "role": "operator" });
    client.post("/v1/accounts", &body).await.refused(403, "forbidden");
}

#[tokio::test]
async fn a_repeated_command_is_answered_the_same() {
    let (tutor, _) = shared().client().tutor_with_pet().await;
    let rex = |name: &str| {
        json!({ "name": name, "species": "cat", "weight_g": 4_000, "birth_date": "2020-01-01", "conditions": [],
                "temperament": "" })
    };
    let key = [("idempotency-key", "add-rex-1")];
    let first = tutor.post_with("/v1/pets", &rex("Mia"), &key).await.ok();
    let again = tutor.post_with("/v1/pets", &rex("Mia"), &key).await.ok();
    assert_eq!(first, again);
    tutor.post_with("/v1/pets", &rex("Leo"), &key).await.refused(422, "key-reused");
    let pets = tutor.get("/v1/pets").await.ok();
    assert_eq!(pets["pets"].as_array().map(Vec::len), Some(2));
    let bad = [("idempotency-key", "not visible")];
    tutor.post_with("/v1/pets", &rex("Mia"), &bad).await.refused(400, "malformed");
}

#[tokio::test]
async fn the_nodes_own_paths_are_closed() {
    let client = shared().client();
    for path in
        ["/internal/events", "/internal/tick", "/%69nternal/tick", "//internal/tick", "/v1/../internal/tick"]
    {
        let answer = client.raw(Method::POST, path, &[], Vec::new()).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
    }
    let dressed = client.raw(Method::GET, "/v1/hello", &[("edge-internal", "guess")], Vec::new()).await;
    assert_eq!(dressed.status, 404);
}

#[tokio::test]
async fn browsers_of_any_origin_may_ask() {
    let headers = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,idempotency-key"),
    ];
    let answer = shared().client().raw(Method::OPTIONS, "/v1/rides", &headers, Vec::new()).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    let allowed = answer.headers["access-control-allow-headers"].to_str().expect("text");
    for name in ["idempotency-key", "if-match", "petwalker-region", "petwalker-seen", "last-event-id"] {
        assert!(allowed.contains(name), "{allowed}");
    }
    let origin = [("origin", "https://app.example")];
    let answer = shared().client().raw(Method::GET, "/v1/hello", &origin, Vec::new()).await;
    let exposed = answer.headers["access-control-expose-headers"].to_str().expect("text");
    for name in ["etag", "retry-after", "ratelimit-policy", "petwalker-durability", "x-request-id"] {
        assert!(exposed.contains(name), "{exposed}");
    }
}

#[tokio::test]
async fn sessions_are_refreshed_once() {
    let client = shared().client();
    let body = json!({ "email": "Refresh@Test.example", "password": "correct horse", "display_name": "R", "role": "tutor" });
    client.post("/v1/accounts", &body).await.ok();
    client.post("/v1/accounts", &body).await.refused(409, "email-taken");
    let log_in = json!({ "email": "refresh@test.example", "password": "correct horse" });
    let first = client.post("/v1/sessions", &log_in).await.ok();
    let token = |tokens: &Value| json!({ "refresh_token": tokens["refresh_token"] });
    let second = client.post("/v1/sessions/refresh", &token(&first)).await.ok();
    client.post("/v1/sessions/refresh", &token(&first)).await.refused(401, "token-reused");
    client.post("/v1/sessions/refresh", &token(&second)).await.refused(401, "bad-token");
    let wrong = json!({ "email": "refresh@test.example", "password": "wrong horse!" });
    client.post("/v1/sessions", &wrong).await.refused(401, "bad-credentials");
    let keys = client.get("/.well-known/jwks.json").await.ok();
    assert_eq!(keys["keys"][0]["crv"], "Ed25519");
}

#[tokio::test]
async fn health_and_metrics_are_on_their_own_listener() {
    let node = shared();
    for (path, expected) in [("/healthz", "ok"), ("/readyz", "ready"), ("/metrics", "component_permits_free")]
    {
        let text = reqwest::get(format!("{}{path}", node.admin))
            .await
            .expect("an answer")
            .text()
            .await
            .expect("text");
        assert!(text.contains(expected), "{path}: {text}");
    }
    assert_eq!(node.client().get("/metrics").await.status, 404);
}
