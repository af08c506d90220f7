//! The pool on real files.

use super::{LocalDatabase, PoolOptions};
use edge_runtime::storage::{SqlDatabase as _, SqlError, SqlValue};
use std::time::Duration;

async fn database(options: PoolOptions) -> (tempfile::TempDir, LocalDatabase) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = LocalDatabase::open(&folder.path().join("t.db"), options).await.expect("opens");
    let mut connection = database.open();
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)", vec![]).await.expect("created");
    (folder, database)
}

async fn count(database: &LocalDatabase) -> i64 {
    let mut connection = database.open();
    match connection.execute("SELECT count(*) FROM t", vec![]).await.expect("counted").rows[0][0] {
        SqlValue::Integer(n) => n,
        _ => panic!("a count is an integer"),
    }
}

#[tokio::test]
async fn what_is_not_committed_is_rolled_back() {
    let (_folder, database) = database(PoolOptions::default()).await;
    {
        let mut connection = database.open();
        connection.execute("BEGIN IMMEDIATE", vec![]).await.expect("begun");
        connection
            .execute("INSERT INTO t (b) VALUES (?1)", vec![SqlValue::Text("x".into())])
            .await
            .expect("in");
        assert_eq!((connection.changes(), connection.last_insert_rowid()), (1, 1));
    }
    assert_eq!(count(&database).await, 0);
}

