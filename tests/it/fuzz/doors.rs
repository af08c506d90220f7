//! Decoders inside the components, through the public door: whatever is sent, the answer is a success or a refusal with
//! a code, and no instance ends.

use std::sync::LazyLock;

use petwalker_tests::{Answer, Client, shared};
use reqwest::Method;
use tokio::runtime::Runtime;

use super::fuzz;

/// Signed in once: a password's hash is slow by design.
static TUTOR: LazyLock<(Runtime, Client)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let tutor = runtime.block_on(shared().client().join("tutor"));
    (runtime, tutor)
});

fn send(method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let (runtime, tutor) = &*TUTOR;
    runtime.block_on(tutor.raw(method, path, headers, body.to_vec()))
}

fn check(answer: &Answer) {
    assert!(answer.status < 500, "{} {}", answer.status, answer.text);
    let is_json = answer.json.is_object() || answer.json.is_array();
    assert!(is_json, "{} {}", answer.status, answer.text);
    assert!(
        answer.status < 400 || !answer.code().is_empty() || answer.json["errors"].is_array(),
        "{}",
        answer.text
    );
}

fn fuzz_body(corpus: &str, path: &str, kind: &str) {
    fuzz(corpus, 200, |bytes| check(&send(Method::POST, path, &[("content-type", kind)], bytes)));
}

#[test]
fn json_bodies() {
    fuzz_body("quote-json", "/v1/quotes", "application/json");
}

#[test]
fn messagepack_bodies() {
    fuzz_body("quote-msgpack", "/v1/quotes", "application/msgpack");
}

#[test]
fn track_points() {
    let path = "/v1/rides/01890a5d-ac96-774b-bcce-b302099a8057/points";
    fuzz_body("points-json", path, "application/json");
    fuzz_body("points-msgpack", path, "application/msgpack");
}

#[test]
fn graphql_requests() {
    fuzz_body("graphql", "/graphql", "application/json");
}

#[test]
fn queries() {
    fuzz("query", 200, |bytes| {
        // A client library would repair what it can: only what is legal in a URI is sent as it is.
        let query: String = bytes
            .iter()
            .map(|&b| {
                if b.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&b) {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect();
        for path in ["/v1/rides", "/v1/products", "/v1/walkers/nearest"] {
            check(&send(Method::GET, &format!("{path}?{query}"), &[], b""));
        }
    });
}

#[test]
fn headers() {
    fuzz("header", 200, |bytes| {
        let Ok(value) = std::str::from_utf8(bytes) else { return };
        if reqwest::header::HeaderValue::from_str(value).is_err() {
            return;
        }
        for name in ["authorization", "idempotency-key", "if-match", "accept", "origin", "content-type"] {
            let answer = send(
                Method::POST,
                "/v1/quotes",
                &[("content-type", "application/json"), (name, value)],
                b"{}",
            );
            assert!((400..500).contains(&answer.status), "{name}: {} {}", answer.status, answer.text);
        }
    });
}
