//! A node for tests: real components, real databases in a folder of its own, real sockets.

pub mod cable;
pub mod edges;
mod socket;
mod sqld;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};

use edge_node::config::Database;
use edge_node::{Config, Node, components};
use edge_runtime::Manifest;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub use socket::Socket;
pub use sqld::Sqld;

/// The workspace's folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// Where tests share what was compiled.
fn cache() -> PathBuf {
    root().join("target/test-cache")
}

/// The manifest of the product, its components built.
///
/// # Panics
/// When they cannot be built.
pub fn product() -> &'static Path {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| built(root().join("spin.toml")));
    &BUILT
}

/// The manifest of the component that misbehaves, built.
///
/// # Panics
/// When it cannot be built.
pub fn misbehave() -> &'static Path {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| built(root().join("tests/guests/spin.toml")));
    &BUILT
}

fn built(manifest: PathBuf) -> PathBuf {
    let loaded = Manifest::load(&manifest).expect("the manifest is good");
    components::build(&loaded).expect("the components build");
    manifest
}

/// A node's configuration: free ports, data in `data`, and limits that tests from one address do not reach.
#[must_use]
pub fn config(data: &Path) -> Config {
    let mut config = Config::default().with_generous_limits();
    config.node.manifest = product().to_owned();
    config.node.data = data.to_owned();
    config.node.cache = Some(cache());
    config.listen.public = SocketAddr::from(([127, 0, 0, 1], 0));
    config.listen.admin = config.listen.public;
    config.listen.shutdown_notice_ms = 0;
    config.internal.tick_interval_ms = 100;
    config.variables.insert("approval".to_owned(), "unneeded".to_owned());
    // Tests send walks of any year; those that ask which points count set what is usual.
    config.variables.insert("track_skew_s".to_owned(), "630720000".to_owned());
    config
}

/// The same for the component that misbehaves: little memory, little time.
#[must_use]
pub fn misbehave_config(data: &Path) -> Config {
    let mut config = config(data);
    config.node.manifest = misbehave().to_owned();
    config.internal.events_database = String::new();
    config.internal.tick_interval_ms = 0;
    config.internal.generated_variables = Vec::new();
    config.listen.ready_path = "/fine".to_owned();
    config.limits.memory_mib = 32;
    config.limits.request_timeout_ms = 500;
    config.databases.0.clear();
    config.variables.clear();
    let main = Database { file: "main.db".into(), migrations: "schema".into(), primary: None };
    config.databases.0.insert("main".to_owned(), main);
    config
}

/// A running node with its folder.
pub struct TestNode {
    node: Option<Node>,
    /// Its data.
    pub folder: tempfile::TempDir,
    /// Its public address as a URL.
    pub url: String,
    /// Its admin address as a URL.
    pub admin: String,
}

impl TestNode {
    /// Starts a node in a fresh folder.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(config: impl FnOnce(&Path) -> Config) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let node = Node::start(&config(folder.path())).await.expect("the node starts");
        let url = format!("http://{}", node.public_address());
        let admin = format!("http://{}", node.admin_address());
        Self { node: Some(node), folder, url, admin }
    }

    /// Stops it and starts it again where it was, with its data.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(mut self, config: impl FnOnce(&Path) -> Config) -> Self {
        let mut config = config(self.folder.path());
        if let Some(node) = self.node.take() {
            config.listen.public = node.public_address();
            config.listen.admin = node.admin_address();
            node.stop().await;
        }
        self.node = Some(Node::start(&config).await.expect("the node starts"));
        self
    }

    /// Stops it and lets it finish.
    pub async fn stop(mut self) {
        if let Some(node) = self.node.take() {
            node.stop().await;
        }
    }

    /// Answers that wait on it for news, and event streams that are open.
    #[must_use]
    pub fn waiting(&self) -> [usize; 2] {
        self.node.as_ref().map_or([0, 0], Node::waiting)
    }

    /// What it tells of itself in figures.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn metrics(&self) -> String {
        let answer = reqwest::get(format!("{}/metrics", self.admin)).await.expect("answered");
        answer.text().await.expect("read")
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::of(&self.url)
    }
}

/// The node that tests share which leave no trace in each other's way, on a runtime of its own.
///
/// # Panics
/// When it does not start.
pub fn shared() -> &'static TestNode {
    static SHARED: OnceLock<(Runtime, TestNode)> = OnceLock::new();
    let (_, node) = SHARED.get_or_init(|| {
        // PETWALKER_LOG=debug shows what the node logs meanwhile.
        if let Ok(filter) = std::env::var("PETWALKER_LOG") {
            let log = edge_node::config::Log { filter, ..Default::default() };
            edge_node::telemetry::start_log(&log).expect("logs");
        }
        let runtime = Runtime::new().expect("a runtime");
        // From a thread of its own: a test's own runtime must not be blocked on another.
        let node = std::thread::scope(|scope| {
            scope.spawn(|| runtime.block_on(TestNode::start(config))).join().expect("the node starts")
        });
        (runtime, node)
    });
    node
}

/// Somebody who calls a node.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// What a node answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body as JSON, or null.
    pub json: Value,
    /// The body as text.
    pub text: String,
}

