//! Values that a node makes for itself at its first start.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use edge_data::private;

/// 32 random bytes as hexadecimal text.
pub(crate) fn random() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).context("the operating system gives no random bytes")?;
    Ok(hex::encode(bytes))
}

/// The value kept under `name` in the data folder, made where there is none. Readable by the node's user only.
pub(crate) fn kept(data: &Path, name: &str) -> anyhow::Result<String> {
    let folder = data.join("secrets");
    private::create_folder(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(name);
    match std::fs::read_to_string(&path) {
        Ok(value) if value.len() == 64 => return Ok(value),
        Ok(_) => anyhow::bail!("{} is damaged: restore it from a backup", path.display()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
    let value = random()?;
    write_private(&path, value.as_bytes())?;
    Ok(value)
}

/// Keeps `value` under `name` in the data folder, where nothing is kept under it yet: several nodes can have one in common.
pub(crate) fn share(data: &Path, name: &str, value: &str) -> anyhow::Result<()> {
    let folder = data.join("secrets");
    private::create_folder(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(name);
    if path.exists() { Ok(()) } else { write_private(&path, value.as_bytes()) }
}

/// Writes a file that the node's user alone may read.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let temporary = path.with_extension("tmp");
    let write = || {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn a_secret_is_made_once_and_a_damaged_one_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = kept(folder.path(), "a").expect("made");
        assert_eq!(kept(folder.path(), "a").expect("kept"), first);
        assert_ne!(kept(folder.path(), "b").expect("made"), first);
        std::fs::write(folder.path().join("secrets/a"), "short").expect("written");
        assert!(kept(folder.path(), "a").expect_err("refused").to_string().contains("damaged"));
    }
}
