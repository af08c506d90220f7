//! A topic kept by a Fluvio cluster.

mod tls;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use fluvio::consumer::{ConsumerConfigExt, RetryMode};
use fluvio::dataplane::link::ErrorCode;
use fluvio::metadata::topic::TopicSpec;
use fluvio::{
    DeliverySemantic, Fluvio, FluvioClusterConfig, Isolation, Offset, RecordKey, RetryPolicy,
    TopicProducerConfigBuilder, TopicProducerPool,
};
use fluvio_future::net::{DefaultDomainConnector, DomainConnector};
use futures::future::FutureExt as _;
use futures::stream::{BoxStream, StreamExt as _};
use tokio::sync::Mutex;

use self::tls::MutualTls;
use crate::topic::{Entry, Pending, Reader, StreamError, Tail, Topic};

/// How long the broker has for one request, connecting included.
const TIMEOUT: Duration = Duration::from_secs(5);
/// After how long without a record the end of what is to be had is reached.
const SILENCE: Duration = Duration::from_secs(1);
/// Bytes sent in one request; a larger batch is sent in several.
const BATCH_BYTES: usize = 900 << 10;
/// Entries handed to a reader at once.
const READ_MAX: usize = 1_024;

pub use fluvio::Compression;

/// Where a topic is, and how it is kept.
#[derive(Clone, Debug)]
pub struct FluvioSettings {
    /// Address of the cluster's controller, host and port.
    pub endpoint: String,
    /// Certificates, where the cluster wants them.
    pub tls: Option<FluvioTls>,
    /// Copies of each record. Used when the topic is created.
    pub replicas: u32,
    /// Whether a missing topic is created.
    pub create: bool,
    /// How records are packed on their way.
    pub compression: Compression,
}

/// Certificates for both sides.
#[derive(Clone, Debug)]
pub struct FluvioTls {
    /// The name in the cluster's certificate.
    pub domain: String,
    /// PEM file with our key.
    pub key: PathBuf,
    /// PEM file with our certificate.
    pub certificate: PathBuf,
    /// PEM file with the certificate of who signed the cluster's.
    pub authority: PathBuf,
}

/// One topic with one partition. Connects when it is used, and anew after an error.
pub struct FluvioTopic {
    settings: FluvioSettings,
    name: String,
    /// What is connected. Held while appending: records of two appends do not mix.
    live: Mutex<Option<Live>>,
}

struct Live {
    producer: TopicProducerPool,
    /// Its connections carry what is produced.
    _client: Fluvio,
}

impl FluvioTopic {
    /// The topic `name` of the cluster that `settings` describe.
    #[must_use]
    pub fn new(settings: FluvioSettings, name: String) -> Self {
        Self { settings, name, live: Mutex::new(None) }
    }

    /// Bounds `work` in time and says what failed.
    async fn within<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> Result<T, StreamError> {
        let (endpoint, topic) = (self.settings.endpoint.clone(), self.name.clone());
        match tokio::time::timeout(TIMEOUT, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(StreamError::Broker { endpoint, topic, reason: format!("{error:#}") }),
            Err(_) => Err(StreamError::TimedOut { endpoint, topic, seconds: TIMEOUT.as_secs() }),
        }
    }

    async fn connect(&self) -> anyhow::Result<Fluvio> {
        let config = FluvioClusterConfig::new(&self.settings.endpoint);
        let connector: DomainConnector = match &self.settings.tls {
            Some(tls) => Box::new(MutualTls::new(tls)?),
            None => Box::new(DefaultDomainConnector::new()),
        };
        Fluvio::connect_with_connector(connector, &config).await
    }

    /// Creates the topic where it is missing.
    async fn ensure(&self, client: &Fluvio) -> anyhow::Result<()> {
        if !self.settings.create {
            return Ok(());
        }
        let admin = client.admin().await;
        let known = admin.list::<TopicSpec, String>(vec![self.name.clone()]).await?;
        if known.iter().any(|topic| topic.name == self.name) {
            return Ok(());
        }
        let spec = TopicSpec::new_computed(1, self.settings.replicas, None);
        match admin.create(self.name.clone(), false, spec).await {
            // Another node was faster.
            Err(error) if error.to_string().to_lowercase().contains("already exists") => Ok(()),
            other => other,
        }
    }

    async fn produce(&self, live: &mut Option<Live>, records: Vec<Vec<u8>>) -> anyhow::Result<()> {
        let live = match live {
            Some(live) => live,
            None => {
                let client = self.connect().await?;
                self.ensure(&client).await?;
                // Trying again is the relay's, which keeps the order: the client's own retries could turn it.
                let once = RetryPolicy { max_retries: 0, timeout: TIMEOUT, ..RetryPolicy::default() };
                let config = TopicProducerConfigBuilder::default()
                    .batch_size(BATCH_BYTES)
                    .isolation(Isolation::ReadCommitted)
                    .delivery_semantic(DeliverySemantic::AtLeastOnce(once))
                    .compression(self.settings.compression)
                    .timeout(TIMEOUT)
                    .build()?;
                let producer = client.topic_producer_with_config(&self.name, config).await?;
                live.insert(Live { producer, _client: client })
            }
        };
        let sent = live.producer.send_all(records.into_iter().map(|r| (RecordKey::NULL, r))).await?;
        live.producer.flush().await?;
        for output in sent {
            output.wait().await?;
        }
        Ok(())
    }

