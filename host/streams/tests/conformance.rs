//! What every topic does, whoever keeps it: the same cases against the event table, a file, and a real Fluvio cluster,
//! where `PETWALKER_FLUVIO` says where one is.

use std::sync::Arc;
use std::time::Duration;

use edge_data::{LocalDatabase, PoolOptions};
use edge_streams::{
    Compression, DeliverError, EmbeddedTopic, Entry, EventTable, FileTopic, FluvioSettings, FluvioTopic,
    Follower, Pending, Publish, Reader, Relay, Source, StreamError, TakeOver, Topic, Verdict,
};
use petwalker_journal::{Envelope, Position, RecordDigest, digest};
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(30);

/// A region's database and the topic that its events are published in.
struct Place {
    database: LocalDatabase,
    topic: Arc<dyn Topic>,
    written: std::sync::Mutex<(u64, RecordDigest)>,
    _folder: tempfile::TempDir,
}

async fn database() -> (tempfile::TempDir, LocalDatabase) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("region.db");
    let database = LocalDatabase::open(&path, PoolOptions::default()).await.expect("opens");
    let table =
        "CREATE TABLE events (seq INTEGER PRIMARY KEY, record BLOB NOT NULL, type TEXT NOT NULL DEFAULT '')";
    database.connect().await.expect("connects").execute(table, ()).await.expect("created");
    (folder, database)
}

impl Place {
    async fn embedded() -> Self {
        let (folder, database) = database().await;
        let topic = Arc::new(EmbeddedTopic::new(database.clone()));
        Self { database, topic, written: (0, RecordDigest::GENESIS).into(), _folder: folder }
    }

    async fn file() -> Self {
        let (folder, database) = database().await;
        let topic = FileTopic::open(&folder.path().join("topic.db")).await.expect("opens");
        let topic = Arc::new(topic);
        Self { database, topic, written: (0, RecordDigest::GENESIS).into(), _folder: folder }
    }

    /// A topic of its own on the cluster; none where there is no cluster.
    async fn fluvio(case: &str) -> Option<Self> {
        let Ok(endpoint) = std::env::var("PETWALKER_FLUVIO") else {
            eprintln!("skipped: {case} against Fluvio (PETWALKER_FLUVIO is not set)");
            return None;
        };
        let settings =
            FluvioSettings { endpoint, tls: None, replicas: 2, create: true, compression: Compression::Lz4 };
        let unique = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_nanos();
        let topic = Arc::new(FluvioTopic::new(settings, format!("conformance-{unique}")));
        let (folder, database) = database().await;
        Some(Self { database, topic, written: (0, RecordDigest::GENESIS).into(), _folder: folder })
    }

    /// Commits `count` more events, all at once.
    async fn write(&self, count: u64) -> Vec<Vec<u8>> {
        let mut sql = String::from("BEGIN IMMEDIATE;");
        let mut records = Vec::new();
        {
            let mut written = self.written.lock().expect("no panic");
            for _ in 0..count {
                let envelope = Envelope {
                    event_id: format!("{}", written.0 + 1),
                    event_type: "thing.happened".to_owned(),
                    stream_id: "thing".to_owned(),
                    version: 1,
                    region: "here".to_owned(),
                    epoch: 1,
                    seq: written.0 + 1,
                    previous: written.1,
                    at_ms: 0,
                    schema: 1,
                    payload: vec![0x80],
                    command: None,
                };
                let record = envelope.encode().expect("encodes");
                *written = (envelope.seq, digest(&record));
                sql.push_str(&format!(
                    "INSERT INTO events (seq, record) VALUES ({}, x'{}');",
                    envelope.seq,
                    hex(&record)
                ));
                records.push(record);
            }
        }
        sql.push_str("COMMIT;");
        let mut connection = edge_runtime::storage::SqlDatabase::open(&self.database);
        for statement in sql.split_inclusive(';') {
            connection.execute(statement.trim_end_matches(';'), vec![]).await.expect("written");
        }
        records
    }

