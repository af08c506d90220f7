//! How a request to an application elsewhere shows that it comes from its relay: the header `edge-relay`.
//!
//! `t=<milliseconds>,v1=<hex>`, the second being the HMAC-SHA256 (RFC 2104) with the shared secret of
//! `petwalker-relay-v1 LF <path> LF <milliseconds> LF <body>`. The components check it (`components/seal/src/proof.rs`); both
//! sides are held to the same example.

use hmac::digest::InvalidLength;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The header that carries it.
pub(super) const HEADER: &str = "edge-relay";

/// Makes proofs.
pub(super) struct Prover(Hmac<Sha256>);

impl Prover {
    pub(super) fn new(secret: &[u8]) -> Result<Self, InvalidLength> {
        Hmac::new_from_slice(secret).map(Self)
    }

    /// The header's value for a request made at `at_ms`.
    pub(super) fn prove(&self, path: &str, body: &[u8], at_ms: i64) -> String {
        let mut mac = self.0.clone();
        for part in
            [b"petwalker-relay-v1\n", path.as_bytes(), b"\n", at_ms.to_string().as_bytes(), b"\n", body]
        {
            mac.update(part);
        }
        format!("t={at_ms},v1={}", hex::encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::Prover;

    /// The same example stands in `components/seal/src/proof.rs`, from OpenSSL.
    #[test]
    fn it_is_what_components_check() {
        let prover = Prover::new(b"0123456789abcdef0123456789abcdef").expect("a key");
        assert_eq!(
            prover.prove("/internal/tick", b"body", 1_764_000_000_000),
            "t=1764000000000,v1=0fefef1c90932a5f25919f5e35100962a1dc57300092b3f2bf555ae63aa6a68a"
        );
    }
}
