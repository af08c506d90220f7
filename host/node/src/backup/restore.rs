//! Restoring from a backup.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;

use super::staging::Staging;
use super::{FORMAT, Key, MANIFEST, Manifest, Place, moment, pour};
use crate::config::Config;
use crate::data::primary_token;

/// What is to be restored.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The backup; without it the newest, or the newest before the moment.
    pub backup: Option<String>,
    /// The moment, UTC milliseconds: what happened after it is left out. Without it everything that the log holds.
    pub at_ms: Option<i64>,
    /// Whether only the regions are restored, the other databases being well.
    pub regions_only: bool,
    /// A region's file whose event table is the log, where neither a topic nor a later backup is to be.
    pub log: Option<PathBuf>,
}

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The backup.
    pub backup: Manifest,
    /// Where the databases are that are not a region's, by label.
    pub databases: BTreeMap<String, String>,
    /// The regions, by name.
    pub regions: BTreeMap<String, RestoredRegion>,
}

/// A region that was restored.
#[derive(Clone, Debug)]
pub struct RestoredRegion {
    /// Its file.
    pub file: PathBuf,
    /// The last event of the copy.
    pub copied: u64,
    /// The last event taken over from the log after it, and when it happened.
    pub last: Option<(u64, i64)>,
    /// Where the log was; none where there was none beyond the copy.
    pub log: Option<String>,
    /// The epoch that was begun, because the log goes on after the moment.
    pub epoch: Option<u64>,
}

/// Where a database is to be.
pub(super) enum Target {
    File(PathBuf),
    Primary(libsql::Connection, String),
}

/// Restores what a backup at `place` holds, and what the log holds beyond it, and tells of each step that is done. The node must
/// not run; nothing that is there is written over.
///
/// # Errors
/// When there is something already, the backup is not whole, or the log does not go on from it. Nothing was put in place then,
/// unless the error names what was.
pub async fn restore(
    config: &Config,
    place: &Place,
    key: Option<&Key>,
    wish: &Wish,
    tell: impl Fn(&str),
) -> anyhow::Result<Restored> {
    anyhow::ensure!(
        wish.at_ms.is_none() || !wish.regions_only,
        "a moment holds for all databases: consumers would have seen events that their regions lack then"
    );
    let backup = choose(place, wish).await?;
    anyhow::ensure!(!backup.sealed || key.is_some(), "backup '{}' is sealed: give its key", backup.id);
    let targets = targets(config, &backup, wish.regions_only).await?;
    tell(&format!("backup {} of {}, made {}", backup.id, backup.node, moment(backup.made_at_ms)));
    let staging = Staging::open(config, place, key, &backup)?;
    for (label, copy) in backup.databases.iter().filter(|(label, _)| targets.databases.contains_key(*label)) {
        staging.fetch(&format!("{label}.db"), copy, &staging.migrations(label)?).await?;
        tell(&format!("{label} is here and whole"));
    }
    let mut regions = BTreeMap::new();
    for (region, copy) in &backup.regions {
        let restored = staging.region(region, copy, &targets, wish, &tell).await;
        regions.insert(region.clone(), restored.with_context(|| format!("region '{region}'"))?);
    }
    staging.check_offsets(&regions, wish.regions_only).await?;
    staging.raise_leases(&regions).await?;
    let databases = staging.put_in_place(&targets).await?;
    Ok(Restored { backup, databases, regions })
}

/// The backup that is wished for.
async fn choose(place: &Place, wish: &Wish) -> anyhow::Result<Manifest> {
    let ids = place.backups().await.with_context(|| format!("the backups in {place}"))?;
    if let Some(id) = &wish.backup {
        anyhow::ensure!(
            ids.contains(id),
            "there is no backup '{id}' in {place}; there are: {}",
            ids.join(", ")
        );
        let backup = manifest(place, id).await?;
        anyhow::ensure!(
            wish.at_ms.is_none_or(|at| backup.made_at_ms <= at),
            "backup '{id}' was made {}, after that moment: choose an earlier one",
            moment(backup.made_at_ms)
        );
        return Ok(backup);
    }
    for id in ids.iter().rev() {
        let backup = manifest(place, id).await?;
        if wish.at_ms.is_none_or(|at| backup.made_at_ms <= at) {
            return Ok(backup);
        }
    }
    match wish.at_ms {
        Some(at) if !ids.is_empty() => anyhow::bail!("no backup in {place} was made before {}", moment(at)),
        _ => anyhow::bail!("there is no backup in {place}"),
    }
}

pub(super) async fn manifest(place: &Place, id: &str) -> anyhow::Result<Manifest> {
    let text = place.get(&format!("{id}/{MANIFEST}")).await?;
    let backup: Manifest = serde_json::from_slice(&text)
        .with_context(|| format!("the manifest of backup '{id}' cannot be read"))?;
    anyhow::ensure!(
        backup.format == FORMAT && backup.id == id,
        "backup '{id}' is of format {} and this release reads {FORMAT}",
        backup.format
    );
    Ok(backup)
}

/// Where everything is to be.
pub(super) struct Targets {
    pub(super) databases: BTreeMap<String, Target>,
    pub(super) regions: BTreeMap<String, PathBuf>,
}

/// Where everything is to be: there must be nothing yet.
async fn targets(config: &Config, backup: &Manifest, regions_only: bool) -> anyhow::Result<Targets> {
    let data = &config.node.data;
    let mut databases = BTreeMap::new();
    for label in backup.databases.keys().filter(|_| !regions_only) {
        let settings = config.databases.0.get(label);
        let settings = settings.with_context(|| format!("the node file has no database '{label}'"))?;
        let target = match &settings.primary {
            None => Target::File(free(data.join(&settings.file))?),
            Some(primary) => {
                let url = primary.url.clone();
                let server = edge_data::remote(&url, &primary_token(primary)?).await?;
                let connection = server.connect()?;
                pour::ensure_empty(&connection)
                    .await
                    .with_context(|| format!("database '{label}' at {url}"))?;
                free(data.join(&settings.file).with_extension("replica"))?;
                Target::Primary(connection, url)
            }
        };
        databases.insert(label.clone(), target);
    }
    let mut regions = BTreeMap::new();
    for region in backup.regions.keys() {
        let file = if config.regions.file.is_some() {
            crate::edge::region_file(data, region)
        } else {
            anyhow::ensure!(
                *region == config.node.region && backup.regions.len() == 1,
                "the backup holds region '{region}' and the node file says '{}'",
                config.node.region
            );
            let label = &config.internal.events_database;
            let settings = config.databases.0.get(label);
            data.join(&settings.with_context(|| format!("the node file has no database '{label}'"))?.file)
        };
        regions.insert(region.clone(), free(file)?);
    }
    Ok(Targets { databases, regions })
}

/// A path where nothing is.
fn free(path: PathBuf) -> anyhow::Result<PathBuf> {
    anyhow::ensure!(
        !path.exists(),
        "{} is there, and is not written over: stop the node and move it away first",
        path.display()
    );
    Ok(path)
}