    /// Runs a relay until it published everything that is written. False: an attempt failed, so some may be there twice.
    async fn publish(&self) -> bool {
        let table = EventTable::open(&self.database).await.expect("opens");
        let last = table.last_seq().await.expect("read");
        let own = EventTable::open(&self.database).await.expect("opens");
        let relay = Relay::new(table, Publish::new(self.topic.clone(), own));
        let status = relay.status();
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(relay.run(stopped));
        tokio::time::timeout(PATIENCE, status.reached(last)).await.expect("published");
        stop.send_replace(true);
        running.await.expect("no panic");
        status.failures() == 0
    }

    /// Appends, and again where that fails, as a relay does.
    async fn append(&self, records: &[Vec<u8>]) {
        let appended = async {
            while let Err(error) = self.topic.append(records.to_vec()).await {
                eprintln!("appended again: {error}");
            }
        };
        tokio::time::timeout(PATIENCE, appended).await.expect("appended");
    }

    /// The next entries that the reader has not seen before.
    async fn next(reader: &mut Box<dyn Reader>, follower: &mut Follower) -> Vec<Entry> {
        loop {
            let entries =
                tokio::time::timeout(PATIENCE, reader.next()).await.expect("in time").expect("read");
            let is_new = |entry: &Entry| follower.judge(&entry.record).expect("a record") == Verdict::Next;
            let new: Vec<Entry> = entries.into_iter().filter(is_new).collect();
            if !new.is_empty() {
                return new;
            }
        }
    }