/// What a node answered, in bytes.
#[derive(Clone, Debug)]
pub struct BytesAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The problem's code, or nothing.
    #[must_use]
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// The body of a success.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text);
        self.json
    }

    /// That it is a refusal of that status and code.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        assert_eq!(
            self.headers.get("content-type").and_then(|v| v.to_str().ok()),
            Some("application/problem+json"),
            "{}",
            self.text
        );
    }
}

impl Client {
    /// A caller without a token of the node at this URL.
    #[must_use]
    pub fn of(url: &str) -> Self {
        edge_node::choose_tls_provider();
        Self { http: reqwest::Client::new(), base: url.to_owned(), token: None }
    }

    /// A caller without a token who comes from one address of this machine, such as 127.1.2.3.
    ///
    /// # Panics
    /// When such a caller cannot be made.
    #[must_use]
    pub fn coming_from(url: &str, address: std::net::Ipv4Addr) -> Self {
        edge_node::choose_tls_provider();
        let http = reqwest::Client::builder().local_address(std::net::IpAddr::from(address)).build();
        Self { http: http.expect("a client"), base: url.to_owned(), token: None }
    }

    /// The same caller without a token.
    #[must_use]
    pub fn without_token(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// Its node's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// The caller's token.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// The same caller with that token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Sends a request with headers and a body as they are.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn raw(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        self.try_raw(method, path, headers, body).await.expect("an answer")
    }

    async fn try_raw(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        Ok(Answer { status, headers, json: serde_json::from_str(&text).unwrap_or(Value::Null), text })
    }

    /// GET of bytes.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn bytes(&self, path: &str) -> BytesAnswer {
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        BytesAnswer { status, headers, bytes: response.bytes().await.expect("a body").to_vec() }
    }

    /// Opens a stream of events, where given after an event's id.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn events(&self, path: &str, last: Option<&str>) -> reqwest::Response {
        let mut request = self.http.get(format!("{}{path}", self.base)).header("accept", "text/event-stream");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        request.send().await.expect("an answer")
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.raw(Method::GET, path, &[], Vec::new()).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, body, &[]).await
    }

    /// POST of JSON with more headers.
    pub async fn post_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        self.try_post(path, body, headers).await.expect("an answer")
    }

    /// POST of JSON with more headers, to a node that may be gone. None: no answer came.
    pub async fn try_post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Option<Answer> {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.try_raw(Method::POST, path, &all, body.to_string().into_bytes()).await.ok()
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.raw(Method::DELETE, path, &[], Vec::new()).await
    }

    /// PUT of JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.raw(Method::PUT, path, &[("content-type", "application/json")], body.to_string().into_bytes())
            .await
    }

    /// Signs somebody up and in.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn join(&self, role: &str) -> Self {
        self.join_with(role, None).await
    }

    /// Signs an operator up and in, with the code that the node keeps in its data folder.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn join_as_operator(&self, data: &Path) -> Self {
        let code = std::fs::read_to_string(data.join("secrets/operator_code")).expect("the node made one");
        self.join_with("operator", Some(code.trim())).await
    }

    async fn join_with(&self, role: &str, operator_code: Option<&str>) -> Self {
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let email = format!("{role}-{number}@test.example");
        let body = json!({
            "email": email, "password": "correct horse", "display_name": role, "role": role,
            "operator_code": operator_code,
        });
        self.post("/v1/accounts", &body).await.ok();
        let tokens =
            self.post("/v1/sessions", &json!({ "email": email, "password": "correct horse" })).await.ok();
        self.with_token(tokens["access_token"].as_str().expect("a token"))
    }

    /// A walker with a profile, present at a place.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn walker_at(&self, lat: f64, lon: f64) -> Self {
        let walker = self.join("walker").await;
        let place = json!({ "lat": lat, "lon": lon });
        let profile = json!({
            "area_centre": place, "area_radius_m": 8_000, "capacity": 3, "weekly": [],
            "accepted_sizes": ["small", "medium", "large"], "time_zone": "America/Sao_Paulo",
        });
        walker.put("/v1/walkers/me", &profile).await.ok();
        walker.put("/v1/walkers/me/presence", &place).await.ok();
        walker
    }

    /// A tutor with a dog: the tutor and the dog's id.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn tutor_with_pet(&self) -> (Self, String) {
        let tutor = self.join("tutor").await;
        let pet = tutor.add_pet("Rex").await;
        (tutor, pet)
    }

    /// A dog of 14.5 kg of this tutor's: its id.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn add_pet(&self, name: &str) -> String {
        let dog = json!({
            "name": name, "species": "dog", "weight_g": 14_500, "birth_date": "2021-03-14",
            "conditions": [], "temperament": "",
        });
        self.post("/v1/pets", &dog).await.ok()["id"].as_str().expect("an id").to_owned()
    }

    /// A ride requested at a place by this tutor.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn request_ride(&self, pet: &str, lat: f64, lon: f64) -> Value {
        let wanted = json!({ "pickup": { "lat": lat, "lon": lon }, "duration_min": 30, "pet_ids": [pet] });
        let quote = self.post("/v1/quotes", &wanted).await.ok();
        self.post("/v1/rides", &json!({ "quote_id": quote["id"], "pet_ids": [pet] })).await.ok()
    }
}

impl Client {
    /// The same caller at another node.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self { base: url.to_owned(), ..self.clone() }
    }
}
