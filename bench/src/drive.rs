//! Driving a server with `rlt` and reading what it measured.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use rlt::cli::BenchCli;
use rlt::{BenchSuite, IterInfo, IterReport, Status};
use tokio::time::Instant;

use crate::prepare::Prepared;
use crate::server::Server;

/// Connections that ask at once.
const CONNECTIONS: u32 = 8;

/// One scenario against one server.
#[derive(Clone)]
struct Suite {
    name: &'static str,
    url: String,
    prepared: Arc<Prepared>,
    next_quote: Arc<AtomicUsize>,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Requests answered as they should be.
    pub(crate) requests: u64,
    /// Requests a second.
    pub(crate) rate: f64,
    /// Middle latency.
    pub(crate) p50: Duration,
    /// Latency of the slowest hundredth.
    pub(crate) p99: Duration,
    /// CPU time of the server for each request.
    pub(crate) cpu: Duration,
}

impl Suite {
    fn request(&self, http: &reqwest::Client, info: &IterInfo) -> anyhow::Result<reqwest::RequestBuilder> {
        let url = &self.url;
        let mut token = &self.prepared.token;
        let request = match self.name {
            "read" => http.get(format!("{url}/v1/rides/{}", self.prepared.ride)),
            "nearest" => {
                // A different place each time, all over the city.
                let step = f64::from(u32::try_from(info.runner_seq % 10_007)?) / 10_007.0;
                let (lat, lon) = (-23.7 + 0.3 * step, -46.78 + 0.3 * (step * 61.0).fract());
                http.get(format!("{url}/v1/walkers/nearest?lat={lat}&lon={lon}&limit=10"))
            }
            "ride" => {
                let index = self.next_quote.fetch_add(1, Ordering::Relaxed);
                let ready = self.prepared.quotes.get(index).context("all prepared quotes are used")?;
                token = &self.prepared.tutors[ready.tutor];
                let body = serde_json::json!({ "quote_id": ready.quote, "pet_ids": [ready.pet] });
                http.post(format!("{url}/v1/rides")).json(&body)
            }
            _ => http.get(format!("{url}/v1/hello")),
        };
        Ok(request.bearer_auth(token))
    }
}

#[async_trait::async_trait]
impl BenchSuite for Suite {
    type WorkerState = reqwest::Client;

    async fn state(&self, _: u32) -> anyhow::Result<reqwest::Client> {
        Ok(reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?)
    }

    async fn bench(&mut self, http: &mut reqwest::Client, info: &IterInfo) -> anyhow::Result<IterReport> {
        let request = self.request(http, info)?;
        let begun = Instant::now();
        let response = request.send().await?;
        let status = response.status();
        let bytes = response.bytes().await?;
        anyhow::ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&bytes));
        Ok(IterReport {
            duration: begun.elapsed(),
            status: Status::success(i64::from(status.as_u16())),
            bytes: bytes.len() as u64,
            items: 1,
        })
    }
}

/// Drives `server` for so many seconds, at most at `rate` requests a second.
pub(crate) async fn drive(
    name: &'static str,
    server: &Server,
    prepared: &Arc<Prepared>,
    next_quote: &Arc<AtomicUsize>,
    seconds: u64,
    rate: Option<u32>,
) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("report.json");
    let mut words = vec![
        "load".to_owned(),
        format!("--concurrency={CONNECTIONS}"),
        format!("--duration={seconds}s"),
        "--collector=silent".to_owned(),
        "--output=json".to_owned(),
        format!("--output-file={}", file.display()),
    ];
    if let Some(rate) = rate {
        words.push(format!("--rate={rate}"));
    }
    let suite =
        Suite { name, url: server.url.clone(), prepared: prepared.clone(), next_quote: next_quote.clone() };
    let before = server.cpu()?;
    rlt::cli::run(BenchCli::try_parse_from(words)?, suite).await?;
    read_report(&file, server.cpu()?.saturating_sub(before))
}

fn read_report(file: &Path, cpu: Duration) -> anyhow::Result<Measured> {
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(file)?)?;
    if std::env::var_os("LOAD_RAW").is_some() {
        eprintln!("{report:#}");
    }
    let float = |pointer: &str| {
        report
            .pointer(pointer)
            .and_then(serde_json::Value::as_f64)
            .with_context(|| format!("no {pointer} in {report}"))
    };
    let failed = report["errors"].as_object().map_or(0, serde_json::Map::len);
    anyhow::ensure!(failed == 0, "requests failed: {}", report["errors"]);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests")]
    let requests = float("/summary/iters/total")? as u64;
    anyhow::ensure!(requests > 0, "nothing was answered");
    let nanos = cpu.as_nanos() / u128::from(requests);
    Ok(Measured {
        requests,
        rate: float("/summary/iters/rate")?,
        p50: Duration::from_secs_f64(float("/latency/percentiles/p50")?),
        p99: Duration::from_secs_f64(float("/latency/percentiles/p99")?),
        cpu: Duration::from_nanos(u64::try_from(nanos)?),
    })
}
