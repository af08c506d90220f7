//! What edges ask each other: who they are, how busy, events that a topic lacks, and whole files.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use edge_data::lease::{Answer, Ask, Claimant, Terms};
use edge_delivery::regions::{Control, Place, Standing};
use edge_runtime::{Body, empty_body, full_body};
use edge_streams::{EventTable, Pending, Source, StreamError};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{oneshot, watch};

use super::lease::{Asker, LeaseBoard, LeaseView, Order};
use super::verify::{Holdings, holdings};
use super::{Regions, Shared, edge_of};

/// Events told at once.
const EVENTS_MAX: u32 = 500;
/// How long another edge has for a question.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long for one that it must read a whole file for.
const FILE_TIMEOUT: Duration = Duration::from_secs(120);

/// An edge as it tells of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EdgeStatus {
    /// Its name.
    pub(crate) name: String,
    /// As whom it holds leases.
    pub(crate) holder: String,
    /// How busy it is, 0 to 1.
    pub(crate) load: f64,
    /// The regions it knows.
    pub(crate) regions: Vec<RegionStatus>,
    /// Its replicas.
    #[serde(default)]
    pub(crate) replicas: Vec<ReplicaView>,
}

/// A replica as an edge tells of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReplicaView {
    /// The database's label.
    pub(crate) database: String,
    /// Writes of the primary that it shows.
    pub(crate) seen: u64,
    /// Whether the last attempt to keep it in step failed.
    pub(crate) failing: bool,
}

/// A region as an edge sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RegionStatus {
    /// Its name.
    pub(crate) name: String,
    /// The edge that owns it, as far as this one knows.
    pub(crate) owner: Option<String>,
    /// Whether that is this one.
    pub(crate) owned: bool,
    /// The newest epoch.
    pub(crate) epoch: u64,
    /// The last event here.
    pub(crate) seq: u64,
    /// Events read from the topic and not yet taken over.
    pub(crate) behind: u64,
    /// From an event's happening to its being taken over here, milliseconds.
    pub(crate) lag_ms: u64,
    /// The last event published and consumed, where it is owned here.
    pub(crate) published: u64,
    /// The last event consumed, where it is owned here.
    pub(crate) consumed: u64,
}

/// The events of a region, told to another edge.
#[derive(Serialize, Deserialize)]
struct Records {
    records: Vec<serde_bytes::ByteBuf>,
}

/// Answers the questions of other edges.
pub(crate) struct Answers {
    pub(crate) shared: Arc<Shared>,
    pub(crate) regions: Arc<Regions>,
}

impl Control for Answers {
    fn answer<'a>(
        &'a self,
        path: &'a str,
        query: Option<&'a str>,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send + 'a>> {
        Box::pin(async move {
            match self.try_answer(path, query.unwrap_or_default()).await {
                Ok(response) => response,
                Err(error) => {
                    tracing::warn!(path, error = format!("{error:#}"), "an edge's question was not answered");
                    let mut response = Response::new(full_body(format!("{error:#}\n")));
                    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                    response
                }
            }
        })
    }
}

impl Answers {
    async fn try_answer(&self, path: &str, query: &str) -> anyhow::Result<Response<Body>> {
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let region = || parameter("region").context("name a region");
        match path {
            "status" => {
                Ok(Response::new(full_body(serde_json::to_vec(&self.regions.status(&self.shared).await)?)))
            }
            "promise" => {
                let epoch =
                    parameter("epoch").and_then(|epoch| epoch.parse().ok()).context("which epoch?")?;
                let (tell, told) = oneshot::channel();
                self.regions.order(region()?, Order::Promise(epoch, tell)).await;
                let promised = tokio::time::timeout(ASK_TIMEOUT, told).await??;
                anyhow::ensure!(promised, "the lease is not this edge's to leave");
                Ok(Response::new(empty_body()))
            }
            "look" => {
                self.regions.order(region()?, Order::Look).await;
                Ok(Response::new(empty_body()))
            }
            "events" => {
                let after =
                    parameter("after").and_then(|after| after.parse().ok()).context("after which?")?;
                let database = self.regions.database(region()?).context("the region is not kept here")?;
                let records = EventTable::open(&database).await?.read_after(after, EVENTS_MAX).await?;
                let records = records.into_iter().map(|(_, record)| record.into()).collect();
                Ok(Response::new(full_body(rmp_serde::to_vec_named(&Records { records })?)))
            }
            "holdings" => {
                let database = self.regions.database(region()?).context("the region is not kept here")?;
                Ok(Response::new(full_body(serde_json::to_vec(&holdings(&database).await?)?)))
            }
            "snapshot" => {
                let database = self.regions.database(region()?).context("the region is not kept here")?;
                let folder = tempfile::tempdir_in(&self.shared.config.node.data)?;
                let copy = folder.path().join("snapshot.db");
                database.copy_to(&copy).await?;
                let file = std::fs::File::open(&copy)?;
                Ok(Response::new(file_body(file)))
            }
            _ => {
                let mut response = Response::new(full_body("no such question\n"));
                *response.status_mut() = StatusCode::NOT_FOUND;
                Ok(response)
            }
        }
    }
}

/// A file as a body, read as it is sent. The file may be gone from its folder by then.
fn file_body(file: std::fs::File) -> Body {
    use futures::TryStreamExt as _;
    let file = tokio::fs::File::from_std(file);
    let pieces = futures::stream::try_unfold(file, |mut file| async move {
        use tokio::io::AsyncReadExt as _;
        let mut piece = vec![0; 64 << 10];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        let frame = http_body::Frame::data(bytes::Bytes::from(piece));
        Ok::<_, std::io::Error>((read > 0).then_some((frame, file)))
    });
    let pieces = pieces.map_err(|e| edge_runtime::BodyError::InternalError(Some(e.to_string())));
    http_body_util::StreamBody::new(pieces).boxed_unsync()
}

