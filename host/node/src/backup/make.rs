//! Making a backup.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use edge_data::{LocalDatabase, PoolOptions, migrate};
use edge_runtime::Manifest as Application;
use edge_streams::EventTable;
use sha2::{Digest as _, Sha256};

use super::{Copy, FORMAT, Key, MANIFEST, Manifest, Part, Place, RegionCopy, id};
use crate::clock::now_ms;
use crate::config::{Config, Database};
use crate::data::primary_token;

/// Bytes of a part.
const PART_BYTES: usize = 32 << 20;
/// How long a region's copy may lack events that consumers have seen already: where this node is its standby and lags.
const LAG_PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks whether a standby has caught up.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Copies every database of the node to `place`, sealed where there is a key, and tells of each that is done. The node may run
/// meanwhile.
///
/// # Errors
/// When a database cannot be read, or the place not written to. What was written then is no backup.
pub async fn make(
    config: &Config,
    place: &Place,
    key: Option<&Key>,
    tell: impl Fn(&str, u64),
) -> anyhow::Result<Manifest> {
    let data = &config.node.data;
    let work = tempfile::Builder::new().prefix("backup-").tempdir_in(data);
    let work = work.with_context(|| format!("cannot make a folder in {}", data.display()))?;
    let id = id(now_ms(), &config.node.name)?;
    let sender = Sender { place, key, id: &id };
    let application = Application::load(&config.node.manifest)?;
    let events = &config.internal.events_database;
    let (mut databases, mut offsets) = (BTreeMap::new(), BTreeMap::new());
    // What consumers write before what they read: see the module.
    for (label, settings) in config.databases.0.iter().filter(|(label, _)| *label != events) {
        let file = work.path().join("copy.db");
        copy_database(config, settings, &file).await.with_context(|| format!("database '{label}'"))?;
        offsets.append(&mut consumer_offsets(&file).await?);
        let copy = sender.send(&format!("{label}.db"), &file).await?;
        tell(label, copy.bytes);
        databases.insert(label.clone(), copy);
        std::fs::remove_file(&file)?;
    }
    let mut regions = BTreeMap::new();
    if let Some(settings) = config.databases.0.get(events) {
        let known = migrate::read_folder(&application.root.join(&settings.migrations))?;
        for path in region_files(config, settings)? {
            let copied = copy_region(&path, work.path(), &known, &offsets).await;
            let (region, file, mut copied) =
                copied.with_context(|| format!("the region in {}", path.display()))?;
            copied.copy = sender.send(&format!("region.{region}.db"), &file).await?;
            tell(&region, copied.copy.bytes);
            std::fs::remove_file(&file)?;
            regions.insert(region, copied);
        }
    }
    let manifest = Manifest {
        format: FORMAT,
        id: id.clone(),
        made_at_ms: now_ms(),
        node: config.node.name.clone(),
        release: env!("CARGO_PKG_VERSION").to_owned(),
        sealed: key.is_some(),
        databases,
        regions,
    };
    place.put(&format!("{id}/{MANIFEST}"), serde_json::to_vec_pretty(&manifest)?).await?;
    Ok(manifest)
}

/// Copies a database that is no region's.
pub(super) async fn copy_database(config: &Config, settings: &Database, to: &Path) -> anyhow::Result<()> {
    if let Some(primary) = &settings.primary {
        let folder = tempfile::tempdir_in(&config.node.data)?;
        let token = primary_token(primary)?;
        return Ok(edge_data::copy_of_primary(&primary.url, &token, folder.path(), to).await?);
    }
    Ok(open(&config.node.data.join(&settings.file)).await?.copy_to(to).await?)
}

async fn open(path: &Path) -> anyhow::Result<LocalDatabase> {
    anyhow::ensure!(path.exists(), "{} is missing: has this node ever run?", path.display());
    Ok(LocalDatabase::open(path, PoolOptions::default()).await?)
}

/// The files of the regions that this node has.
fn region_files(config: &Config, settings: &Database) -> anyhow::Result<Vec<PathBuf>> {
    if config.regions.file.is_none() {
        return Ok(vec![config.node.data.join(&settings.file)]);
    }
    let folder = config.node.data.join("regions");
    let entries = std::fs::read_dir(&folder);
    let entries = entries.with_context(|| format!("{}: has this node ever run?", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|e| Ok(e?.path())).collect::<std::io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "db"));
    files.sort();
    Ok(files)
}

/// Copies a region's file once it has every event that consumers have seen.
async fn copy_region(
    path: &Path,
    work: &Path,
    known: &[migrate::Migration],
    offsets: &BTreeMap<String, u64>,
) -> anyhow::Result<(String, PathBuf, RegionCopy)> {
    let source = open(path).await?;
    let file = work.join("copy.db");
    let started = Instant::now();
    loop {
        source.copy_to(&file).await?;
        let copy = open(&file).await?;
        migrate::check(&copy.connect().await?, known).await?;
        let region = region_of(&copy).await?;
        let position = EventTable::open(&copy).await?.position().await?;
        let seen = offsets.get(&format!("region/{region}")).copied().unwrap_or_default();
        if seen <= position.seq {
            let digest = hex::encode(position.digest.as_bytes());
            let found =
                RegionCopy { copy: Copy::default(), seq: position.seq, digest, epoch: position.epoch };
            return Ok((region, file, found));
        }
        anyhow::ensure!(
            started.elapsed() < LAG_PATIENCE,
            "it ends at event {} and consumers have seen {seen}: this node's standby is behind, or stands still. Make the \
             backup at the region's owner",
            position.seq
        );
        drop(copy);
        std::fs::remove_file(&file)?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The region that a file holds.
pub(super) async fn region_of(database: &LocalDatabase) -> anyhow::Result<String> {
    let connection = database.connect().await?;
    let mut rows = connection.query("SELECT name FROM region WHERE one = 1", ()).await?;
    let row = rows.next().await?.context("the file holds no region")?;
    Ok(row.get(0)?)
}

/// How far the consumers that write a database have read each stream.
pub(super) async fn consumer_offsets(file: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let connection = open(file).await?.connect().await?;
    let table = "SELECT 1 FROM sqlite_schema WHERE name = 'consumer_offsets'";
    if connection.query(table, ()).await?.next().await?.is_none() {
        return Ok(BTreeMap::new());
    }
    let mut rows =
        connection.query("SELECT stream, max(seq) FROM consumer_offsets GROUP BY stream", ()).await?;
    let mut offsets = BTreeMap::new();
    while let Some(row) = rows.next().await? {
        offsets.insert(row.get(0)?, row.get(1)?);
    }
    Ok(offsets)
}

/// Puts files into a backup.
struct Sender<'a> {
    place: &'a Place,
    key: Option<&'a Key>,
    id: &'a str,
}

impl Sender<'_> {
    async fn send(&self, name: &str, file: &Path) -> anyhow::Result<Copy> {
        let mut file = std::fs::File::open(file)?;
        let mut copy = Copy::default();
        loop {
            let mut part = Vec::new();
            (&mut file).take(PART_BYTES as u64).read_to_end(&mut part)?;
            if part.is_empty() {
                return Ok(copy);
            }
            let name = format!("{name}.{:04}", copy.parts.len());
            let place = format!("{}/{name}", self.id);
            copy.bytes += part.len() as u64;
            copy.parts.push(Part { name, sha256: hex::encode(Sha256::digest(&part)) });
            let kept = match self.key {
                Some(key) => key.seal(&place, &part)?,
                None => part,
            };
            self.place.put(&place, kept).await?;
        }
    }
}