    /// The last committed records, as far as each comes within `patience` of the one before.
    async fn read_tail(&self, count: u32, patience: Duration) -> anyhow::Result<Tail> {
        let client = self.connect().await?;
        self.ensure(&client).await?;
        let mut records = self.stream(&client, Offset::from_end(count), true).await?;
        let mut entries = Vec::new();
        loop {
            match tokio::time::timeout(patience, records.next()).await {
                Ok(Some(record)) => {
                    entries.push(entry(&record.map_err(|code| anyhow::anyhow!("{code}"))?));
                }
                ended => return Ok(Tail { entries, whole: ended.is_ok() }),
            }
        }
    }

    /// Records from `start` on; until the last committed one, or for ever.
    async fn stream(
        &self,
        client: &Fluvio,
        start: Offset,
        to_the_end: bool,
    ) -> anyhow::Result<BoxStream<'static, Result<fluvio::consumer::Record, ErrorCode>>> {
        let config = ConsumerConfigExt::builder()
            .topic(self.name.clone())
            .partition(0)
            .offset_start(start)
            .isolation(Isolation::ReadCommitted)
            .disable_continuous(to_the_end)
            .retry_mode(RetryMode::Disabled)
            .build()?;
        Ok(client.consumer_with_config(config).await?.boxed())
    }
}

impl Topic for FluvioTopic {
    fn append(&self, records: Vec<Vec<u8>>) -> Pending<'_, Result<(), StreamError>> {
        Box::pin(async move {
            let mut live = self.live.lock().await;
            let appended = self.within(self.produce(&mut live, records)).await;
            if appended.is_err() {
                *live = None;
            }
            appended
        })
    }

    fn read(&self, place: u64) -> Pending<'_, Result<Box<dyn Reader>, StreamError>> {
        let opened = async move {
            let client = self.connect().await?;
            self.ensure(&client).await?;
            let from = Offset::absolute(i64::try_from(place).unwrap_or(i64::MAX))?;
            let records = match self.stream(&client, from, false).await {
                Ok(records) => records,
                // Kept no longer, or a topic made anew.
                Err(error) if is_out_of_range(&error) => {
                    self.stream(&client, Offset::beginning(), false).await?
                }
                Err(error) => return Err(error),
            };
            let (endpoint, topic) = (self.settings.endpoint.clone(), self.name.clone());
            Ok(Box::new(FluvioReader { records, endpoint, topic, _client: client }) as Box<dyn Reader>)
        };
        Box::pin(self.within(opened))
    }

    fn tail(&self, count: u32) -> Pending<'_, Result<Vec<Entry>, StreamError>> {
        // Longer than the whole question may take: what is not all of it is no answer.
        Box::pin(async move { Ok(self.within(self.read_tail(count, TIMEOUT * 2)).await?.entries) })
    }

    /// After both replicas of a topic were killed (Fluvio 0.50), the leader counts a record as committed that it gives to
    /// nobody who reads committed ones, and its follower asks for nothing, until the next append.
    fn tail_so_far(&self, count: u32) -> Pending<'_, Result<Tail, StreamError>> {
        Box::pin(self.within(self.read_tail(count, SILENCE)))
    }

    fn show_all(&self, last: Vec<Vec<u8>>) -> Pending<'_, Result<(), StreamError>> {
        self.append(last)
    }
}

struct FluvioReader {
    records: BoxStream<'static, Result<fluvio::consumer::Record, ErrorCode>>,
    endpoint: String,
    topic: String,
    /// Its connections carry the stream.
    _client: Fluvio,
}

impl FluvioReader {
    fn error(&self, reason: String) -> StreamError {
        StreamError::Broker { endpoint: self.endpoint.clone(), topic: self.topic.clone(), reason }
    }
}

impl Reader for FluvioReader {
    fn next(&mut self) -> Pending<'_, Result<Vec<Entry>, StreamError>> {
        Box::pin(async move {
            let mut entries = Vec::new();
            let mut next = self.records.next().await;
            loop {
                match next {
                    Some(Ok(record)) => entries.push(entry(&record)),
                    // What was read is handed over; the error comes again with the next call, or the end does.
                    Some(Err(_)) | None if !entries.is_empty() => return Ok(entries),
                    Some(Err(code)) => return Err(self.error(code.to_string())),
                    None => return Err(self.error("the stream ended".to_owned())),
                }
                if entries.len() >= READ_MAX {
                    return Ok(entries);
                }
                match self.records.next().now_or_never() {
                    Some(more) => next = more,
                    None => return Ok(entries),
                }
            }
        })
    }
}

fn entry(record: &fluvio::consumer::Record) -> Entry {
    Entry { place: u64::try_from(record.offset()).unwrap_or_default(), record: record.value().to_vec() }
}

fn is_out_of_range(error: &anyhow::Error) -> bool {
    error.chain().any(|e| e.to_string().to_lowercase().contains("out of range"))
}
