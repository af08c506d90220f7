//! Compiled components on disk, so that a second start compiles nothing.

use std::hash::{Hash, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// A folder of compiled components, named by the digest of what they were made from.
///
/// The folder belongs to the node: whoever can write to it can run native code in the node's process, so it is created
/// for the owner only.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// The name of one compiled component: digest of its sources and of the compiler's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey(String);

/// Feeds wasmtime's compatibility hash into SHA-256.
struct DigestHasher(Sha256);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

impl CacheKey {
    /// The key for a component made from `parts` and compiled by `engine`.
    #[must_use]
    pub fn new<'a>(engine: &Engine, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = DigestHasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        for part in parts {
            hasher.0.update(part.len().to_le_bytes());
            hasher.0.update(part);
        }
        Self(hex::encode(hasher.0.finalize()))
    }
}

impl Cache {
    /// Uses `folder`, creating it where it is missing.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The compiled component of that key, where there is one that this engine accepts.
    #[must_use]
    pub fn load(&self, engine: &Engine, key: &CacheKey) -> Option<Component> {
        let path = self.path(key);
        if !path.exists() {
            return None;
        }
        match load_trusted(engine, &path) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(cache.file = %path.display(), %error, "unusable compiled component: compiling again");
                None
            }
        }
    }

    /// Compiles `bytes` and keeps the result. A cache that cannot be written costs the next start time, no more.
    ///
    /// # Errors
    /// When the bytes do not compile.
    pub fn compile(&self, engine: &Engine, key: &CacheKey, bytes: &[u8]) -> wasmtime::Result<Component> {
        let compiled = engine.precompile_component(bytes)?;
        let path = self.path(key);
        if let Err(error) = self.keep(&compiled, &path) {
            tracing::warn!(cache.file = %path.display(), %error, "compiled component not kept");
            return Component::new(engine, bytes);
        }
        load_trusted(engine, &path)
    }

    /// Writes a file that is either whole or not there, whoever else writes it at the same time and wherever that ends.
    fn keep(&self, compiled: &[u8], path: &Path) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(compiled)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    fn path(&self, key: &CacheKey) -> PathBuf {
        self.folder.join(format!("{}.cwasm", key.0))
    }
}

/// The one place where trust replaces checking: the file was written by this program into a folder of its own.
#[expect(
    unsafe_code,
    reason = "deserialising compiled code is unsafe by nature; the folder is the node's own"
)]
fn load_trusted(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime asks that the file hold bytes of its own making, unmodified. Only `compile` writes into this
    // folder, which is readable and writable by the node's user alone, and the header's version is checked on load.
    unsafe { Component::deserialize_file(engine, path) }
}

#[cfg(test)]
mod tests {
    use super::{Cache, CacheKey};
    use crate::engine::{Limits, new_engine};

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn compiled_bytes_load_in_another_engine() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path()).expect("a cache");
        let first = new_engine(&Limits::default()).expect("an engine");
        let key = CacheKey::new(&first, [EMPTY]);
        assert!(cache.load(&first, &key).is_none());
        cache.compile(&first, &key, EMPTY).expect("compiles");

        let second = new_engine(&Limits::default()).expect("an engine");
        assert_eq!(CacheKey::new(&second, [EMPTY]), key);
        assert!(cache.load(&second, &key).is_some());
    }

    #[test]
    fn nodes_that_compile_the_same_at_once_do_not_disturb_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path()).expect("a cache");
        let engine = new_engine(&Limits::default()).expect("an engine");
        let key = CacheKey::new(&engine, [EMPTY]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        cache.compile(&engine, &key, EMPTY).expect("compiles");
                        assert!(cache.load(&engine, &key).is_some(), "the file is whole at any time");
                    }
                });
            }
        });
        assert_eq!(std::fs::read_dir(folder.path()).expect("read").count(), 1, "nothing is left over");
    }

    #[test]
    fn a_damaged_file_is_compiled_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path()).expect("a cache");
        let engine = new_engine(&Limits::default()).expect("an engine");
        let key = CacheKey::new(&engine, [EMPTY]);
        std::fs::write(cache.path(&key), b"garbage").expect("written");
        assert!(cache.load(&engine, &key).is_none());
        cache.compile(&engine, &key, EMPTY).expect("compiles");
        assert!(cache.load(&engine, &key).is_some());
    }
}
