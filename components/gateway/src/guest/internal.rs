//! Who may ask on internal paths: the node around these components, and a relay beside another runtime.

use http::HeaderMap;
use petwalker_seal::proof::{self, ProofError};
use subtle::ConstantTimeEq as _;

use super::clock::now_ms;
use super::ops::Outcome;
use super::problem::Problem;

/// The header by which the node is known, and the variable that holds its value.
const NODE_HEADER: &str = "edge-internal";
const NODE_VARIABLE: &str = "internal_secret";

/// The header with a relay's proof, and the variable with the secret that it is made with.
const RELAY_HEADER: &str = "edge-relay";
const RELAY_VARIABLE: &str = "relay_secret";

/// That the node itself is asking. To everybody else the path does not exist.
pub async fn only_the_node(headers: &HeaderMap) -> Outcome<()> {
    let secret = variable(NODE_VARIABLE).await;
    let given = headers.get(NODE_HEADER).map(http::HeaderValue::as_bytes).unwrap_or_default();
    let known: bool = given.ct_eq(secret.as_bytes()).into();
    if known && !secret.is_empty() { Ok(()) } else { Err(nothing_here()) }
}

/// That the node itself is asking, or a relay that holds the shared secret: for `path`, with `body`, just now.
pub async fn node_or_relay(path: &str, headers: &HeaderMap, body: &[u8]) -> Outcome<()> {
    let Some(given) = headers.get(RELAY_HEADER) else { return only_the_node(headers).await };
    let given = given.to_str().map_err(|_| nothing_here())?;
    let secret = variable(RELAY_VARIABLE).await;
    proof::check(secret.as_bytes(), path, body, given, now_ms()).map_err(|error| match error {
        ProofError::Wrong => nothing_here(),
        // Whoever made it holds the secret, and may know why it was of no use.
        ProofError::NotFresh { .. } => {
            Problem::new("not-fresh", format!("the relay's request is refused: {error}"))
        }
    })
}

fn nothing_here() -> Problem {
    Problem::new("not-found", "nothing answers at this path")
}

async fn variable(name: &str) -> String {
    spin_sdk::variables::get(name).await.unwrap_or_default()
}
