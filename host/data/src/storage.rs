//! All databases and stores of a node, by label.

use std::collections::BTreeMap;
use std::sync::Arc;

use edge_runtime::storage::{KeyValueStore, SqlDatabase, Storage};

use crate::key_value::LocalKeyValue;
use crate::local::LocalDatabase;
use crate::replicated::ReplicatedDatabase;

/// Databases and stores under labels.
#[derive(Default)]
pub struct LocalStorage {
    databases: BTreeMap<String, LocalDatabase>,
    replicated: BTreeMap<String, ReplicatedDatabase>,
    stores: BTreeMap<String, LocalKeyValue>,
}

impl LocalStorage {
    /// Adds a database under its label.
    pub fn add_database(&mut self, label: impl Into<String>, database: LocalDatabase) {
        self.databases.insert(label.into(), database);
    }

    /// Adds a database whose primary is elsewhere.
    pub fn add_replicated(&mut self, label: impl Into<String>, database: ReplicatedDatabase) {
        self.replicated.insert(label.into(), database);
    }

    /// Adds a key-value store under its label.
    pub fn add_store(&mut self, label: impl Into<String>, store: LocalKeyValue) {
        self.stores.insert(label.into(), store);
    }

    /// The database of that label, as this layer knows it.
    #[must_use]
    pub fn local(&self, label: &str) -> Option<&LocalDatabase> {
        self.databases.get(label)
    }

    /// The databases that are files of this node alone.
    pub fn locals(&self) -> impl Iterator<Item = &LocalDatabase> {
        self.databases.values()
    }

    /// The databases whose primary is elsewhere, by label.
    pub fn replicated(&self) -> impl Iterator<Item = (&str, &ReplicatedDatabase)> {
        self.replicated.iter().map(|(label, database)| (label.as_str(), database))
    }
}

impl Storage for LocalStorage {
    fn database(&self, label: &str) -> Option<Arc<dyn SqlDatabase>> {
        let replicated = self.replicated.get(label).map(|d| Arc::new(d.clone()) as Arc<dyn SqlDatabase>);
        replicated.or_else(|| self.databases.get(label).map(|d| Arc::new(d.clone()) as Arc<dyn SqlDatabase>))
    }

    fn key_value(&self, label: &str) -> Option<Arc<dyn KeyValueStore>> {
        self.stores.get(label).map(|s| Arc::new(s.clone()) as Arc<dyn KeyValueStore>)
    }
}