impl Shared {
    /// Asks another edge.
    async fn ask(&self, edge: &str, path: &str, patience: Duration) -> anyhow::Result<Response<Body>> {
        let request = Request::builder().uri(path).header(http::header::HOST, "edge.internal");
        let request = request.body(empty_body())?;
        let response = tokio::time::timeout(patience, self.peers.ask(edge, request)).await??;
        anyhow::ensure!(response.status().is_success(), "edge '{edge}' answered {}", response.status());
        Ok(response)
    }

    async fn ask_bytes(&self, edge: &str, path: &str, patience: Duration) -> anyhow::Result<bytes::Bytes> {
        let body = self.ask(edge, path, patience).await?.into_body();
        Ok(tokio::time::timeout(patience, body.collect()).await??.to_bytes())
    }

    /// How another edge is.
    pub(crate) async fn status_of(&self, edge: &str) -> anyhow::Result<EdgeStatus> {
        Ok(serde_json::from_slice(&self.ask_bytes(edge, "/edge/status", ASK_TIMEOUT).await?)?)
    }

    /// What another edge holds of a region.
    pub(crate) async fn holdings_of(&self, edge: &str, region: &str) -> anyhow::Result<Holdings> {
        let path = format!("/edge/holdings?region={region}");
        let bytes = self.ask_bytes(edge, &path, FILE_TIMEOUT).await?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Tells another edge that a lease waits for it. Without it, it finds out a little later.
    pub(crate) async fn nudge(&self, edge: &str, region: &str) {
        if let Err(error) = self.ask(edge, &format!("/edge/look?region={region}"), ASK_TIMEOUT).await {
            tracing::warn!(edge, error = format!("{error:#}"), "the heir was not told");
        }
    }
}

/// The other edges that may own a region.
pub(crate) struct Others {
    pub(crate) shared: Arc<Shared>,
    pub(crate) edges: Vec<String>,
}

impl Others {
    /// Whether every one of them promises to leave the lease to the holder of that epoch.
    pub(crate) async fn promise(&self, region: &str, epoch: u64) -> bool {
        let asking = self.edges.iter().map(|edge| async move {
            let path = format!("/edge/promise?region={region}&epoch={epoch}");
            self.shared.ask(edge, &path, ASK_TIMEOUT).await.map(drop)
        });
        let answers = futures::future::join_all(asking).await;
        answers.iter().filter_map(|answer| answer.as_ref().err()).for_each(|error| {
            tracing::debug!(region, error = format!("{error:#}"), "no promise");
        });
        answers.iter().all(Result::is_ok)
    }
}

/// A copy of the region's file as its owner has it.
pub(crate) async fn snapshot(shared: &Shared, region: &str, lease: &LeaseView) -> anyhow::Result<PathBuf> {
    let owner = lease.holder.as_deref().map(edge_of).context("the region has no owner now")?;
    anyhow::ensure!(owner != shared.config.node.name, "the region's owner is not known");
    let path = shared.config.node.data.join(format!("{region}.snapshot"));
    // The owner copies the whole file before its first byte.
    let question = format!("/edge/snapshot?region={region}");
    let mut body = shared.ask(owner, &question, FILE_TIMEOUT).await?.into_body();
    let copying = async {
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).await?;
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                file.write_all(&data).await?;
            }
        }
        file.sync_all().await?;
        anyhow::Ok(())
    };
    tokio::time::timeout(FILE_TIMEOUT, copying).await.context("the copy did not end in time")??;
    Ok(path)
}

/// The region's owner, as somebody who is asked for events that the topic lacks.
pub(crate) struct OwnersEvents {
    pub(crate) shared: Arc<Shared>,
    pub(crate) region: String,
    pub(crate) lease: watch::Receiver<LeaseView>,
}

impl Source for OwnersEvents {
    fn records_after(&self, seq: u64) -> Pending<'_, Result<Vec<Vec<u8>>, StreamError>> {
        Box::pin(async move {
            let holder = self.lease.borrow().holder.clone();
            let Some(owner) = holder.as_deref().map(edge_of) else { return Ok(Vec::new()) };
            let path = format!("/edge/events?region={}&after={seq}", self.region);
            let asked = async {
                let bytes = self.shared.ask_bytes(owner, &path, ASK_TIMEOUT).await?;
                anyhow::Ok(rmp_serde::from_slice::<Records>(&bytes)?)
            };
            match asked.await {
                Ok(found) => Ok(found.records.into_iter().map(serde_bytes::ByteBuf::into_vec).collect()),
                Err(error) => {
                    tracing::warn!(
                        region = self.region,
                        error = format!("{error:#}"),
                        "the owner was not asked for events"
                    );
                    Ok(Vec::new())
                }
            }
        })
    }
}

/// Watches who owns a region that this node may not own, so that requests find their way.
pub(crate) async fn watch_owner(
    board: Arc<LeaseBoard>,
    region: String,
    terms: Terms,
    place: Place,
    mut stop: watch::Receiver<bool>,
) {
    let mut asker = Asker::new(board, region, Claimant::default());
    loop {
        // Where no answer comes, it is believed to be as it was.
        if let Answer::Found(lease) = asker.ask(&Ask::Look, ASK_TIMEOUT).await {
            let owner = lease.map(|lease| edge_of(&lease.holder).to_owned());
            place.set(owner.map_or(Standing::Nobody, Standing::Elsewhere));
        }
        if tokio::time::timeout(terms.term / 10, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}
