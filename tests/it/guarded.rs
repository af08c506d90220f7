//! What is for whom: files, answers, sessions that ended, and the admin listener.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use petwalker_tests::{TestNode, config, shared};
use reqwest::Method;
use serde_json::{Value, json};

use crate::secrets::files;

const PASSWORD: &str = "correct horse";

#[tokio::test(flavor = "multi_thread")]
async fn the_data_folder_is_for_the_nodes_user_alone() {
    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("data");
    let widen = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("changed");
    };
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let first = TestNode::start(|_| config(&data)).await;
    first.client().tutor_with_pet().await;
    let all_private = |when: &str| {
        assert_eq!(mode(&data), 0o700, "{when}");
        for path in files(&data) {
            assert_eq!(mode(&path), 0o600, "{when}: {}", path.display());
        }
    };
    all_private("a new folder");
    assert!(data.join("region.db-wal").exists() && data.join("secrets/admin_token").exists());
    first.stop().await;
    // As an older release left it.
    widen(&data, 0o755);
    for file in files(&data) {
        widen(&file, 0o644);
    }
    let second = TestNode::start(|_| config(&data)).await;
    all_private("an old folder");
    second.stop().await;
}

#[tokio::test]
async fn private_answers_are_kept_nowhere() {
    let client = shared().client();
    let header = |answer: &petwalker_tests::Answer, name: &str| {
        answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let body = json!({ "email": "headers@test.example", "password": PASSWORD, "display_name": "H", "role": "tutor" });
    client.post("/v1/accounts", &body).await.ok();
    let log_in = json!({ "email": "headers@test.example", "password": PASSWORD });
    let session = client.post("/v1/sessions", &log_in).await;
    assert_eq!(header(&session, "cache-control").as_deref(), Some("no-store"));
    let tutor = client.with_token(session.json["access_token"].as_str().expect("a token"));
    let refresh = json!({ "refresh_token": session.json["refresh_token"] });
    for answer in [
        client.post("/v1/sessions/refresh", &refresh).await,
        tutor.get("/v1/me").await,
        tutor.get("/v1/pets").await,
        tutor.get("/v1/rides/none").await,
        tutor.post("/graphql", &json!({ "query": "{ me { email } }" })).await,
    ] {
        assert_eq!(header(&answer, "cache-control").as_deref(), Some("no-store"), "{}", answer.text);
    }
    // What is everybody's may be kept, and no browser guesses at the type of anything.
    for path in ["/v1/hello", "/openapi.json", "/.well-known/jwks.json", "/v1/nothing", "/internal/tick"] {
        let answer = client.get(path).await;
        assert_eq!(header(&answer, "cache-control"), None, "{path}");
        assert_eq!(header(&answer, "x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        assert!(header(&answer, "x-request-id").is_some_and(|id| id.len() == 32), "{path}");
        assert_eq!(header(&answer, "edge-account"), None, "{path}");
    }
    let named = tutor.raw(Method::GET, "/v1/me", &[("x-request-id", "app-7")], vec![]).await;
    assert_eq!(header(&named, "x-request-id").as_deref(), Some("app-7"));
    assert_eq!(header(&named, "edge-account"), None);
    let bad = tutor.raw(Method::GET, "/v1/me", &[("x-request-id", "two words")], vec![]).await;
    assert_ne!(header(&bad, "x-request-id").as_deref(), Some("two words"));
}

#[tokio::test]
async fn a_session_that_ended_changes_nothing_any_more() {
    let client = shared().client();
    let body =
        json!({ "email": "ended@test.example", "password": PASSWORD, "display_name": "E", "role": "tutor" });
    client.post("/v1/accounts", &body).await.ok();
    let log_in = async || {
        let who = json!({ "email": "ended@test.example", "password": PASSWORD });
        client.post("/v1/sessions", &who).await.ok()
    };
    let of = |tokens: &Value| client.with_token(tokens["access_token"].as_str().expect("a token"));
    let refresh = |tokens: &Value| json!({ "refresh_token": tokens["refresh_token"] });
    let (first, stolen) = (log_in().await, log_in().await);
    of(&first).put("/v1/me/payment-method", &json!({ "token": "test_ok" })).await;
    assert_eq!(client.post("/v1/sessions/end", &refresh(&first)).await.status, 204);
    let newer = client.post("/v1/sessions/refresh", &refresh(&stolen)).await.ok();
    client.post("/v1/sessions/refresh", &refresh(&stolen)).await.refused(401, "token-reused");
    for tokens in [&first, &stolen, &newer] {
        let caller = of(tokens);
        let method = json!({ "token": "test_decline" });
        caller.put("/v1/me/payment-method", &method).await.refused(401, "bad-token");
        caller.post("/graphql", &json!({ "query": "mutation { endSessions }" })).await;
        let answer = caller.post("/graphql", &json!({ "query": "mutation { endSessions }" })).await.ok();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "bad-token", "{answer}");
        // Who it is, a client of such a socket tells once it is connected.
        let mut socket = caller.socket("/graphql", "graphql-transport-ws").await.expect("connected");
        socket.send(&json!({ "type": "connection_init" })).await;
        assert_eq!(socket.closed().await.0, 4403);
    }
    let last = log_in().await;
    assert_eq!(of(&last).put("/v1/me/payment-method", &json!({ "token": "test_ok" })).await.status, 204);
}

#[tokio::test]
async fn the_admin_listener_asks_who_changes_something() {
    let node = shared();
    let http = reqwest::Client::new();
    let url = format!("{}/regions/sao-paulo-sul/hand-over?to=edge-2", node.admin);
    let status =
        async |request: reqwest::RequestBuilder| request.send().await.expect("answered").status().as_u16();
    // What any page can have a browser send.
    let page = http.post(&url).header("origin", "https://evil.example").header("content-type", "text/plain");
    assert_eq!(status(page).await, 403);
    assert_eq!(status(http.post(&url)).await, 401);
    assert_eq!(status(http.post(&url).bearer_auth("0".repeat(64))).await, 401);
    let token =
        std::fs::read_to_string(node.folder.path().join("secrets/admin_token")).expect("the node made one");
    // A node that is alone has no regions to hand over.
    assert_eq!(status(http.post(&url).bearer_auth(token.trim())).await, 404);
    for path in ["/metrics", "/healthz", "/status"] {
        let ask = || http.get(format!("{}{path}", node.admin));
        assert_eq!(status(ask().header("host", "evil.example")).await, 403, "{path}");
        assert_eq!(status(ask().header("origin", "null")).await, 403, "{path}");
        assert_ne!(status(ask().header("host", "localhost:3001")).await, 403, "{path}");
    }
}
