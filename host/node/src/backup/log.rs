//! Going on from a copy: the components take over what the region's log holds beyond it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use edge_data::LocalDatabase;
use edge_delivery::Internal;
use edge_delivery::internal::TakeOverRoute;
use edge_streams::{Chain, EmbeddedTopic, EventTable, LogReader, TakeOver as _, Topic, fitting};
use petwalker_journal::{Envelope, Position};

use super::make::region_of;

/// Records handed over at once.
const BATCH_MAX: usize = 256;

/// Where a region's log is read.
pub(super) struct LogSource {
    /// What it is called, for people.
    pub(super) name: String,
    /// The log.
    pub(super) topic: Arc<dyn Topic>,
}

impl LogSource {
    /// The event table in a region's file.
    pub(super) async fn of_file(path: &Path, region: &str, name: String) -> anyhow::Result<Self> {
        anyhow::ensure!(path.exists(), "{} is missing", path.display());
        let database = LocalDatabase::open(path, edge_data::PoolOptions::default()).await?;
        let found = region_of(&database).await.with_context(|| path.display().to_string())?;
        anyhow::ensure!(found == region, "{} holds region '{found}', not '{region}'", path.display());
        Ok(Self { name, topic: Arc::new(EmbeddedTopic::new(database)) })
    }
}

/// What was taken over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TakenOver {
    /// The last event's number, and when it happened; none where the log holds nothing beyond the copy.
    pub(super) last: Option<(u64, i64)>,
    /// Whether the log goes on after it.
    pub(super) more: bool,
    /// The newest epoch in the log, of events that belong to it or not.
    pub(super) newest_epoch: u64,
}

/// Has the components take over, into the region's file, what the log holds beyond it: all of it, or what had happened at a
/// moment.
pub(super) async fn go_on(
    source: &LogSource,
    database: &LocalDatabase,
    internal: &Internal,
    until_ms: Option<i64>,
) -> anyhow::Result<TakenOver> {
    let base = EventTable::open(database).await?.position().await?;
    let reading = || format!("the log in {}", source.name);
    let chain = Chain::read(&*source.topic, base).await.with_context(reading)?;
    let log = chain.log();
    if let (true, Some(first)) = (log.places.is_empty(), chain.first_seq()) {
        anyhow::bail!(
            "the log in {} holds event {first} and later ones, and none that goes on from the backup's event {}: the ones \
             between are gone from it, or the backup is of another log. Take a newer backup",
            source.name,
            base.seq
        );
    }
    let mut taken = TakenOver { newest_epoch: chain.newest_epoch(), ..TakenOver::default() };
    let mut batch =
        Batch { route: TakeOverRoute::restoring(internal.clone()), records: Vec::new(), end: base };
    let mut reader = LogReader::open(&*source.topic, &log).await.with_context(reading)?;
    while !taken.more {
        let records = reader.next().await.with_context(reading)?;
        if records.is_empty() {
            break;
        }
        for record in records {
            let envelope = Envelope::decode(&record)?;
            if until_ms.is_some_and(|until| envelope.at_ms > until) {
                taken.more = true;
                break;
            }
            taken.last = Some((envelope.seq, envelope.at_ms));
            batch.add(&envelope, record).await?;
        }
    }
    batch.hand_over().await?;
    Ok(taken)
}

/// Records on their way to the components.
struct Batch {
    route: TakeOverRoute,
    records: Vec<Vec<u8>>,
    end: Position,
}

impl Batch {
    async fn add(&mut self, envelope: &Envelope, record: Vec<u8>) -> anyhow::Result<()> {
        let waiting = self.records.len();
        let fit = fitting(self.records.iter().chain([&record]).map(Vec::as_slice));
        if waiting == BATCH_MAX || fit <= waiting {
            self.hand_over().await?;
        }
        self.end = self.end.advance(envelope, &record)?;
        self.records.push(record);
        Ok(())
    }

    async fn hand_over(&mut self) -> anyhow::Result<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        let reached = self.route.take_over(std::mem::take(&mut self.records)).await?;
        anyhow::ensure!(
            reached == self.end.seq,
            "the components stand at event {reached} after taking over event {}",
            self.end.seq
        );
        Ok(())
    }
}
