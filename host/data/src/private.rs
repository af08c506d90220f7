//! Files and folders that the node's user alone may read, whatever the umask.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Rights of everybody but the owner.
const OTHERS: u32 = 0o077;

/// Makes a folder, and those that lead to it, with the mode 0700. A folder that is there keeps its mode: see [`narrow`].
///
/// # Errors
/// When it cannot be made.
pub fn create_folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes an empty file with the mode 0600 where there is none; SQLite gives its log and its index the mode of their
/// database. One that is there, and its log and index, lose the rights of others.
///
/// # Errors
/// When it cannot be made or changed.
pub fn create_file(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            for suffix in ["", "-wal", "-shm"] {
                let mut name = path.as_os_str().to_owned();
                name.push(suffix);
                narrow_one(Path::new(&name))?;
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Takes the rights of others away from a folder and everything in it, but not in the folders `except` directly under it; how many entries had any.
///
/// # Errors
/// When an entry cannot be read or changed.
pub fn narrow(folder: &Path, except: &[&Path]) -> std::io::Result<u64> {
    let mut narrowed = u64::from(narrow_one(folder)?);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_gone(&error) => return Ok(narrowed),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let passed_over = except.iter().any(|name| name.as_os_str() == entry.file_name());
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        if kind.is_dir() && !passed_over {
            narrowed += narrow(&entry.path(), &[])?;
        } else if kind.is_dir() || kind.is_file() {
            narrowed += u64::from(narrow_one(&entry.path())?);
        }
    }
    Ok(narrowed)
}

/// Takes the rights of others away; whether there were any. Nothing is there to be done for what is gone.
fn narrow_one(path: &Path) -> std::io::Result<bool> {
    let mode = match std::fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode(),
        Err(error) if is_gone(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    if mode & OTHERS == 0 {
        return Ok(false);
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 & !OTHERS))?;
    Ok(true)
}

fn is_gone(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use super::{create_file, create_folder, narrow};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    fn widen(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("changed");
    }

    #[test]
    fn what_is_made_is_for_its_owner_alone_and_what_was_wider_is_narrowed() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("data/regions");
        create_folder(&folder).expect("made");
        assert_eq!((mode(&folder), mode(folder.parent().expect("data"))), (0o700, 0o700));
        let file = folder.join("a.db");
        create_file(&file).expect("made");
        assert_eq!(mode(&file), 0o600);

        let log = folder.join("a.db-wal");
        std::fs::write(&log, "x").expect("written");
        for path in [&file, &log] {
            widen(path, 0o664);
        }
        create_file(&file).expect("narrowed");
        assert_eq!((mode(&file), mode(&log)), (0o600, 0o600));

        let data = root.path().join("data");
        let cache = data.join("cache");
        create_folder(&cache).expect("made");
        std::fs::write(cache.join("b"), "x").expect("written");
        widen(&cache.join("b"), 0o644);
        for path in [&data, &folder, &cache] {
            widen(path, 0o755);
        }
        widen(&file, 0o644);
        assert_eq!(narrow(&data, &[Path::new("cache")]).expect("narrowed"), 4);
        assert_eq!((mode(&data), mode(&folder), mode(&file), mode(&cache)), (0o700, 0o700, 0o600, 0o700));
        assert_eq!(mode(&cache.join("b")), 0o644, "what nobody else can reach is left as it is");
        assert_eq!(narrow(&data, &[Path::new("cache")]).expect("nothing to do"), 0);
    }
}
