//! An application that another runtime serves, over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use edge_streams::{Deliver, DeliverError, Numbered, Outbox, Pending, StreamError};
use petwalker_journal::{Batch, Envelope};
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::proof::{HEADER, Prover};
use crate::clock::now_ms;

/// Bytes of the shortest secret that an application takes.
const SECRET_BYTES_MIN: usize = 32;
/// How long an answer may take, beside what it was asked to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of the longest answer that is read.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// How long the application waits for a new event before it says that there is none.
const WAIT: Duration = Duration::from_secs(15);
/// Between two attempts to reach an application that is away.
const RETRY: Duration = Duration::from_secs(1);

/// Why an application did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationError {
    /// No answer.
    #[error("{url} gave no answer: is the application running there?")]
    Away {
        /// What was asked.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It does not know the relay.
    #[error(
        "{url} does not know this relay: give the application the same secret in its variable 'relay_secret' \
         (for Spin: SPIN_VARIABLE_RELAY_SECRET)"
    )]
    Unknown {
        /// What was asked.
        url: String,
    },
    /// It refused.
    #[error("{url} answered {status}: {detail}")]
    Refused {
        /// What was asked.
        url: String,
        /// The status.
        status: u16,
        /// What it said.
        detail: String,
    },
    /// Its answer cannot be read.
    #[error("{url} answered what cannot be read: {reason}")]
    Unreadable {
        /// What was asked.
        url: String,
        /// What was expected.
        reason: String,
    },
}

/// The application, as its relay knows it.
pub struct Application {
    http: reqwest::Client,
    base: Url,
    prover: Prover,
}

#[derive(Serialize)]
struct Wanted {
    after: u64,
    limit: u32,
    wait_ms: u64,
}

#[derive(Deserialize)]
struct Told {
    region: String,
    records: Vec<ByteBuf>,
}

#[derive(Deserialize)]
struct Reached {
    reached: u64,
}

#[derive(Deserialize, Default)]
struct Problem {
    #[serde(default)]
    detail: String,
}

impl Application {
    /// The application at `url`, whose internal paths begin with `prefix`.
    ///
    /// # Errors
    /// When the URL is none, or the secret is too short for an application to take.
    pub fn new(url: &str, prefix: &str, secret: &[u8]) -> anyhow::Result<Self> {
        anyhow::ensure!(
            secret.len() >= SECRET_BYTES_MIN,
            "the relay's secret has {} bytes and must have {SECRET_BYTES_MIN} or more: make one with 'openssl rand -hex 32'",
            secret.len()
        );
        let mut base: Url = url.parse().with_context(|| format!("'{url}' is no URL"))?;
        anyhow::ensure!(
            matches!(base.scheme(), "http" | "https") && base.has_host(),
            "'{url}' must begin with http:// or https:// and name a host"
        );
        base.set_path(&format!("{}/", prefix.trim_end_matches('/')));
        base.set_query(None);
        // Nobody is to be sent a proof but the one it was made for.
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, base, prover: Prover::new(secret)? })
    }

    /// The region that the application serves, waiting for it to answer at all.
    ///
    /// # Errors
    /// When it does not answer in time, or refuses.
    pub async fn region_within(&self, patience: Duration) -> Result<String, ApplicationError> {
        let started = Instant::now();
        let mut waiting = false;
        loop {
            match self.outbox(0, 1, Duration::ZERO).await {
                Ok(told) => return Ok(told.region),
                Err(error @ ApplicationError::Away { .. }) if started.elapsed() < patience => {
                    if !std::mem::replace(&mut waiting, true) {
                        tracing::info!(%error, "waiting for the application");
                    }
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Fires its timers.
    ///
    /// # Errors
    /// When it is away or refuses.
    pub async fn tick(&self) -> Result<(), ApplicationError> {
        self.post("tick", Vec::new(), Duration::ZERO).await.map(drop)
    }

    async fn outbox(&self, after: u64, limit: u32, wait: Duration) -> Result<Told, ApplicationError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.ask("outbox", &Wanted { after, limit, wait_ms }, wait).await
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        path: &str,
        question: &impl Serialize,
        wait: Duration,
    ) -> Result<A, ApplicationError> {
        let unreadable =
            |reason: String| ApplicationError::Unreadable { url: format!("{}{path}", self.base), reason };
        let question = rmp_serde::to_vec_named(question).map_err(|e| unreadable(e.to_string()))?;
        let answer = self.post(path, question, wait).await?;
        rmp_serde::from_slice(&answer).map_err(|e| unreadable(e.to_string()))
    }

    async fn post(&self, path: &str, body: Vec<u8>, wait: Duration) -> Result<Vec<u8>, ApplicationError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        let away = |source: reqwest::Error| ApplicationError::Away {
            url: url.to_string(),
            source: source.without_url(),
        };
        let mut response = self
            .http
            .post(url.clone())
            .timeout(ANSWER_TIMEOUT + wait)
            .header(HEADER, self.prover.prove(url.path(), &body, now_ms()))
            .header(reqwest::header::CONTENT_TYPE, "application/msgpack")
            .body(body)
            .send()
            .await
            .map_err(away)?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > ANSWER_BYTES_MAX {
                let reason = format!("it is longer than {ANSWER_BYTES_MAX} bytes");
                return Err(ApplicationError::Unreadable { url: url.to_string(), reason });
            }
        }
        match status {
            _ if status.is_success() => Ok(answer),
            StatusCode::NOT_FOUND => Err(ApplicationError::Unknown { url: url.to_string() }),
            _ => {
                let Problem { detail } = serde_json::from_slice(&answer).unwrap_or_default();
                Err(ApplicationError::Refused { url: url.to_string(), status: status.as_u16(), detail })
            }
        }
    }
}

