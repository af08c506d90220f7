//! What nodes of one process share: each file is opened once, however many of them use it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use edge_data::{LocalDatabase, PoolOptions};
use edge_runtime::{Limits, Runtime};
use edge_streams::{FileTopic, FluvioTopic, Topic};
use tokio::sync::Mutex;

use crate::config::Config;

/// Opened files and the engine, shared by the nodes of a process.
#[derive(Clone, Default)]
pub struct Commons(Arc<Shared>);

#[derive(Default)]
struct Shared {
    databases: Mutex<HashMap<PathBuf, LocalDatabase>>,
    topics: Mutex<HashMap<PathBuf, FileTopic>>,
    runtime: Mutex<Option<Arc<Runtime>>>,
}

impl Commons {
    /// The database in a file that nodes may share.
    pub(crate) async fn database(&self, path: &Path, options: PoolOptions) -> anyhow::Result<LocalDatabase> {
        let mut open = self.0.databases.lock().await;
        if let Some(database) = open.get(path) {
            return Ok(database.clone());
        }
        let database = LocalDatabase::open(path, options).await?;
        open.insert(path.to_owned(), database.clone());
        Ok(database)
    }

    /// The topic of a region, as the node file says where topics are; none where the event table is the stream.
    pub(crate) async fn topic(
        &self,
        config: &Config,
        region: &str,
    ) -> anyhow::Result<Option<Arc<dyn Topic>>> {
        if let Some(settings) = config.stream.settings() {
            return Ok(Some(Arc::new(FluvioTopic::new(settings, config.stream.topic(region)))));
        }
        let Some(folder) = &config.stream.folder else { return Ok(None) };
        edge_data::private::create_folder(folder)
            .with_context(|| format!("cannot make the topics' folder {}", folder.display()))?;
        let path = folder.join(config.stream.topic(region)).with_extension("topic");
        let mut open = self.0.topics.lock().await;
        let topic = match open.get(&path) {
            Some(topic) => topic.clone(),
            None => {
                let topic = FileTopic::open(&path).await?;
                open.insert(path, topic.clone());
                topic
            }
        };
        Ok(Some(Arc::new(topic)))
    }

    /// The engine that components run in.
    pub(crate) async fn runtime(&self, limits: Limits, cache: PathBuf) -> anyhow::Result<Arc<Runtime>> {
        let mut known = self.0.runtime.lock().await;
        if let Some(runtime) = &*known {
            return Ok(runtime.clone());
        }
        let made = tokio::task::spawn_blocking(move || Runtime::new(&limits, &cache)).await??;
        let made = Arc::new(made);
        *known = Some(made.clone());
        Ok(made)
    }
}
