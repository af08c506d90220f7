//! Making copies ready, beside where they are to be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use edge_data::migrate::{self, Migration};
use edge_data::{LocalDatabase, LocalStorage, PoolOptions, private};
use edge_delivery::Internal;
use edge_runtime::{App, AppBuilder, Manifest as Application};
use edge_streams::{Chain, EventTable};
use petwalker_journal::Position;
use sha2::{Digest as _, Sha256};

use super::log::{LogSource, go_on};
use super::make::{consumer_offsets, copy_database};
use super::restore::{RestoredRegion, Target, Targets, Wish, manifest};
use super::{Copy, Key, Manifest, Place, RegionCopy, moment, pour};
use crate::commons::Commons;
use crate::config::Config;
use crate::data::{Opened, open_database};
use crate::epoch;

/// Copies that are being made ready.
pub(super) struct Staging<'a> {
    config: &'a Config,
    place: &'a Place,
    key: Option<&'a Key>,
    backup: &'a Manifest,
    application: Application,
    folder: tempfile::TempDir,
}

impl<'a> Staging<'a> {
    pub(super) fn open(
        config: &'a Config,
        place: &'a Place,
        key: Option<&'a Key>,
        backup: &'a Manifest,
    ) -> anyhow::Result<Self> {
        let data = &config.node.data;
        private::create_folder(data).with_context(|| format!("cannot make {}", data.display()))?;
        let application = Application::load(&config.node.manifest)?;
        let folder = tempfile::Builder::new().prefix("restoring-").tempdir_in(data)?;
        Ok(Self { config, place, key, backup, application, folder })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn migrations(&self, label: &str) -> anyhow::Result<Vec<Migration>> {
        let settings = self.config.databases.0.get(label);
        let settings = settings.with_context(|| format!("the node file has no database '{label}'"))?;
        Ok(migrate::read_folder(&self.application.root.join(&settings.migrations))?)
    }

    /// Brings a copy here, checks every byte of it, and brings it to the schema of this release.
    pub(super) async fn fetch(
        &self,
        name: &str,
        copy: &Copy,
        known: &[Migration],
    ) -> anyhow::Result<LocalDatabase> {
        let path = self.file(name);
        write_parts(self.place, self.key, &self.backup.id, copy, &path).await?;
        let database = LocalDatabase::open(&path, PoolOptions::default()).await?;
        if let Some(damage) = database.damage().await? {
            anyhow::bail!("{name} is damaged: {damage}");
        }
        migrate::run(&database.connect().await?, known).await.with_context(|| name.to_owned())?;
        Ok(database)
    }

    /// Makes a region ready: its copy, and what the log holds beyond it.
    pub(super) async fn region(
        &self,
        region: &str,
        copy: &RegionCopy,
        targets: &Targets,
        wish: &Wish,
        tell: &impl Fn(&str),
    ) -> anyhow::Result<RestoredRegion> {
        let known = self.migrations(&self.config.internal.events_database)?;
        let database = self.fetch(&region_name(region), &copy.copy, &known).await?;
        let found = EventTable::open(&database).await?.position().await?;
        anyhow::ensure!(
            copy.position() == Some(found),
            "the copy's log does not end where its manifest says"
        );
        tell(&format!("region {region} is here and whole, to event {}", found.seq));
        let file = targets.regions.get(region).cloned().context("it has no place")?;
        let mut restored = RestoredRegion { file, copied: found.seq, last: None, log: None, epoch: None };
        let Some(log) = self.log_of(region, wish, tell).await? else {
            let at = wish.at_ms.filter(|at| *at > self.backup.made_at_ms);
            anyhow::ensure!(
                at.is_none(),
                "nothing tells what happened after the backup was made ({}): give the region's file that was kept \
                 (--log), or leave the moment out",
                moment(self.backup.made_at_ms)
            );
            return Ok(restored);
        };
        let (app, internal) = self.application_over(&database).await?;
        let taken = go_on(&log, &database, &internal, wish.at_ms).await?;
        app.leave();
        let to = taken.last.map_or(found.seq, |(seq, _)| seq);
        tell(&format!("region {region} was taken on to event {to}, from {}", log.name));
        restored.last = taken.last;
        restored.log = Some(log.name);
        if wish.at_ms.is_some() {
            let newest = taken.newest_epoch.max(found.epoch).max(self.lease_epoch(region).await?);
            restored.epoch = Some(self.begin_epoch(region, &database, newest, to).await?);
        }
        Ok(restored)
    }

    /// Begins an epoch after every other: what the log holds after the moment is of an older one from now on, and readers pass
    /// over it. Where there is a topic it says so, whichever node reads it first.
    async fn begin_epoch(
        &self,
        region: &str,
        database: &LocalDatabase,
        newest: u64,
        published: u64,
    ) -> anyhow::Result<u64> {
        let topic = Commons::default().topic(self.config, region).await?;
        let newest = match &topic {
            Some(topic) => newest.max(Chain::read(&**topic, Position::START).await?.newest_epoch()),
            None => newest,
        };
        let record = epoch::begin(database, region, newest + 1, &self.config.node.name, published).await?;
        if let Some(topic) = topic {
            topic.append(vec![record]).await.context("the topic cannot be told of the new epoch")?;
        }
        Ok(newest + 1)
    }

    /// Where a region's log is: the file that was named, the topic, or the next later backup that reaches the moment.
    async fn log_of(
        &self,
        region: &str,
        wish: &Wish,
        tell: &impl Fn(&str),
    ) -> anyhow::Result<Option<LogSource>> {
        if let Some(path) = &wish.log {
            return self.log_in(path, region, path.display().to_string(), tell).await.map(Some);
        }
        if let Some(topic) = Commons::default().topic(self.config, region).await? {
            let name = format!("topic {}", self.config.stream.topic(region));
            return Ok(Some(LogSource { name, topic }));
        }
        let Some(at) = wish.at_ms else { return Ok(None) };
        for id in self.place.backups().await?.iter().filter(|id| **id > self.backup.id) {
            let later = manifest(self.place, id).await?;
            let Some(copy) = later.regions.get(region).filter(|_| later.made_at_ms >= at) else { continue };
            let path = self.file(&format!("log.{region}.db"));
            write_parts(self.place, self.key, id, &copy.copy, &path).await?;
            return self.log_in(&path, region, format!("backup {id}"), tell).await.map(Some);
        }
        Ok(None)
    }

    /// The log in a region's file, and what the file holds beyond its log: a copy of it, which the components settle. The file
    /// itself stays as it is; where it cannot be copied whole, its log alone is read.
    async fn log_in(
        &self,
        path: &Path,
        region: &str,
        name: String,
        tell: &impl Fn(&str),
    ) -> anyhow::Result<LogSource> {
        let log = LogSource::of_file(path, region, name.clone()).await?;
        let copy = self.file(&format!("log.{region}.settled.db"));
        match self.settle_copy(path, &copy).await {
            Ok(()) => LogSource::of_file(&copy, region, name).await,
            Err(error) => {
                tracing::warn!(region, log = name, error = format!("{error:#}"), "the log alone is read");
                tell(&format!("{name} gives its log alone, and not what it holds beyond it: {error:#}"));
                Ok(log)
            }
        }
    }

    /// Copies a region's file, and has the components write into the copy's events what it holds beyond them.
    async fn settle_copy(&self, path: &Path, to: &Path) -> anyhow::Result<()> {
        let known = self.migrations(&self.config.internal.events_database)?;
        let kept = LocalDatabase::open(path, PoolOptions::default()).await?;
        if let Some(damage) = kept.damage().await? {
            anyhow::bail!("it is damaged: {damage}");
        }
        kept.copy_to(to).await?;
        let copy = LocalDatabase::open(to, PoolOptions::default()).await?;
        migrate::run(&copy.connect().await?, &known).await?;
        let (app, internal) = self.application_over(&copy).await?;
        if let Some(settler) = self.config.internal.settler(&internal) {
            settler.settle().await?;
        }
        app.leave();
        Ok(())
    }

    /// The application over a region's copy, to have it take events over.
    async fn application_over(&self, region: &LocalDatabase) -> anyhow::Result<(Arc<App>, Internal)> {
        let mut storage = LocalStorage::default();
        storage.add_database(&self.config.internal.events_database, region.clone());
        for (label, settings) in &self.config.databases.0 {
            let copy = self.file(&format!("{label}.db"));
            if *label == self.config.internal.events_database {
                continue;
            }
            if copy.exists() {
                storage.add_database(label, LocalDatabase::open(&copy, PoolOptions::default()).await?);
                continue;
            }
            let opened =
                open_database(self.config, &self.application, label, settings, &Commons::default()).await?;
            match opened.0 {
                Opened::Local(database) => storage.add_database(label, database),
                Opened::Replicated(database, _) => storage.add_replicated(label, database),
            }
        }
        let (variables, secret) = crate::node::variables(self.config)?;
        let builder = AppBuilder::new(self.application.clone())
            .limits(self.config.runtime_limits())
            .on_compile(crate::progress::compiling)
            .storage(Arc::new(storage))
            .variables(variables);
        let cache = self.config.node.cache.clone().unwrap_or_else(|| self.config.node.data.join("cache"));
        let app = Arc::new(tokio::task::spawn_blocking(move || builder.load(&cache)).await??);
        let internal = Internal::new(app.clone(), &self.config.internal.prefix, &secret)?;
        Ok((app, internal))
    }

    /// That no consumer has seen an event which its region lacks: it would pass over others of that number.
    pub(super) async fn check_offsets(
        &self,
        regions: &BTreeMap<String, RestoredRegion>,
        regions_only: bool,
    ) -> anyhow::Result<()> {
        for label in self.config.databases.0.keys() {
            let copy = self.file(&format!("{label}.db"));
            let offsets = if copy.exists() {
                consumer_offsets(&copy).await?
            } else if regions_only && *label != self.config.internal.events_database {
                self.offsets_in_use(label).await?
            } else {
                continue;
            };
            for (region, restored) in regions {
                let seen = offsets.get(&format!("region/{region}")).copied().unwrap_or_default();
                let ends = restored.last.map_or(restored.copied, |(seq, _)| seq);
                anyhow::ensure!(
                    seen <= ends,
                    "consumers in '{label}' have seen event {seen} of region '{region}', which ends at {ends} now: restore \
                     '{label}' with it, or give a log that reaches there (--log)"
                );
            }
        }
        Ok(())
    }

    async fn offsets_in_use(&self, label: &str) -> anyhow::Result<BTreeMap<String, u64>> {
        let settings = self.config.databases.0.get(label).context("no such database")?;
        let copy = self.file(&format!("{label}.in-use"));
        copy_database(self.config, settings, &copy).await?;
        consumer_offsets(&copy).await
    }

    fn leases(&self) -> Option<PathBuf> {
        self.config.regions.file.as_ref()?;
        Some(self.file(&format!("{}.db", self.config.regions.database))).filter(|file| file.exists())
    }

    /// The newest epoch that was leased of a region.
    async fn lease_epoch(&self, region: &str) -> anyhow::Result<u64> {
        let Some(file) = self.leases() else { return Ok(0) };
        let connection = LocalDatabase::open(&file, PoolOptions::default()).await?.connect().await?;
        let mut rows = connection.query("SELECT epoch FROM leases WHERE region = ?1", [region]).await?;
        Ok(rows.next().await?.map(|row| row.get(0)).transpose()?.unwrap_or_default())
    }

    /// Has the next lease of each region begin after the epoch that was begun here. Nobody holds one now.
    pub(super) async fn raise_leases(
        &self,
        regions: &BTreeMap<String, RestoredRegion>,
    ) -> anyhow::Result<()> {
        let Some(file) = self.leases() else { return Ok(()) };
        let connection = LocalDatabase::open(&file, PoolOptions::default()).await?.connect().await?;
        for (region, restored) in regions {
            let Some(epoch) = restored.epoch else { continue };
            let raise = "INSERT INTO leases (region, holder, epoch, renewal, released, heir) \
                         VALUES (?1, ?2, ?3, 1, 1, '') ON CONFLICT (region) DO UPDATE SET \
                         epoch = max(epoch, excluded.epoch), renewal = renewal + 1, released = 1, heir = ''";
            let holder = format!("{}/restored", self.config.node.name);
            connection.execute(raise, libsql::params![region.as_str(), holder, epoch]).await?;
        }
        Ok(())
    }

    /// Puts everything where it belongs; where the databases are then.
    pub(super) async fn put_in_place(&self, targets: &Targets) -> anyhow::Result<BTreeMap<String, String>> {
        let mut places = BTreeMap::new();
        for (label, target) in &targets.databases {
            let copy =
                LocalDatabase::open(&self.file(&format!("{label}.db")), PoolOptions::default()).await?;
            let place = match target {
                Target::File(path) => settle(&copy, path).await?,
                Target::Primary(connection, url) => {
                    let rows = pour::pour(&copy, connection).await.with_context(|| {
                        format!(
                            "{url} has a part of database '{label}' now: empty it before the next attempt"
                        )
                    })?;
                    format!("{url}, {rows} rows")
                }
            };
            places.insert(label.clone(), place);
        }
        for (region, path) in &targets.regions {
            let copy = LocalDatabase::open(&self.file(&region_name(region)), PoolOptions::default()).await?;
            settle(&copy, path).await?;
        }
        Ok(places)
    }
}

fn region_name(region: &str) -> String {
    format!("region.{region}.db")
}

/// Writes a database to where it is to be, on disk before it has its name.
async fn settle(copy: &LocalDatabase, path: &Path) -> anyhow::Result<String> {
    let cannot = || format!("cannot write {}", path.display());
    let folder = path.parent().unwrap_or(path);
    private::create_folder(folder).with_context(cannot)?;
    let temporary = path.with_extension("restoring");
    if temporary.exists() {
        std::fs::remove_file(&temporary).with_context(cannot)?;
    }
    copy.copy_to(&temporary).await.with_context(cannot)?;
    let on_disk = || {
        std::fs::File::open(&temporary)?.sync_all()?;
        std::fs::rename(&temporary, path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    on_disk().with_context(cannot)?;
    Ok(path.display().to_string())
}

/// Writes the parts of a copy into one file, each checked.
async fn write_parts(
    place: &Place,
    key: Option<&Key>,
    id: &str,
    copy: &Copy,
    to: &Path,
) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(to);
    let mut file = file.with_context(|| format!("cannot write {}", to.display()))?;
    let mut bytes = 0;
    for part in &copy.parts {
        let name = format!("{id}/{}", part.name);
        let kept = place.get(&name).await?;
        let part_bytes = match key {
            Some(key) => key.open(&name, &kept)?,
            None => kept,
        };
        let digest = hex::encode(Sha256::digest(&part_bytes));
        anyhow::ensure!(digest == part.sha256, "{name} is damaged: its digest is not the manifest's");
        file.write_all(&part_bytes).with_context(|| format!("cannot write {}", to.display()))?;
        bytes += part_bytes.len() as u64;
    }
    anyhow::ensure!(bytes == copy.bytes, "backup '{id}' has {bytes} bytes of {}", copy.bytes);
    Ok(())
}
