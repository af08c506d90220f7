//! Sealing: what an event must carry so that another edge can go on, and what nobody may read once the person is erased.
//!
//! Each person has one key, kept with the account and nowhere else. What is sealed with it, or with a key derived from it,
//! can be read as long as the key is there: erasing the key erases it in every log, replica and backup at once, without
//! rewriting any of them ("crypto-shredding").
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): its nonces are long enough to be drawn at random. The context, such as
//! the id of what was sealed, is authenticated with it, so that a sealed text is of no use in another's place. Keys are
//! derived by HKDF-SHA256 (RFC 5869).
//!
//! Beside it, [`proof`]: how a request shows that it comes from a holder of a shared secret.

pub mod proof;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a nonce. Draw them at random, each time anew.
pub const NONCE_BYTES: usize = 24;

/// A key, of a person or derived from a person's.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SealKey([u8; KEY_BYTES]);

/// Why something sealed cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was sealed with another key or for another place, or it was changed")]
pub struct SealError;

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(..)")
    }
}

impl SealKey {
    /// The key of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The key of these 32 bytes; none for another length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// A key for one context only, from which this one cannot be worked out.
    ///
    /// # Panics
    /// Never: HKDF-SHA256 gives up to 8160 bytes, and 32 are asked for.
    #[must_use]
    pub fn derive(&self, context: &str) -> Self {
        let mut derived = [0; KEY_BYTES];
        Hkdf::<Sha256>::new(None, &self.0)
            .expand(context.as_bytes(), &mut derived)
            .expect("HKDF gives 32 bytes");
        Self(derived)
    }

    /// HMAC-SHA256 (RFC 2104) of these parts under this key: whoever lacks the key can neither make it nor try guesses
    /// against it. Each part is preceded by its length, so that no two lists of parts give the same bytes.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key");
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Seals `plain` for `context`; the nonce stands before it.
    ///
    /// # Panics
    /// Never: the cipher takes 256 GiB, more than there is of memory here.
    #[must_use]
    pub fn seal(&self, nonce: [u8; NONCE_BYTES], context: &str, plain: &[u8]) -> Vec<u8> {
        let payload = Payload { msg: plain, aad: context.as_bytes() };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).expect("the text is not that long");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Reads what was sealed for `context`.
    ///
    /// # Errors
    /// When it was sealed with another key or for another context, or was changed.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError)?;
        let payload = Payload { msg: sealed, aad: context.as_bytes() };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{NONCE_BYTES, SealError, SealKey};
    use proptest::prelude::*;

    const KEY: SealKey = SealKey::new([7; 32]);

    #[test]
    fn only_the_same_key_and_place_read_it() {
        let sealed = KEY.seal([1; NONCE_BYTES], "ride/1", b"the blue gate");
        assert_eq!(KEY.open("ride/1", &sealed).as_deref(), Ok(b"the blue gate".as_slice()));
        assert_eq!(KEY.open("ride/2", &sealed), Err(SealError));
        assert_eq!(KEY.derive("ride/1").open("ride/1", &sealed), Err(SealError));
        assert_ne!(KEY.derive("ride/1"), KEY.derive("ride/2"));
        assert!(!sealed.windows(4).any(|part| part == b"gate"));
    }

    #[test]
    fn a_mac_depends_on_the_key_and_on_where_parts_end() {
        assert_eq!(KEY.mac(&[b"a", b"bc"]), KEY.mac(&[b"a", b"bc"]));
        assert_ne!(KEY.mac(&[b"a", b"bc"]), KEY.mac(&[b"ab", b"c"]));
        assert_ne!(KEY.mac(&[b"a"]), KEY.derive("x").mac(&[b"a"]));
    }

    /// What was sealed with the first release is read for ever.
    #[test]
    fn old_bytes_are_read() {
        let sealed = KEY.derive("track/1").seal([2; NONCE_BYTES], "c", b"x");
        assert_eq!(sealed.len(), NONCE_BYTES + 1 + 16);
        assert_eq!(KEY.derive("track/1").open("c", &sealed).as_deref(), Ok(b"x".as_slice()));
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_noticed(plain in proptest::collection::vec(any::<u8>(), 0..80), at in any::<proptest::sample::Index>()) {
            let mut sealed = KEY.seal([3; NONCE_BYTES], "c", &plain);
            prop_assert_eq!(KEY.open("c", &sealed), Ok(plain));
            let at = at.index(sealed.len());
            sealed[at] ^= 1;
            prop_assert_eq!(KEY.open("c", &sealed), Err(SealError));
        }

        #[test]
        fn any_bytes_are_refused_calmly(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(KEY.open("c", &bytes), Err(SealError));
        }
    }
}
