//! What a file holds of a region.

use std::path::Path;

/// What the events make, by view, and the log's last digest: byte for byte what a region's file holds.
pub async fn holdings(file: &Path) -> Vec<(String, Vec<String>)> {
    let path = file.to_str().expect("UTF-8");
    let connection =
        libsql::Builder::new_local(path).build().await.expect("built").connect().expect("connected");
    let mut rows = connection
        .query(
            "SELECT name FROM sqlite_schema WHERE type = 'view' AND name LIKE 'replicated_%' ORDER BY 1",
            (),
        )
        .await
        .expect("views");
    let mut names = vec!["(SELECT seq, hex(digest) FROM events)".to_owned()];
    while let Some(row) = rows.next().await.expect("a row") {
        names.push(row.get::<String>(0).expect("a name"));
    }
    assert!(names.len() >= 7, "{names:?}");
    let mut all = Vec::new();
    for name in names {
        let mut rows =
            connection.query(&format!("SELECT * FROM {name} ORDER BY 1, 2"), ()).await.expect("read");
        let mut found = Vec::new();
        while let Some(row) = rows.next().await.expect("a row") {
            let values = (0..row.column_count()).map(|column| row.get_value(column).expect("a value"));
            found.push(format!("{:?}", values.collect::<Vec<_>>()));
        }
        all.push((name, found));
    }
    all
}