    /// What a reader applies, from the beginning, until it has `count`.
    async fn applied(&self, count: usize) -> Vec<Vec<u8>> {
        let mut reader = self.topic.read(0).await.expect("reads");
        let mut follower = Follower::at(Position::START);
        let mut applied = Vec::new();
        let mut place = None;
        while applied.len() < count {
            let entries =
                tokio::time::timeout(PATIENCE, reader.next()).await.expect("in time").expect("read");
            for entry in entries {
                assert!(place < Some(entry.place), "places rise");
                place = Some(entry.place);
                match follower.judge(&entry.record).expect("a record") {
                    Verdict::Next => applied.push(entry.record),
                    Verdict::Repeated => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        applied
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Runs a case against every keeper.
macro_rules! every_keeper {
    ($($case:ident)*) => {$(
        mod $case {
            #[tokio::test]
            async fn embedded() {
                super::cases::$case(super::Place::embedded().await).await;
            }

            #[tokio::test]
            async fn file() {
                super::cases::$case(super::Place::file().await).await;
            }

            #[tokio::test]
            async fn fluvio() {
                super::crypto();
                if let Some(place) = super::Place::fluvio(&stringify!($case).replace('_', "-")).await {
                    super::cases::$case(place).await;
                }
            }
        }
    )*};
}

/// Two providers are linked, so one must be chosen.
fn crypto() {
    // Another test was first: then it is chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

every_keeper! {
    records_come_back_as_they_were
    a_reader_waits_for_what_comes
    a_reader_goes_on_where_it_was
    the_tail_is_the_end
    a_relay_that_starts_anew_goes_on
    what_is_appended_twice_is_applied_once
    a_topic_is_compared_with_its_table
    a_standby_takes_over_each_event_once
}

/// Stores what it is handed as a standby does, but for one time in three, when it says that it did not.
struct Taker {
    database: LocalDatabase,
    calls: std::sync::atomic::AtomicU64,
}

impl TakeOver for Taker {
    async fn take_over(&self, records: Vec<Vec<u8>>) -> Result<u64, DeliverError> {
        let failed = |e: &dyn std::fmt::Display| DeliverError(e.to_string());
        let connection = self.database.connect().await.map_err(|e| failed(&e))?;
        for record in records {
            let seq = Envelope::decode(&record).map_err(|e| failed(&e))?.seq;
            let insert = "INSERT OR IGNORE INTO events (seq, record) VALUES (?1, ?2)";
            connection.execute(insert, libsql::params![seq, record]).await.map_err(|e| failed(&e))?;
        }
        if self.calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 3 == 1 {
            return Err(DeliverError("stored, but the answer was lost on purpose".to_owned()));
        }
        EventTable::open(&self.database)
            .await
            .map_err(|e| failed(&e))?
            .last_seq()
            .await
            .map_err(|e| failed(&e))
    }
}

/// The owner, as somebody who is asked for what the topic lacks.
struct Owner(LocalDatabase);

impl Source for Owner {
    fn records_after(&self, seq: u64) -> Pending<'_, Result<Vec<Vec<u8>>, StreamError>> {
        Box::pin(async move {
            let found = EventTable::open(&self.0).await?.read_after(seq, 100).await?;
            Ok(found.into_iter().map(|(_, record)| record).collect())
        })
    }
}

mod cases {
    use super::{Owner, PATIENCE, Place, Taker};
    use edge_streams::{Comparison, EventTable, Follower, Standby, StandbyError, StandbyStatus, compare};
    use petwalker_journal::{Envelope, Position};
    use std::sync::Arc;
    use tokio::sync::watch;

    pub(super) async fn records_come_back_as_they_were(place: Place) {
        let written = place.write(3_000).await;
        place.publish().await;
        assert_eq!(place.applied(written.len()).await, written);
    }

    pub(super) async fn a_reader_waits_for_what_comes(place: Place) {
        place.write(1).await;
        place.publish().await;
        let mut reader = place.topic.read(0).await.expect("reads");
        let mut follower = Follower::at(Position::START);
        let first = Place::next(&mut reader, &mut follower).await;
        assert_eq!(first.len(), 1);
        let waiting = tokio::spawn(async move { Place::next(&mut reader, &mut follower).await });
        let written = place.write(1).await;
        place.publish().await;
        let second = waiting.await.expect("no panic");
        assert_eq!(second.iter().map(|e| &e.record).collect::<Vec<_>>(), [&written[0]]);
        assert!(second[0].place > first[0].place);
    }

    pub(super) async fn a_reader_goes_on_where_it_was(place: Place) {
        let written = place.write(40).await;
        place.publish().await;
        let mut reader = place.topic.read(0).await.expect("reads");
        let mut follower = Follower::at(Position::START);
        let mut read = Vec::new();
        while read.len() < 20 {
            read.extend(Place::next(&mut reader, &mut follower).await);
        }
        drop(reader);
        let mut reader = place.topic.read(read[19].place + 1).await.expect("reads");
        let mut follower = Follower::at(read.iter().take(20).fold(Position::START, |at, entry| {
            let envelope = Envelope::decode(&entry.record).expect("a record");
            at.advance(&envelope, &entry.record).expect("the next")
        }));
        let next = Place::next(&mut reader, &mut follower).await;
        assert_eq!(next[0].record, written[20]);
    }

    pub(super) async fn the_tail_is_the_end(place: Place) {
        assert_eq!(place.topic.tail(5).await.expect("read"), []);
        let written = place.write(12).await;
        let once = place.publish().await;
        let tail = place.topic.tail(5).await.expect("read");
        assert_eq!(tail.iter().map(|e| e.record.clone()).collect::<Vec<_>>(), written[7..]);
        let all = place.topic.tail(50).await.expect("read").len();
        assert!(all == 12 || (!once && all > 12), "{all}");
    }

    pub(super) async fn a_relay_that_starts_anew_goes_on(place: Place) {
        let mut written = Vec::new();
        let mut once = true;
        for count in [3, 1, 200] {
            written.extend(place.write(count).await);
            once &= place.publish().await;
        }
        // Each went on from what the topic held: nothing came twice, but for what an attempt had failed with.
        let tail = place.topic.tail(1_000).await.expect("read");
        if once {
            assert_eq!(tail.into_iter().map(|e| e.record).collect::<Vec<_>>(), written);
        }
        assert_eq!(place.applied(written.len()).await, written);
    }

    pub(super) async fn what_is_appended_twice_is_applied_once(place: Place) {
        let mut written = place.write(10).await;
        place.append(&written).await;
        place.append(&written[4..]).await;
        written.extend(place.write(2).await);
        place.publish().await;
        assert_eq!(place.applied(written.len()).await, written);
    }

    pub(super) async fn a_topic_is_compared_with_its_table(place: Place) {
        let table = EventTable::open(&place.database).await.expect("opens");
        let nothing = compare(&table, &*place.topic).await.expect("compared");
        assert_eq!(nothing, Comparison::default());
        place.write(700).await;
        place.publish().await;
        place.write(3).await;
        let found = compare(&table, &*place.topic).await.expect("compared");
        assert_eq!((found.difference, found.stale), (None, 0));
        // Where the table is the stream, what is committed is published.
        assert_eq!(found.same + found.unpublished, 703);
        assert_eq!(found.range, Some((1, found.same)));
    }

    pub(super) async fn a_standby_takes_over_each_event_once(place: Place) {
        let mut written = place.write(700).await;
        place.append(&written[..300]).await;
        // The topic lacks some, which the owner has, and has some twice.
        place.append(&written[200..300]).await;
        place.append(&written[310..]).await;
        let (_folder, own) = super::database().await;
        let taker = || Taker { database: own.clone(), calls: 0.into() };
        let status = StandbyStatus::default();
        let standby = |owner: Option<Owner>| {
            let source = owner.map(|owner| Arc::new(owner) as Arc<dyn edge_streams::Source>);
            Standby::new(place.topic.clone(), own.clone(), source, taker(), status.clone())
        };
        let alone = loop {
            match standby(None).catch_up().await {
                Err(StandbyError::TakeOver(_)) => {}
                other => break other,
            }
        };
        let complete = EventTable::open(&own).await.expect("opens").last_seq().await.expect("read") == 700;
        if let Err(error) = alone {
            assert!(matches!(error, StandbyError::Missing { from: 301, to: 310 }), "{error}");
        } else {
            assert!(complete, "where the table is the stream it lacks nothing");
        }
        let (stop, stopped) = watch::channel(false);
        let following = standby(Some(Owner(place.database.clone())));
        let following = tokio::spawn(async move { following.follow(stopped).await });
        written.extend(place.write(5).await);
        place.append(&written[700..]).await;
        tokio::time::timeout(PATIENCE, async {
            let table = EventTable::open(&own).await.expect("opens");
            while table.last_seq().await.expect("read") < 705 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("it follows");
        stop.send_replace(true);
        following.await.expect("no panic").expect("nothing is wrong");
        let stored = EventTable::open(&own).await.expect("opens").read_after(0, 1_000).await.expect("read");
        assert_eq!(stored.into_iter().map(|(_, record)| record).collect::<Vec<_>>(), written);
        assert_eq!(status.repaired(), if complete { 0 } else { 10 });
    }
}

/// A topic whose first reader is never told of anything.
struct Mute {
    topic: Arc<dyn Topic>,
    asked: std::sync::atomic::AtomicBool,
}

struct Nothing;

impl Reader for Nothing {
    fn next(&mut self) -> Pending<'_, Result<Vec<Entry>, StreamError>> {
        Box::pin(std::future::pending())
    }
}

impl Topic for Mute {
    fn append(&self, records: Vec<Vec<u8>>) -> Pending<'_, Result<(), StreamError>> {
        self.topic.append(records)
    }

    fn read(&self, place: u64) -> Pending<'_, Result<Box<dyn Reader>, StreamError>> {
        // The first question is for the first record, the second is the reader.
        if place > 0 && !self.asked.swap(true, std::sync::atomic::Ordering::AcqRel) {
            return Box::pin(async { Ok(Box::new(Nothing) as Box<dyn Reader>) });
        }
        self.topic.read(place)
    }

    fn tail(&self, count: u32) -> Pending<'_, Result<Vec<Entry>, StreamError>> {
        self.topic.tail(count)
    }
}

#[tokio::test]
async fn a_reader_that_falls_silent_is_replaced() {
    let (_folder, own) = database().await;
    let place = Place::embedded().await;
    let written = place.write(5).await;
    let taker = || Taker { database: own.clone(), calls: 0.into() };
    taker().take_over(written[..2].to_vec()).await.expect("taken over");
    let mute = Arc::new(Mute { topic: place.topic.clone(), asked: false.into() });
    let standby =
        edge_streams::Standby::new(mute, own.clone(), None, taker(), edge_streams::StandbyStatus::default());
    let (stop, stopped) = watch::channel(false);
    let following = tokio::spawn(async move { standby.follow(stopped).await });
    tokio::time::timeout(PATIENCE, async {
        let table = EventTable::open(&own).await.expect("opens");
        while table.last_seq().await.expect("read") < 5 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it follows again");
    stop.send_replace(true);
    following.await.expect("no panic").expect("nothing is wrong");
}
