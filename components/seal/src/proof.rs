//! Proof that a request was made just now, by somebody who holds a shared secret.
//!
//! The proof is a header's value, `t=<milliseconds>,v1=<hex>`: when the request was made, and the HMAC-SHA256 (RFC 2104) with
//! the secret of
//!
//! ```text
//! petwalker-relay-v1 LF <path> LF <milliseconds> LF <body>
//! ```
//!
//! so that neither body nor path nor time can be exchanged. Who overhears a request can send it again for as long as it is
//! fresh, and no longer: what is asked for this way must be such that asking twice does no more than asking once.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// How far the time of a request may be from the reader's clock, either way, in milliseconds.
pub const FRESH_MS: i64 = 60_000;
/// Bytes of the shortest secret that proves anything.
pub const SECRET_BYTES_MIN: usize = 32;

/// What stands before everything else that is authenticated.
const DOMAIN: &[u8] = b"petwalker-relay-v1\n";

/// Why a proof is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It was not made with the secret, or for another request.
    #[error("it was not made with this secret for this request")]
    Wrong,
    /// It was made with the secret, too long ago or in the future.
    #[error("it was made {} s {} this clock", .off_ms.unsigned_abs() / 1_000, if *.off_ms < 0 { "before" } else { "after" })]
    NotFresh {
        /// Its time less the reader's, milliseconds.
        off_ms: i64,
    },
}

/// Checks the proof of a request for `path` with `body` at the time `now_ms`, UTC milliseconds.
///
/// # Errors
/// [`ProofError::Wrong`] also for a secret too short to prove anything, and for what is no proof at all.
pub fn check(secret: &[u8], path: &str, body: &[u8], proof: &str, now_ms: i64) -> Result<(), ProofError> {
    if secret.len() < SECRET_BYTES_MIN {
        return Err(ProofError::Wrong);
    }
    let (at, tag) = parse(proof).ok_or(ProofError::Wrong)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| ProofError::Wrong)?;
    for part in [DOMAIN, path.as_bytes(), b"\n", at.as_bytes(), b"\n", body] {
        mac.update(part);
    }
    mac.verify_slice(&tag).map_err(|_| ProofError::Wrong)?;
    let at_ms: i64 = at.parse().map_err(|_| ProofError::Wrong)?;
    let off_ms = at_ms.saturating_sub(now_ms);
    if off_ms.unsigned_abs() > FRESH_MS.unsigned_abs() {
        return Err(ProofError::NotFresh { off_ms });
    }
    Ok(())
}

/// The time as it was written, and the tag.
fn parse(proof: &str) -> Option<(&str, [u8; 32])> {
    let (at, tag) = proof.strip_prefix("t=")?.split_once(",v1=")?;
    let digits = !at.is_empty() && at.len() <= 15 && at.bytes().all(|b| b.is_ascii_digit());
    let mut bytes = [0; 32];
    hex::decode_to_slice(tag, &mut bytes).ok()?;
    digits.then_some((at, bytes))
}

#[cfg(test)]
mod tests {
    use super::{FRESH_MS, ProofError, check};
    use proptest::prelude::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const PATH: &str = "/internal/tick";
    const AT: i64 = 1_764_000_000_000;
    /// Made by another implementation: `printf 'petwalker-relay-v1\n/internal/tick\n1764000000000\nbody' | openssl dgst
    /// -sha256 -hmac 0123456789abcdef0123456789abcdef`.
    const PROOF: &str = "t=1764000000000,v1=0fefef1c90932a5f25919f5e35100962a1dc57300092b3f2bf555ae63aa6a68a";

    #[test]
    fn what_was_proven_just_now_is_accepted() {
        for off in [0, FRESH_MS, -FRESH_MS] {
            assert_eq!(check(SECRET, PATH, b"body", PROOF, AT + off), Ok(()), "{off}");
        }
    }

    #[test]
    fn an_old_request_and_one_of_the_future_are_told_by_how_much() {
        let old = check(SECRET, PATH, b"body", PROOF, AT + FRESH_MS + 1);
        assert_eq!(old, Err(ProofError::NotFresh { off_ms: -FRESH_MS - 1 }));
        let early = check(SECRET, PATH, b"body", PROOF, AT - 300_000).expect_err("refused");
        assert_eq!(early.to_string(), "it was made 300 s after this clock");
    }

    #[test]
    fn nothing_can_be_exchanged() {
        let cases: [(&[u8], &str, &[u8], &str); 8] = [
            (b"0123456789abcdef0123456789abcdeF", PATH, b"body", PROOF),
            (&SECRET[..31], PATH, b"body", PROOF),
            (b"", PATH, b"body", PROOF),
            (SECRET, "/internal/events", b"body", PROOF),
            (SECRET, PATH, b"bodY", PROOF),
            (SECRET, PATH, b"body", &PROOF.replace("t=1764", "t=1765")),
            (SECRET, PATH, b"body", &PROOF.replace("t=", "t=0")),
            (SECRET, PATH, b"body", &PROOF[..PROOF.len() - 2]),
        ];
        for (secret, path, body, proof) in cases {
            assert_eq!(check(secret, path, body, proof, AT), Err(ProofError::Wrong), "{path} {proof}");
        }
    }

    proptest! {
        /// Whatever is sent as a proof is refused, and nothing panics.
        #[test]
        fn nonsense_proves_nothing(proof in "(t=)?[0-9-]{0,25}(,v1=)?[0-9a-g]{0,70}.{0,5}", now in any::<i64>()) {
            prop_assert_eq!(check(SECRET, PATH, b"body", &proof, now), Err(ProofError::Wrong));
        }
    }
}
