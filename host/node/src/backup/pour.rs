//! Filling an empty primary with a copy.

use anyhow::Context as _;
use edge_data::LocalDatabase;
use libsql::{Connection, Value};

/// Values in one statement. The server takes no more than 32766.
const VALUES_MAX: usize = 2_000;
/// Bytes of texts and blobs in one statement.
const BYTES_MAX: usize = 1 << 20;

/// An object of a schema, as it was made.
struct Object {
    kind: String,
    name: String,
    sql: String,
}

/// That a primary has no tables: what is there is not written over.
pub(super) async fn ensure_empty(primary: &Connection) -> anyhow::Result<()> {
    let objects = objects(primary).await.context("the primary does not answer")?;
    let tables: Vec<&str> =
        objects.iter().filter(|object| object.kind == "table").map(|object| object.name.as_str()).collect();
    anyhow::ensure!(
        tables.is_empty(),
        "the primary has tables ({}…) and is not written over: give it an empty database first",
        tables.iter().take(3).copied().collect::<Vec<_>>().join(", ")
    );
    Ok(())
}

/// Makes the schema of `copy` and its rows in an empty primary. Where it breaks off, the primary is to be emptied again.
pub(super) async fn pour(copy: &LocalDatabase, primary: &Connection) -> anyhow::Result<u64> {
    let source = copy.connect().await?;
    let objects = objects(&source).await?;
    let (tables, others): (Vec<_>, Vec<_>) = objects.into_iter().partition(|object| object.kind == "table");
    let mut rows = 0;
    // Tables were made in an order in which each knows those it refers to.
    for table in &tables {
        primary.execute(&table.sql, ()).await.with_context(|| format!("table '{}'", table.name))?;
        rows += pour_table(&source, primary, &table.name)
            .await
            .with_context(|| format!("the rows of '{}'", table.name))?;
    }
    // Indexes and triggers at the end: rows that were right once are not to be judged again.
    for object in &others {
        primary
            .execute(&object.sql, ())
            .await
            .with_context(|| format!("{} '{}'", object.kind, object.name))?;
    }
    Ok(rows)
}

async fn pour_table(source: &Connection, primary: &Connection, table: &str) -> anyhow::Result<u64> {
    let quoted = quoted(table);
    let mut rows = source.query(&format!("SELECT * FROM {quoted}"), ()).await?;
    let columns = usize::try_from(rows.column_count())?;
    let (mut values, mut bytes, mut poured) = (Vec::new(), 0, 0);
    while let Some(row) = rows.next().await? {
        for column in 0..rows.column_count() {
            let value = row.get_value(column)?;
            bytes += length(&value);
            values.push(value);
        }
        if values.len() + columns > VALUES_MAX || bytes > BYTES_MAX {
            poured += insert(primary, &quoted, columns, std::mem::take(&mut values)).await?;
            bytes = 0;
        }
    }
    poured += insert(primary, &quoted, columns, values).await?;
    let mut count = primary.query(&format!("SELECT count(*) FROM {quoted}"), ()).await?;
    let found: u64 = count.next().await?.context("no count")?.get(0)?;
    anyhow::ensure!(found == poured, "{found} rows are there of {poured}");
    Ok(poured)
}

async fn insert(
    primary: &Connection,
    table: &str,
    columns: usize,
    values: Vec<Value>,
) -> anyhow::Result<u64> {
    let rows = values.len() / columns.max(1);
    if rows == 0 {
        return Ok(0);
    }
    let row = format!("({})", vec!["?"; columns].join(", "));
    let sql = format!("INSERT INTO {table} VALUES {}", vec![row; rows].join(", "));
    Ok(primary.execute(&sql, values).await?)
}

fn length(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(blob) => blob.len(),
        Value::Null | Value::Integer(_) | Value::Real(_) => 0,
    }
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Everything that migrations made, in the order in which they did. What SQLite and libSQL keep for themselves is theirs.
async fn objects(connection: &Connection) -> anyhow::Result<Vec<Object>> {
    let sql = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
               AND name NOT LIKE 'libsql\\_%' ESCAPE '\\' ORDER BY rowid";
    let mut rows = connection.query(sql, ()).await?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().await? {
        found.push(Object { kind: row.get(0)?, name: row.get(1)?, sql: row.get(2)? });
    }
    Ok(found)
}
