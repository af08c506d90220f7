//! A node that cannot start says why.

use edge_node::Node;
use petwalker_tests::config;

async fn refusal(change: impl FnOnce(&mut edge_node::Config)) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = config(folder.path());
    change(&mut config);
    match Node::start(&config).await {
        Ok(_) => panic!("the node started"),
        Err(error) => format!("{error:#}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_names_what_and_where() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let message = refusal(|c| c.listen.public = address).await;
    assert!(message.contains(&address.to_string()) && message.contains("another"), "{message}");

    let message = refusal(|c| c.node.manifest = "/nowhere/spin.toml".into()).await;
    assert!(message.contains("/nowhere/spin.toml"), "{message}");

    let message =
        refusal(|c| std::fs::write(c.node.data.join("region.db"), "not a database").expect("written")).await;
    assert!(message.contains("region.db"), "{message}");

    let message =
        refusal(|c| c.databases.0.get_mut("region").expect("there").migrations = "db-schema/nowhere".into())
            .await;
    assert!(message.contains("db-schema/nowhere"), "{message}");

    let message = refusal(|c| c.internal.events_database = "nowhere".to_owned()).await;
    assert!(message.contains("internal.events_database") && message.contains("nowhere"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_half_migrated_or_newer_database_is_refused() {
    for (statements, expected) in [
        ("CREATE TABLE theirs (x);", "not made by this program"),
        (
            "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT, digest TEXT);\
             INSERT INTO schema_migrations VALUES (1, '0001_foundation.sql', 'other');",
            "was changed after it ran",
        ),
        (
            "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT, digest TEXT);\
             WITH RECURSIVE n (v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < 1000)\
             INSERT INTO schema_migrations SELECT v, 'm', 'd' FROM n;",
            "install the newer release",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("region.db");
        let connection =
            libsql::Builder::new_local(&file).build().await.expect("built").connect().expect("connected");
        connection.execute_batch(statements).await.expect("ran");
        drop(connection);
        let error = Node::start(&config(folder.path())).await.err().expect("refused");
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_regions_data_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = config(folder.path());
    Node::start(&config).await.expect("starts").stop().await;
    config.node.region = "rio".to_owned();
    let error = Node::start(&config).await.err().expect("refused");
    assert!(error.to_string().contains("holds region 'sao-paulo-centro'"), "{error}");
}
