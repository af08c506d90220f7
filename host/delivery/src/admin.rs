//! Health and metrics, on a listener of their own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use edge_data::ReplicatedDatabase;
use edge_runtime::{App, Body, full_body};
use edge_streams::RelayStatus;
use http::{Method, Request, Response, StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Mutex;

use crate::problem::problem;
use crate::readiness::Readiness;

/// What becomes of a wish.
pub type Done<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// What is told of a question.
pub type Told<'a> = Pin<Box<dyn Future<Output = Result<serde_json::Value, String>> + Send + 'a>>;

/// What an operator asks of a node among others.
pub trait Operations: Send + Sync + 'static {
    /// The node and its regions, as JSON.
    fn status(&self) -> Told<'_>;

    /// Hands a region over to another edge; why not, where that fails.
    fn hand_over<'a>(&'a self, region: &'a str, to: &'a str) -> Done<'a>;

    /// Compares what this node and the others hold of a region, as JSON; why not, where that fails.
    fn verify<'a>(&'a self, region: &'a str) -> Told<'a>;

    /// Brings the regions' figures up to date.
    fn refresh(&self) -> Done<'_>;
}

/// The service behind the admin listener.
pub struct Admin {
    app: Option<Arc<App>>,
    relays: Vec<(&'static str, RelayStatus)>,
    replicated: Vec<(String, ReplicatedDatabase)>,
    metrics: PrometheusHandle,
    readiness: Option<Readiness>,
    operations: Option<Arc<dyn Operations>>,
}

impl Admin {
    /// Reports on the relays by what they deliver to; ready as soon as it answers.
    #[must_use]
    pub const fn new(relays: Vec<(&'static str, RelayStatus)>, metrics: PrometheusHandle) -> Self {
        Self { app: None, relays, replicated: Vec::new(), metrics, readiness: None, operations: None }
    }

    /// Ready when what is asked says so.
    #[must_use]
    pub fn with_readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = Some(readiness);
        self
    }

    /// Reports on an application, too, and on the replicas that it reads, by their label.
    #[must_use]
    pub fn with_app(mut self, app: Arc<App>, replicated: Vec<(String, ReplicatedDatabase)>) -> Self {
        (self.app, self.replicated) = (Some(app), replicated);
        self
    }

    /// Takes what an operator asks of a node among others, too.
    #[must_use]
    pub fn with_operations(mut self, operations: Arc<dyn Operations>) -> Self {
        self.operations = Some(operations);
        self
    }

    /// Answers one request.
    pub async fn handle<B>(&self, request: &Request<B>) -> Response<Body> {
        let path = request.uri().path();
        match (&self.operations, request.method()) {
            (Some(operations), &Method::GET) if path == "/status" => {
                told(operations.status().await, "no-status")
            }
            (Some(operations), &Method::GET) if path.starts_with("/regions/") => {
                let region = path.strip_prefix("/regions/").and_then(|rest| rest.strip_suffix("/verify"));
                told(operations.verify(region.unwrap_or_default()).await, "not-verified")
            }
            (Some(operations), &Method::POST) if path.starts_with("/regions/") => {
                hand_over(&**operations, path, request.uri().query().unwrap_or_default()).await
            }
            _ => self.answer(request).await,
        }
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" => self.ready().await,
            "/metrics" => text(StatusCode::OK, self.scrape().await),
            _ => problem(
                StatusCode::NOT_FOUND,
                "no-route",
                "the admin paths are /healthz, /readyz and /metrics",
            ),
        }
    }

    /// Asks the public listener and the components.
    async fn ready(&self) -> Response<Body> {
        let asked = match &self.readiness {
            Some(readiness) => readiness.ask().await,
            None => Ok(None),
        };
        match asked {
            Ok(None) => text(StatusCode::OK, "ready\n".to_owned()),
            Ok(Some(but)) => text(StatusCode::OK, format!("ready; {but}\n")),
            Err(why) => {
                tracing::warn!(why, "the node is not ready");
                text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n"))
            }
        }
    }

    /// This node's figures. A process has one set of gauges, so nodes that share it are asked one after the other: what each
    /// of them sets is its own in its answer.
    async fn scrape(&self) -> String {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
        let _alone = ONE_AT_A_TIME.lock().await;
        self.refresh().await;
        self.metrics.render()
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges are doubles")]
    async fn refresh(&self) {
        if let Some(operations) = &self.operations
            && let Err(error) = operations.refresh().await
        {
            tracing::warn!(error, "the regions' figures are not up to date");
        }
        if let Some(readiness) = &self.readiness {
            metrics::gauge!("connections_open").set(readiness.listener.open() as f64);
            metrics::gauge!("disk_free_bytes").set(readiness.disk.free_bytes() as f64);
            metrics::gauge!("disk_full").set(f64::from(u8::from(readiness.disk.is_full())));
        }
        for component in self.app.iter().flat_map(|app| app.status()) {
            let id = component.id;
            for (lane, free) in component.others_free {
                metrics::gauge!("component_lane_permits_free", "component" => id.clone(), "lane" => lane)
                    .set(free as f64);
            }
            metrics::gauge!("component_permits_free", "component" => id.clone())
                .set(component.permits_free as f64);
            metrics::gauge!("component_instances", "component" => id.clone()).set(component.instances as f64);
            metrics::counter!("component_instances_started_total", "component" => id.clone())
                .absolute(component.instances_started);
            metrics::gauge!("component_instance_failures", "component" => id).set(component.traps as f64);
        }
        for (label, database) in &self.replicated {
            let status = database.status();
            let gauge = |name: &'static str| metrics::gauge!(name, "database" => label.clone());
            gauge("replica_writes_seen").set(status.seen as f64);
            gauge("replica_writes_wanted").set(status.wanted as f64);
            gauge("replica_failing").set(f64::from(u8::from(status.failing)));
            gauge("replica_held").set(f64::from(u8::from(status.held)));
            gauge("replica_failures").set(status.failures as f64);
            gauge("replica_rebuilt").set(status.rebuilt as f64);
        }
        for (to, relay) in &self.relays {
            metrics::gauge!("stream_delivered_seq", "to" => *to).set(relay.delivered() as f64);
            metrics::gauge!("stream_delivery_failures", "to" => *to).set(relay.failures() as f64);
            metrics::gauge!("stream_delivery_failing", "to" => *to)
                .set(f64::from(u8::from(relay.is_failing())));
        }
    }
}

/// `POST /regions/{region}/hand-over?to={edge}`.
async fn hand_over(operations: &dyn Operations, path: &str, query: &str) -> Response<Body> {
    let region = path.strip_prefix("/regions/").and_then(|rest| rest.strip_suffix("/hand-over"));
    let to = query.split('&').find_map(|pair| pair.strip_prefix("to="));
    let (Some(region), Some(to)) = (region, to) else {
        let detail = "POST /regions/{region}/hand-over?to={edge}";
        return problem(StatusCode::NOT_FOUND, "no-route", detail);
    };
    match operations.hand_over(region, to).await {
        Ok(()) => text(StatusCode::OK, "handed over\n".to_owned()),
        Err(why) => problem(StatusCode::CONFLICT, "not-handed-over", &why),
    }
}

fn told(answer: Result<serde_json::Value, String>, code: &str) -> Response<Body> {
    match answer {
        Ok(value) => json(&value),
        Err(why) => problem(StatusCode::CONFLICT, code, &why),
    }
}

fn json(value: &serde_json::Value) -> Response<Body> {
    let mut response = text(StatusCode::OK, value.to_string());
    let kind = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn text(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(full_body(body));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
