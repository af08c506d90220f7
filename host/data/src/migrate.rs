//! Numbered, forward-only migrations.
//!
//! A folder holds `NNNN_name.sql`, numbered from 0001 without a gap. Each runs once, in a transaction of its own, and
//! leaves a row with the digest of its text: a file that was edited after it ran is an error, not a surprise.

use std::path::{Path, PathBuf};

use libsql::Connection;
use sha2::{Digest, Sha256};

/// One migration.
#[derive(Clone, Debug)]
pub struct Migration {
    /// Its number, from 1.
    pub version: i64,
    /// Its file's name.
    pub name: String,
    /// Its text.
    pub sql: String,
}

/// Why a database could not be brought to its schema.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The folder or a file cannot be read.
    #[error("cannot read migrations from {path}")]
    Read {
        /// Folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file's name is not `NNNN_name.sql`, or its number is not the next.
    #[error("{path}: migrations are numbered from 0001 without a gap; expected {expected:04}_….sql")]
    Numbering {
        /// The file.
        path: PathBuf,
        /// The number that should come here.
        expected: i64,
    },
    /// The database has tables and no record of migrations.
    #[error("the database has tables but no record of migrations: it was not made by this program")]
    Foreign,
    /// The database is newer than the software.
    #[error(
        "the database is at migration {found:04} and this software knows {known:04}: install the newer release"
    )]
    Newer {
        /// What the database has.
        found: i64,
        /// What the folder has.
        known: i64,
    },
    /// A migration that ran differs from the file.
    #[error(
        "migration {name} was changed after it ran: restore the file, and put the change in a new migration"
    )]
    Changed {
        /// The migration.
        name: String,
    },
    /// Migrations are missing and may not be run here.
    #[error("the database is at migration {found:04} of {known:04}: run 'cargo edge migrate'")]
    Behind {
        /// What the database has.
        found: i64,
        /// What the folder has.
        known: i64,
    },
    /// A migration failed; the database is as it was before it.
    #[error("migration {name} failed and was rolled back")]
    Failed {
        /// The migration.
        name: String,
        /// Why.
        #[source]
        source: libsql::Error,
    },
    /// The record of migrations cannot be read or written.
    #[error("cannot read the record of migrations")]
    Record(#[source] libsql::Error),
}

/// Reads the migrations of a folder, in order. Files that do not end in `.sql`, and `schema.sql`, are passed over.
///
/// # Errors
/// When a file cannot be read or its number is not the next.
pub fn read_folder(folder: &Path) -> Result<Vec<Migration>, MigrateError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| MigrateError::Read { path, source }
    };
    let mut files = std::fs::read_dir(folder)
        .map_err(read(folder))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(read(folder))?;
    files.retain(|f| {
        f.extension().is_some_and(|e| e == "sql") && f.file_name().is_some_and(|n| n != "schema.sql")
    });
    files.sort();
    let mut migrations = Vec::new();
    for (expected, path) in (1..).zip(files) {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let number =
            name.split_once('_').filter(|(n, _)| n.len() == 4).and_then(|(n, _)| n.parse::<i64>().ok());
        if number != Some(expected) {
            return Err(MigrateError::Numbering { path, expected });
        }
        let sql = std::fs::read_to_string(&path).map_err(read(&path))?;
        migrations.push(Migration { version: expected, name, sql });
    }
    Ok(migrations)
}

/// Runs the migrations that the database lacks and returns their names.
///
/// # Errors
/// When the database is not one of ours, is newer, or a migration fails; each leaves it as it was.
pub async fn run(connection: &Connection, migrations: &[Migration]) -> Result<Vec<String>, MigrateError> {
    let done = applied(connection, migrations).await?;
    if done == 0 {
        connection
            .execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations (\
                 version INTEGER PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL) STRICT",
                (),
            )
            .await
            .map_err(MigrateError::Record)?;
    }
    let mut names = Vec::new();
    for migration in migrations.iter().filter(|m| m.version > done) {
        apply(connection, migration)
            .await
            .map_err(|source| MigrateError::Failed { name: migration.name.clone(), source })?;
        names.push(migration.name.clone());
    }
    Ok(names)
}

/// Checks that the database has every migration, without changing it.
///
/// # Errors
/// When it has not, or is not one of ours.
pub async fn check(connection: &Connection, migrations: &[Migration]) -> Result<(), MigrateError> {
    let found = applied(connection, migrations).await?;
    let known = newest(migrations);
    if found < known { Err(MigrateError::Behind { found, known }) } else { Ok(()) }
}

