//! One region's file and the application over it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use edge_data::{LocalDatabase, LocalStorage, migrate};
use edge_delivery::Internal;
use edge_delivery::regions::Region;
use edge_runtime::{App, AppBuilder};

use super::Shared;

/// A region's file and the application over it.
pub(crate) struct Core {
    pub(crate) app: Arc<App>,
    pub(crate) database: LocalDatabase,
    pub(crate) internal: Internal,
}

/// The file of a region.
pub(crate) fn file(data: &Path, region: &str) -> PathBuf {
    data.join("regions").join(format!("{region}.db"))
}

impl Core {
    /// Opens the region's file, makes it where it is missing, and loads the application over it.
    pub(crate) async fn open(shared: &Shared, region: &Region) -> anyhow::Result<Self> {
        let path = file(&shared.config.node.data, &region.name);
        Self::open_file(shared, &path, &region.name, region.number).await
    }

    /// The application over a file that no event comes into, for what is of no region.
    pub(crate) async fn front(shared: &Shared) -> anyhow::Result<Self> {
        let core = Self::open_file(shared, &shared.config.node.data.join("front.db"), "-", 0).await?;
        core.database.gate().close();
        Ok(core)
    }

    async fn open_file(shared: &Shared, path: &Path, name: &str, number: u16) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            edge_data::private::create_folder(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let database = LocalDatabase::open(path, shared.pool).await?;
        let connection = database.connect().await?;
        migrate::run(&connection, &shared.migrations)
            .await
            .with_context(|| format!("region '{name}' ({})", path.display()))?;
        let insert = "INSERT OR IGNORE INTO region (one, name, epoch, number) VALUES (1, ?1, 1, ?2)";
        connection.execute(insert, libsql::params![name, u32::from(number)]).await?;
        let mut rows = connection.query("SELECT name, number FROM region WHERE one = 1", ()).await?;
        let row = rows.next().await?.context("the region's row is gone")?;
        let (found, found_number): (String, u32) = (row.get(0)?, row.get(1)?);
        anyhow::ensure!(
            found == name && found_number == u32::from(number),
            "{} holds region '{found}' with number {found_number}, and '{name}' has number {number}",
            path.display()
        );
        let mut storage = LocalStorage::default();
        shared.add_others(&mut storage);
        storage.add_database(shared.events_label(), database.clone());
        let builder = AppBuilder::new(shared.manifest.clone())
            .limits(shared.config.runtime_limits())
            .isolate(shared.config.admission.isolation())
            .on_compile(crate::progress::compiling)
            .storage(Arc::new(storage))
            .variables(shared.variables.clone());
        let builder = shared.with_objects(builder);
        let runtime = shared.runtime.clone();
        let app = Arc::new(tokio::task::spawn_blocking(move || builder.load_in(&runtime)).await??);
        let internal = Internal::new(app.clone(), &shared.config.internal.prefix, &shared.secret)?;
        Ok(Self { app, database, internal })
    }
}