#[tokio::test]
async fn writers_take_turns() {
    let (_folder, database) = database(PoolOptions::default()).await;
    let writers = (0..8).map(|_| {
        let database = database.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                let mut connection = database.open();
                connection.execute("BEGIN IMMEDIATE", vec![]).await.expect("begun");
                connection.execute("INSERT INTO t (b) VALUES ('x')", vec![]).await.expect("inserted");
                tokio::task::yield_now().await;
                connection.execute("COMMIT", vec![]).await.expect("committed");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("no panic");
    }
    assert_eq!(count(&database).await, 160);
}

/// What a burst of connections took is given back.
#[tokio::test]
async fn connections_that_nobody_uses_are_closed() {
    let options = PoolOptions { idle_timeout: Duration::from_millis(50), ..PoolOptions::default() };
    let (_folder, database) = database(options).await;
    let mut burst: Vec<_> = (0..20).map(|_| database.open()).collect();
    for connection in &mut burst {
        connection.execute("SELECT 1", vec![]).await.expect("read");
    }
    drop(burst);
    assert_eq!(database.0.idle().len(), 20);
    let began = std::time::Instant::now();
    while database.0.idle().len() > 1 {
        assert!(began.elapsed() < Duration::from_secs(10), "{} are open", database.0.idle().len());
        assert_eq!(count(&database).await, 0);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_was_removed_is_in_no_file_once_the_log_was_emptied() {
    let (folder, database) = database(PoolOptions::default()).await;
    let secret = "the blue gate at Rua das Flores 4";
    let holds = || {
        let files = std::fs::read_dir(folder.path()).expect("a folder");
        let files = files.map(|entry| std::fs::read(entry.expect("an entry").path()).expect("read"));
        files.filter(|bytes| bytes.windows(secret.len()).any(|part| part == secret.as_bytes())).count()
    };
    let mut connection = database.open();
    let insert = "INSERT INTO t (b) VALUES (?1)";
    connection.execute(insert, vec![SqlValue::Text(secret.to_owned())]).await.expect("inserted");
    assert!(database.empty_log().await.expect("emptied"));
    assert_eq!(holds(), 1);
    connection.execute("DELETE FROM t", vec![]).await.expect("removed");
    assert!(database.empty_log().await.expect("emptied"));
    assert_eq!(holds(), 0);
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        use std::os::unix::fs::PermissionsExt as _;
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn other_files_and_pragmas_are_out_of_reach() {
    let (folder, database) = database(PoolOptions::default()).await;
    let mut connection = database.open();
    let other = folder.path().join("other.db").display().to_string();
    for sql in [
        format!("ATTACH '{other}' AS o"),
        "PRAGMA synchronous = OFF".to_owned(),
        format!("VACUUM INTO '{other}'"),
    ] {
        assert!(matches!(connection.execute(&sql, vec![]).await, Err(SqlError::Failed(_))), "{sql}");
    }
    assert!(!folder.path().join("other.db").exists());
}

#[tokio::test]
async fn limits_hold() {
    let options = PoolOptions {
        statement_timeout: Duration::from_millis(100),
        open_timeout: Duration::from_millis(50),
        connections_max: 1,
        result_bytes_max: 1000,
        ..PoolOptions::default()
    };
    let (_folder, database) = database(options).await;
    let mut connection = database.open();
    connection.execute("SELECT 1", vec![]).await.expect("the only connection");
    let waited = database.open().execute("SELECT 1", vec![]).await;
    assert!(matches!(waited.err(), Some(SqlError::Exhausted(1))));
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let interrupted = connection.execute(endless, vec![]).await.expect_err("interrupted");
    assert!(interrupted.to_string().contains("interrupted"), "{interrupted}");
    let large = connection.execute("SELECT zeroblob(2000)", vec![]).await.expect_err("too large");
    assert!(large.to_string().contains("larger than 1000"), "{large}");
    let count = connection.execute("SELECT ?1", vec![]).await.expect_err("one parameter is missing");
    assert!(count.to_string().contains("takes 1 parameters"), "{count}");
    assert!(connection.execute("SELECT 1", vec![]).await.is_ok());
}

#[tokio::test]
async fn a_read_sees_what_was_committed_before_it() {
    let (folder, database) = database(PoolOptions::default()).await;
    let (mut reader, mut writer) = (database.open(), database.open());
    let mut seen =
        async || match reader.execute("SELECT count(*) FROM t", vec![]).await.expect("read").rows[0][0] {
            SqlValue::Integer(n) => n,
            _ => panic!("a count is an integer"),
        };
    for expected in 0..5 {
        assert_eq!(seen().await, expected);
        assert_eq!(seen().await, expected);
        writer.execute("BEGIN IMMEDIATE", vec![]).await.expect("begun");
        writer.execute("INSERT INTO t (b) VALUES ('x')", vec![]).await.expect("inserted");
        assert_eq!(seen().await, expected, "not committed yet");
        writer.execute("COMMIT", vec![]).await.expect("committed");
    }
    // Another process tells nobody: it is seen when the snapshot is too old.
    let other = libsql::Builder::new_local(folder.path().join("t.db")).build().await.expect("opens");
    other.connect().expect("connects").execute("DELETE FROM t", ()).await.expect("deleted");
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while seen().await != 0 {
        assert!(std::time::Instant::now() < deadline, "never seen");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn snapshots_do_not_keep_the_log_from_starting_over() {
    let (folder, database) = database(PoolOptions::default()).await;
    for _ in 0..400 {
        let (mut first, mut second, mut writer) = (database.open(), database.open(), database.open());
        first.execute("SELECT count(*) FROM t", vec![]).await.expect("read");
        second.execute("SELECT count(*) FROM t", vec![]).await.expect("read");
        drop((first, second));
        writer.execute("INSERT INTO t (b) VALUES (zeroblob(20000))", vec![]).await.expect("inserted");
    }
    let log = std::fs::metadata(folder.path().join("t.db-wal")).expect("there").len();
    assert!(log < 6_000_000, "8 MB were written and the log holds {log} bytes");
}

#[tokio::test]
async fn nothing_is_committed_behind_a_closed_gate() {
    let (folder, database) = database(PoolOptions::default()).await;
    let gate = database.gate().clone();
    let mut connection = database.open();
    let mut run = async |sql: &str| connection.execute(sql, vec![]).await.map(drop).is_ok();
    assert!(run("BEGIN IMMEDIATE").await && run("INSERT INTO t (b) VALUES ('x')").await);
    // The right to write ends while the transaction is open.
    gate.open_until(std::time::Instant::now());
    assert!(!run("COMMIT").await, "a commit went through");
    assert!(!run("INSERT INTO t (b) VALUES ('x')").await && !run("BEGIN IMMEDIATE").await);
    assert!(run("SELECT * FROM t").await, "reads need no right");
    gate.open();
    assert_eq!(count(&database).await, 0);
    assert!(run("INSERT INTO t (b) VALUES ('x')").await);
    let copy = folder.path().join("copy.db");
    database.copy_to(&copy).await.expect("copied");
    assert_eq!(count(&LocalDatabase::open(&copy, PoolOptions::default()).await.expect("opens")).await, 1);
    assert!(database.copy_to(&copy).await.is_err(), "a copy replaced a file");
}
