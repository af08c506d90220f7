//! The database schema: migrations and their sum.

use edge_data::migrate;
use petwalker_tests::root;

async fn memory() -> libsql::Connection {
    libsql::Builder::new_local(":memory:").build().await.expect("built").connect().expect("connected")
}

async fn tables(connection: &libsql::Connection) -> Vec<String> {
    let sql =
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'schema_migrations' ORDER BY name";
    let mut rows = connection.query(sql, ()).await.expect("a query");
    let mut all = Vec::new();
    while let Some(row) = rows.next().await.expect("a row") {
        all.push(row.get::<String>(0).expect("text"));
    }
    all
}

#[tokio::test]
async fn the_committed_schema_is_the_sum_of_the_migrations() {
    for label in ["region", "global"] {
        let folder = root().join("db-schema").join(label);
        let migrated = memory().await;
        let ran =
            migrate::run(&migrated, &migrate::read_folder(&folder).expect("read")).await.expect("migrated");
        assert!(ran.len() >= 3, "{label}: {ran:?}");
        let summed = memory().await;
        let schema = std::fs::read_to_string(folder.join("schema.sql")).expect("schema.sql");
        summed.execute_batch(&schema).await.expect("runs");
        assert_eq!(tables(&migrated).await, tables(&summed).await, "{label}");
    }
}

#[tokio::test]
async fn the_database_itself_guards_the_log_and_the_ledger() {
    let region = memory().await;
    let schema = |label: &str| {
        std::fs::read_to_string(root().join(format!("db-schema/{label}/schema.sql"))).expect("schema.sql")
    };
    region.execute_batch(&schema("region")).await.expect("runs");
    let event = "INSERT INTO events VALUES (?1, 't', 's', x'00', zeroblob(32))";
    region.execute(event, [1]).await.expect("the first");
    for bad in [1, 3] {
        assert!(region.execute(event, [bad]).await.is_err(), "event {bad} was taken");
    }
    assert!(region.execute("UPDATE events SET type = 'x'", ()).await.is_err());
    assert!(region.execute("DELETE FROM events", ()).await.is_err());

    let global = memory().await;
    global.execute("PRAGMA foreign_keys = ON", ()).await.ok();
    global.execute_batch(&schema("global")).await.expect("runs");
    global
        .execute_batch("INSERT INTO ledger_accounts VALUES ('a', 'BRL'), ('b', 'BRL'), ('c', 'EUR');")
        .await
        .expect("in");
    let transfer = |id: &str, debit: &str, credit: &str, amount: i64| {
        format!(
            "INSERT INTO ledger_transfers VALUES ('{id}', '{debit}', '{credit}', {amount}, 'BRL', 'r', 'i', 0)"
        )
    };
    global.execute(&transfer("1", "a", "b", 5), ()).await.expect("a transfer");
    for bad in [
        transfer("2", "a", "a", 5),
        transfer("3", "a", "b", 0),
        transfer("4", "a", "b", -5),
        transfer("5", "a", "c", 5),
    ] {
        assert!(global.execute(&bad, ()).await.is_err(), "{bad}");
    }
    assert!(global.execute("UPDATE ledger_transfers SET amount_minor = 6", ()).await.is_err());
    assert!(global.execute("DELETE FROM ledger_transfers", ()).await.is_err());
}