/// The newest migration that the database has, 0 for none.
async fn applied(connection: &Connection, migrations: &[Migration]) -> Result<i64, MigrateError> {
    let tables = strings(connection, "SELECT name, '' FROM sqlite_schema WHERE type = 'table'").await?;
    if !tables.iter().any(|(name, _)| name == "schema_migrations") {
        let foreign =
            tables.iter().any(|(name, _)| !name.starts_with("sqlite_") && !name.starts_with("libsql_"));
        return if foreign { Err(MigrateError::Foreign) } else { Ok(0) };
    }
    let rows = strings(connection, "SELECT name, digest FROM schema_migrations ORDER BY version").await?;
    let found = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    if found > newest(migrations) {
        return Err(MigrateError::Newer { found, known: newest(migrations) });
    }
    for ((name, digest), migration) in rows.iter().zip(migrations) {
        if *digest != digest_of(migration) {
            return Err(MigrateError::Changed { name: name.clone() });
        }
    }
    Ok(found)
}

fn newest(migrations: &[Migration]) -> i64 {
    migrations.last().map_or(0, |m| m.version)
}

async fn apply(connection: &Connection, migration: &Migration) -> Result<(), libsql::Error> {
    let transaction = connection.transaction().await?;
    transaction.execute_batch(&migration.sql).await?;
    transaction
        .execute(
            "INSERT INTO schema_migrations (version, name, digest) VALUES (?1, ?2, ?3)",
            (migration.version, migration.name.as_str(), digest_of(migration)),
        )
        .await?;
    transaction.commit().await
}

fn digest_of(migration: &Migration) -> String {
    hex::encode(Sha256::digest(migration.sql.as_bytes()))
}

async fn strings(connection: &Connection, sql: &str) -> Result<Vec<(String, String)>, MigrateError> {
    let mut rows = connection.query(sql, ()).await.map_err(MigrateError::Record)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().await.map_err(MigrateError::Record)? {
        let text = |i| row.get::<String>(i).map_err(MigrateError::Record);
        found.push((text(0)?, text(1)?));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{MigrateError, Migration, check, read_folder, run};
    use libsql::Connection;

    fn migration(version: i64, sql: &str) -> Migration {
        Migration { version, name: format!("{version:04}_m.sql"), sql: sql.to_owned() }
    }

    async fn memory() -> Connection {
        libsql::Builder::new_local(":memory:").build().await.expect("built").connect().expect("connected")
    }

    #[tokio::test]
    async fn each_runs_once_and_in_order() {
        let connection = memory().await;
        let all =
            [migration(1, "CREATE TABLE a (x);"), migration(2, "CREATE TABLE b (y); CREATE TABLE c (z);")];
        assert!(matches!(check(&connection, &all).await, Err(MigrateError::Behind { found: 0, known: 2 })));
        assert_eq!(run(&connection, &all[..1]).await.expect("ran"), ["0001_m.sql"]);
        assert_eq!(run(&connection, &all).await.expect("ran"), ["0002_m.sql"]);
        assert!(run(&connection, &all).await.expect("ran").is_empty());
        check(&connection, &all).await.expect("complete");
        assert!(matches!(run(&connection, &all[..1]).await, Err(MigrateError::Newer { found: 2, known: 1 })));
    }

    #[tokio::test]
    async fn a_failure_changes_nothing() {
        let connection = memory().await;
        let all = [migration(1, "CREATE TABLE a (x); CREATE TABLE a (x);")];
        assert!(matches!(run(&connection, &all).await, Err(MigrateError::Failed { .. })));
        assert_eq!(run(&connection, &[migration(1, "CREATE TABLE a (x);")]).await.expect("ran").len(), 1);
    }

    #[tokio::test]
    async fn foreign_and_edited_databases_are_refused() {
        let connection = memory().await;
        connection.execute("CREATE TABLE theirs (x)", ()).await.expect("created");
        assert!(matches!(run(&connection, &[]).await, Err(MigrateError::Foreign)));

        let connection = memory().await;
        run(&connection, &[migration(1, "CREATE TABLE a (x);")]).await.expect("ran");
        let edited = [migration(1, "CREATE TABLE a (x, y);")];
        assert!(matches!(run(&connection, &edited).await, Err(MigrateError::Changed { .. })));
    }

    #[test]
    fn folders_are_read_in_order_without_gaps() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["0001_a.sql", "0002_b.sql", "schema.sql", "README.md"] {
            std::fs::write(folder.path().join(name), "SELECT 1;").expect("written");
        }
        assert_eq!(read_folder(folder.path()).expect("read").len(), 2);
        std::fs::write(folder.path().join("0004_d.sql"), "").expect("written");
        assert!(matches!(read_folder(folder.path()), Err(MigrateError::Numbering { expected: 3, .. })));
    }
}
