//! A node's databases: opened, migrated, and checked to be its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use edge_data::migrate::{self, Migration};
use edge_data::{
    LocalDatabase, LocalKeyValue, LocalStorage, PoolOptions, ReplicaOptions, ReplicatedDatabase, private,
};
use edge_runtime::Manifest;

use crate::commons::Commons;
use crate::config::{Config, Database, Primary};

/// How long a primary has to be migrated.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// A node's databases, open and migrated.
pub(crate) struct OpenData {
    pub(crate) storage: LocalStorage,
    /// Which migrations ran, by label.
    pub(crate) migrated: Vec<(String, Vec<String>)>,
}

/// An open database.
pub(crate) enum Opened {
    /// A file.
    Local(LocalDatabase),
    /// A replica of a primary, which is reached so.
    Replicated(ReplicatedDatabase, Reach),
}

/// How a primary is reached.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) url: String,
    pub(crate) token: String,
}

/// Opens and migrates one database; which migrations ran.
pub(crate) async fn open_database(
    config: &Config,
    manifest: &Manifest,
    label: &str,
    settings: &Database,
    commons: &Commons,
) -> anyhow::Result<(Opened, Vec<String>)> {
    let pool = config.limits.pool();
    let migrations = migrate::read_folder(&manifest.root.join(&settings.migrations))?;
    let file = config.node.data.join(&settings.file);
    if let Some(primary) = &settings.primary {
        let (database, reach, ran) =
            open_replicated(primary, file.with_extension("replica"), pool, &migrations)
                .await
                .with_context(|| format!("database '{label}'"))?;
        return Ok((Opened::Replicated(database, reach), ran));
    }
    let database = commons.database(&file, pool).await?;
    let connection = database.connect().await?;
    let ran = migrate::run(&connection, &migrations)
        .await
        .with_context(|| format!("database '{label}' ({})", file.display()))?;
    Ok((Opened::Local(database), ran))
}

/// Makes the data folder, which the node's user alone may enter; one that others could enter is closed to them. Compiled
/// components and objects are left to the folders that hold them.
pub(crate) fn prepare_folder(config: &Config) -> anyhow::Result<()> {
    let data = &config.node.data;
    let cannot = || format!("cannot make the data folder {} private", data.display());
    private::create_folder(data).with_context(cannot)?;
    let narrowed =
        private::narrow(data, &[Path::new("cache"), &config.objects.folder]).with_context(cannot)?;
    if narrowed > 0 {
        tracing::warn!(
            data = %data.display(),
            entries = narrowed,
            "others could read the data folder or files in it; now the node's user alone can"
        );
    }
    Ok(())
}

/// Opens and migrates every database of a node that is alone.
pub(crate) async fn open_data(config: &Config, manifest: &Manifest) -> anyhow::Result<OpenData> {
    let data = &config.node.data;
    prepare_folder(config)?;
    let mut opened = OpenData { storage: LocalStorage::default(), migrated: Vec::new() };
    for (label, settings) in &config.databases.0 {
        let (database, ran) = open_database(config, manifest, label, settings, &Commons::default()).await?;
        opened.migrated.push((label.clone(), ran));
        match database {
            Opened::Local(database) => opened.storage.add_database(label, database),
            Opened::Replicated(database, _) => opened.storage.add_replicated(label, database),
        }
    }
    claim_region(config, &opened.storage).await?;
    let mut labels: Vec<&String> = manifest.components.values().flat_map(|c| &c.key_value_stores).collect();
    labels.sort();
    labels.dedup();
    if !labels.is_empty() {
        let file = LocalDatabase::open(&data.join("key-value.db"), config.limits.pool()).await?;
        for label in labels {
            opened.storage.add_store(label, LocalKeyValue::open(file.clone(), label).await?);
        }
    }
    Ok(opened)
}

/// The token that a primary wants; empty for none.
pub(crate) fn primary_token(primary: &Primary) -> anyhow::Result<String> {
    let Some(file) = &primary.token_file else { return Ok(String::new()) };
    let token = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the primary's token from {}", file.display()))?;
    Ok(token.trim().to_owned())
}

/// Migrates a primary and opens the replica of it. Where a replica is there already, a primary that is away is left for
/// later: reads and the region's own work do not need it.
async fn open_replicated(
    primary: &Primary,
    folder: PathBuf,
    pool: PoolOptions,
    migrations: &[Migration],
) -> anyhow::Result<(ReplicatedDatabase, Reach, Vec<String>)> {
    let token = primary_token(primary)?;
    let there = folder.exists();
    let server = edge_data::remote(&primary.url, &token).await?;
    let migrated = async { anyhow::Ok(migrate::run_shared(&server.connect()?, migrations).await?) };
    let migrated = tokio::time::timeout(MIGRATION_TIMEOUT, migrated)
        .await
        .unwrap_or_else(|_| Err(anyhow::anyhow!("it did not answer in time")))
        .with_context(|| format!("the primary at {} was not migrated", primary.url));
    let ran = match migrated {
        Ok(ran) => ran,
        Err(error) if there => {
            tracing::warn!(error = format!("{error:#}"), "starting with the replica as it is");
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    let reach = Reach { url: primary.url.clone(), token: token.clone() };
    let options = ReplicaOptions {
        url: primary.url.clone(),
        token,
        folder,
        pool,
        sync_interval: Duration::from_millis(primary.sync_interval_ms),
        sync_timeout: Duration::from_millis(primary.wait_ms),
        statement_timeout: Duration::from_millis(primary.statement_timeout_ms),
    };
    Ok((ReplicatedDatabase::open(options).await?, reach, ran))
}

/// Notes in the event database which region it holds. A file of another region is refused.
async fn claim_region(config: &Config, storage: &LocalStorage) -> anyhow::Result<()> {
    let label = &config.internal.events_database;
    if label.is_empty() {
        return Ok(());
    }
    let database = storage.local(label).with_context(|| {
        format!("internal.events_database names '{label}', which [databases] does not have")
    })?;
    let connection = database.connect().await?;
    connection
        .execute(
            "INSERT OR IGNORE INTO region (one, name, epoch) VALUES (1, ?1, 1)",
            [config.node.region.as_str()],
        )
        .await?;
    let mut rows = connection.query("SELECT name FROM region WHERE one = 1", ()).await?;
    let name = rows.next().await?.map(|row| row.get::<String>(0)).transpose()?.unwrap_or_default();
    anyhow::ensure!(
        name == config.node.region,
        "the data folder holds region '{name}' and the node file says '{}'",
        config.node.region
    );
    Ok(())
}
