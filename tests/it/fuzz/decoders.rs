//! Decoders that are plain functions.

use std::path::Path;

use edge_node::Config;
use edge_runtime::Manifest;
use edge_runtime::outbound::HostPattern;
use edge_runtime::route::Pattern;
use identity::domain::{Keys, OpaqueToken};
use matching::domain::RideEvent;
use petwalker_journal::Envelope;
use petwalker_kernel::{AccountId, Currency, UtcMillis};

use super::{corpus, fuzz};

/// When the corpus' token was issued, and the seed of the key that signed it.
const ISSUED: UtcMillis = UtcMillis::new(1_780_000_000_000);
const SEED: &str = "0101010101010101010101010101010101010101010101010101010101010101";

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[test]
fn envelopes() {
    fuzz("envelope", 4_000, |bytes| {
        let Ok(envelope) = Envelope::decode(bytes) else { return };
        let again = Envelope::decode(&envelope.encode().expect("what was read can be written"));
        assert_eq!(again.as_ref(), Ok(&envelope));
    });
}

#[test]
fn events_of_a_ride() {
    fuzz("envelope", 4_000, |bytes| {
        let Ok(envelope) = Envelope::decode(bytes) else { return };
        let Ok(event) = RideEvent::read(&envelope) else { return };
        assert_eq!(event.event_type(), envelope.event_type);
    });
}

#[test]
fn no_changed_token_is_ours() {
    let keys = Keys::from_hex(SEED).expect("a seed");
    let genuine = corpus("token");
    for token in &genuine {
        assert!(keys.verify(&text(token), ISSUED).is_ok(), "the corpus holds genuine tokens");
    }
    fuzz("token", 4_000, |bytes| {
        let changed = !genuine.iter().any(|token| token == bytes);
        assert!(!changed || keys.verify(&text(bytes), ISSUED).is_err(), "a forged token was taken");
    });
}

#[test]
fn refresh_tokens() {
    fuzz("refresh-token", 4_000, |bytes| {
        let Ok(token) = OpaqueToken::decode(&text(bytes)) else { return };
        assert_eq!(token.encode(), text(bytes), "a token has one spelling");
    });
}

#[test]
fn manifests() {
    fuzz("manifest", 1_000, |bytes| {
        if let Err(error) = Manifest::parse(&text(bytes), Path::new("spin.toml")) {
            assert!(error.to_string().contains("spin.toml"), "{error}");
        }
    });
}

#[test]
fn node_files() {
    fuzz("node-file", 1_000, |bytes| {
        if let Err(error) = Config::parse(&text(bytes), Path::new("node.toml")) {
            assert!(error.to_string().contains("node.toml"), "{error}");
        }
    });
}

#[test]
fn routes() {
    fuzz("route", 4_000, |bytes| drop(Pattern::parse(&text(bytes))));
}

#[test]
fn outbound_hosts() {
    fuzz("outbound-host", 4_000, |bytes| drop(HostPattern::parse(&text(bytes))));
}

#[test]
fn ids_and_currencies_have_one_spelling() {
    fuzz("id", 4_000, |bytes| {
        if let Ok(id) = text(bytes).parse::<AccountId>() {
            assert_eq!(id.to_string(), text(bytes));
        }
        if let Ok(currency) = text(bytes).parse::<Currency>() {
            assert_eq!(currency.as_str(), text(bytes));
        }
    });
}