/// An error and what it comes of, in one line.
fn chain(error: ApplicationError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

/// The application's consumers.
pub struct Consumers(pub Arc<Application>);

impl Deliver for Consumers {
    async fn deliver(&self, records: Vec<Vec<u8>>) -> Result<u64, DeliverError> {
        let batch = Batch { records: records.into_iter().map(ByteBuf::from).collect() };
        let reached: Result<Reached, _> = self.0.ask("events", &batch, Duration::ZERO).await;
        reached.map(|answer| answer.reached).map_err(|e| DeliverError(chain(e)))
    }
}

/// The application's events, asked for over HTTP.
pub struct RemoteOutbox {
    application: Arc<Application>,
    /// The last number after which there was nothing.
    end: AtomicU64,
}

impl RemoteOutbox {
    /// The events of `application`.
    #[must_use]
    pub const fn new(application: Arc<Application>) -> Self {
        Self { application, end: AtomicU64::new(0) }
    }
}

impl Outbox for RemoteOutbox {
    fn read_after(&self, seq: u64, limit: u32) -> Pending<'_, Result<Numbered, StreamError>> {
        Box::pin(async move {
            let told = self.application.outbox(seq, limit, Duration::ZERO).await;
            let told = told.map_err(|error| StreamError::Outbox {
                url: self.application.base.to_string(),
                reason: chain(error),
            })?;
            if told.records.is_empty() {
                self.end.store(seq, Ordering::Relaxed);
            }
            let numbered = |record: ByteBuf| {
                let seq = Envelope::decode(&record)?.seq;
                Ok((seq, record.into_vec()))
            };
            told.records.into_iter().map(numbered).collect()
        })
    }

    fn changed(&mut self) -> Pending<'_, bool> {
        Box::pin(async move {
            let end = self.end.load(Ordering::Relaxed);
            if let Err(error) = self.application.outbox(end, 1, WAIT).await {
                // Whoever asks reads next, and is told of it there; an application that is away is not asked without pause.
                tracing::debug!(error = chain(error), "waiting for events");
                tokio::time::sleep(RETRY).await;
            }
            true
        })
    }
}
