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

/// Runs the migrations on a server that other nodes may be migrating at the same time: what another was faster with is
/// done. Counts as a write, in the table `write_sequence` that such a server's migrations make.
///
/// # Errors
/// As [`run`].
pub async fn run_shared(
    connection: &Connection,
    migrations: &[Migration],
) -> Result<Vec<String>, MigrateError> {
    let mut done = applied(connection, migrations).await?;
    loop {
        match run(connection, migrations).await {
            Err(error @ MigrateError::Failed { .. }) => {
                let now = applied(connection, migrations).await?;
                if now <= done {
                    return Err(error);
                }
                done = now;
            }
            Ok(ran) if !ran.is_empty() => {
                // Replicas look at this number alone to see that there is something new.
                let count = "UPDATE write_sequence SET seq = seq + 1 WHERE one = 1";
                connection.execute(count, ()).await.map_err(MigrateError::Record)?;
                return Ok(ran);
            }
            other => return other,
        }
    }
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
    // One by one: the client for servers writes a batch anew before it sends it, and loses a comma between table options.
    for statement in statements(&migration.sql) {
        transaction.execute(statement, ()).await?;
    }
    transaction
        .execute(
            "INSERT INTO schema_migrations (version, name, digest) VALUES (?1, ?2, ?3)",
            (migration.version, migration.name.as_str(), digest_of(migration)),
        )
        .await?;
    transaction.commit().await
}

/// The statements of a migration: split at semicolons that are not in a text, a comment or a trigger's body.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        let end = end_of_statement(rest);
        let (statement, after) = rest.split_at(end);
        rest = after;
        (!statement.is_empty()).then_some(statement)
    })
    .map(str::trim)
    .filter(|statement| !is_blank(statement))
}

/// Where the first statement ends, its semicolon included.
fn end_of_statement(sql: &str) -> usize {
    let mut words: Vec<String> = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let at = sql.len() - rest.len();
        let skip = match first {
            '-' if rest.starts_with("--") => rest.find('\n').map_or(rest.len(), |end| end + 1),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            ';' => {
                let trigger = words.first().is_some_and(|w| w == "CREATE")
                    && words.iter().take(3).any(|w| w == "TRIGGER");
                if !trigger || words.last().is_some_and(|w| w == "END") {
                    return at + 1;
                }
                1
            }
            c if c.is_ascii_alphabetic() => {
                let length =
                    rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                words.push(rest[..length].to_ascii_uppercase());
                length
            }
            c => c.len_utf8(),
        };
        rest = &rest[skip..];
    }
    sql.len()
}

/// Whether nothing but comments and semicolons is left.
fn is_blank(statement: &str) -> bool {
    statement.lines().all(|line| matches!(line.trim(), "" | ";") || line.trim_start().starts_with("--"))
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
    use super::{MigrateError, Migration, check, read_folder, run, statements};
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

    #[test]
    fn statements_are_split_where_they_end() {
        let sql = "-- a; b\nCREATE TABLE a (x TEXT DEFAULT ';'); /* ; */ CREATE INDEX i ON a (x);\n\
                   CREATE TRIGGER t BEFORE UPDATE ON a BEGIN SELECT raise(ABORT, 'no; never'); SELECT 1; END;\n\
                   INSERT INTO a VALUES ('it''s; é'); -- the end;\n";
        let found: Vec<&str> = statements(sql).collect();
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].ends_with("DEFAULT ';');") && found[1].ends_with("ON a (x);"));
        assert!(found[2].ends_with("SELECT 1; END;") && found[3].ends_with("é');"));
        assert_eq!(statements("").chain(statements(" ;\n-- x")).count(), 0);
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
