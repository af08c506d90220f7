//! Key-value stores in a libSQL file, one table for all labels.

use edge_runtime::storage::{KeyValueStore, Pending, SqlDatabase as _, SqlError, SqlValue};

use crate::local::LocalDatabase;

/// The store of one label.
#[derive(Clone)]
pub struct LocalKeyValue {
    database: LocalDatabase,
    label: String,
}

impl LocalKeyValue {
    /// The store of `label` in `database`, creating its table where it is missing.
    ///
    /// # Errors
    /// When the table cannot be made.
    pub async fn open(database: LocalDatabase, label: &str) -> Result<Self, SqlError> {
        let store = Self { database, label: label.to_owned() };
        store
            .run(
                "CREATE TABLE IF NOT EXISTS key_value (store TEXT, key TEXT, value BLOB, PRIMARY KEY (store, key)) \
                 WITHOUT ROWID",
                vec![],
            )
            .await?;
        Ok(store)
    }

    async fn run(&self, sql: &str, parameters: Vec<SqlValue>) -> Result<Vec<Vec<SqlValue>>, SqlError> {
        Ok(self.database.open().execute(sql, parameters).await?.rows)
    }

    fn named(&self, key: &str) -> Vec<SqlValue> {
        vec![SqlValue::Text(self.label.clone()), SqlValue::Text(key.to_owned())]
    }
}

impl KeyValueStore for LocalKeyValue {
    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Result<Option<Vec<u8>>, SqlError>> {
        Box::pin(async move {
            let rows = self
                .run("SELECT value FROM key_value WHERE store = ?1 AND key = ?2", self.named(key))
                .await?;
            Ok(rows.into_iter().flatten().find_map(|value| match value {
                SqlValue::Blob(bytes) => Some(bytes),
                _ => None,
            }))
        })
    }

    fn set<'a>(&'a self, key: &'a str, value: Vec<u8>) -> Pending<'a, Result<(), SqlError>> {
        Box::pin(async move {
            let mut parameters = self.named(key);
            parameters.push(SqlValue::Blob(value));
            let sql =
                "INSERT INTO key_value VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = excluded.value";
            self.run(sql, parameters).await.map(drop)
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> Pending<'a, Result<(), SqlError>> {
        Box::pin(async move {
            self.run("DELETE FROM key_value WHERE store = ?1 AND key = ?2", self.named(key)).await.map(drop)
        })
    }

    fn keys(&self) -> Pending<'_, Result<Vec<String>, SqlError>> {
        Box::pin(async move {
            let sql = "SELECT key FROM key_value WHERE store = ?1 ORDER BY key";
            let rows = self.run(sql, vec![SqlValue::Text(self.label.clone())]).await?;
            Ok(rows
                .into_iter()
                .flatten()
                .filter_map(|value| match value {
                    SqlValue::Text(key) => Some(key),
                    _ => None,
                })
                .collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::LocalKeyValue;
    use crate::local::{LocalDatabase, PoolOptions};
    use edge_runtime::storage::KeyValueStore as _;

    #[tokio::test]
    async fn stores_are_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let database =
            LocalDatabase::open(&folder.path().join("kv.db"), PoolOptions::default()).await.expect("opens");
        let a = LocalKeyValue::open(database.clone(), "a").await.expect("a store");
        let b = LocalKeyValue::open(database, "b").await.expect("a store");
        a.set("k", vec![1]).await.expect("set");
        a.set("k", vec![2]).await.expect("set again");
        a.set("j", vec![]).await.expect("set");
        assert_eq!(a.get("k").await.expect("got"), Some(vec![2]));
        assert_eq!(b.get("k").await.expect("got"), None);
        assert_eq!(a.keys().await.expect("listed"), ["j", "k"]);
        a.delete("k").await.expect("deleted");
        assert_eq!(a.get("k").await.expect("got"), None);
    }
}
