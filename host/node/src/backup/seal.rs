//! Sealing what leaves the machine: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with a key that stays.

use std::path::Path;

use anyhow::Context as _;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// Bytes of a nonce, which stands before what was sealed with it.
const NONCE_BYTES: usize = 24;

/// A backup's key.
pub struct Key(XChaCha20Poly1305);

impl Key {
    /// The key in a file: 64 hexadecimal digits.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the backup's key from {}", file.display()))?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).with_context(|| {
            format!(
                "{} is no key: it must hold 64 hexadecimal digits ('openssl rand -hex 32')",
                file.display()
            )
        })?;
        Ok(Self(XChaCha20Poly1305::new(&bytes.into())))
    }

    /// Seals a part for its place in its backup.
    pub(super) fn seal(&self, place: &str, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).context("the operating system gives no random bytes")?;
        let payload = Payload { msg: bytes, aad: place.as_bytes() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).ok().context("a part cannot be sealed")?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens a part.
    pub(super) fn open(&self, place: &str, sealed: &[u8]) -> anyhow::Result<Vec<u8>> {
        let wrong = || format!("{place} was sealed with another key, or was changed");
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().with_context(wrong)?;
        let payload = Payload { msg: sealed, aad: place.as_bytes() };
        self.0.decrypt(&XNonce::from(*nonce), payload).ok().with_context(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn a_part_opens_in_its_place_and_with_its_key_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = |text: &str| {
            std::fs::write(folder.path().join("key"), text).expect("written");
            Key::read(&folder.path().join("key"))
        };
        let ours = key(&"1f".repeat(32)).expect("a key");
        let sealed = ours.seal("a/global.000", b"something").expect("sealed");
        assert_eq!(ours.open("a/global.000", &sealed).expect("opened"), b"something");
        assert!(ours.open("b/global.000", &sealed).is_err());
        assert!(ours.open("a/global.000", &sealed[..20]).is_err());
        assert!(key(&"2f".repeat(32)).expect("a key").open("a/global.000", &sealed).is_err());
        assert!(key("short").is_err());
    }
}
