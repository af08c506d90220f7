//! A client of the API, as the demonstration needs it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::Value;

use super::socket::Socket;

/// The header by which a service of several regions names them.
const REGION: &str = "petwalker-region";
/// How long a call is repeated that the service cannot answer just now: a region may be changing hands.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two attempts.
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// How long a call is repeated that is refused as one too many: everybody comes from one address here.
const THROTTLED_PATIENCE: Duration = Duration::from_secs(300);

/// Calls one node.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(super) struct Person {
    client: Client,
    account: String,
    token: String,
    /// The region that answered last, where the service has several: what names none is for that one.
    region: Arc<Mutex<Option<HeaderValue>>>,
}

impl Client {
    pub(super) fn new(base: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(std::time::Duration::from_secs(30)).build()?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned() })
    }

    /// Calls and returns status and body. What cannot be answered just now is asked again, as the same command.
    async fn call(
        &self,
        person: Option<&Person>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(u16, Value)> {
        let key = crate::secrets::random()?;
        let begun = Instant::now();
        loop {
            let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
            request = request.header("idempotency-key", &key);
            if let Some(person) = person {
                request = request.bearer_auth(&person.token);
                if let Some(region) = person.region() {
                    request = request.header(REGION, region);
                }
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = request.send().await.with_context(|| format!("{method} {path} got no answer"))?;
            let status = response.status().as_u16();
            if let (Some(person), Some(region)) = (person, response.headers().get(REGION)) {
                person.answered_by(region);
            }
            let again = match (status, retry_after(&response)) {
                (503, _) if begun.elapsed() < PATIENCE => Some(RETRY_EVERY),
                (429, Some(after)) if begun.elapsed() < THROTTLED_PATIENCE => Some(after),
                _ => None,
            };
            let bytes = response.bytes().await.with_context(|| format!("{method} {path} broke off"))?;
            let Some(after) = again else {
                return Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)));
            };
            tokio::time::sleep(after).await;
        }
    }

    /// Calls, and fails on anything but success.
    pub(super) async fn must(
        &self,
        person: Option<&Person>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let (status, answer) = self.call(person, method.clone(), path, body).await?;
        anyhow::ensure!((200..300).contains(&status), "{method} {path} answered {status}: {answer}");
        Ok(answer)
    }

    /// Signs somebody up and in.
    pub(super) async fn join(&self, role: &str, name: &str, code: Option<&str>) -> anyhow::Result<Person> {
        let email = format!("{role}-{}@demo.example", crate::secrets::random()?);
        let password = crate::secrets::random()?;
        let sign_up = serde_json::json!({
            "email": email, "password": password, "display_name": name, "role": role, "operator_code": code,
        });
        self.must(None, Method::POST, "/v1/accounts", Some(&sign_up)).await?;
        let log_in = serde_json::json!({ "email": email, "password": password });
        let tokens = self.must(None, Method::POST, "/v1/sessions", Some(&log_in)).await?;
        Ok(Person {
            client: self.clone(),
            account: text(&tokens, "account_id")?,
            token: text(&tokens, "access_token")?,
            region: Arc::default(),
        })
    }
}

impl Person {
    /// Approves somebody, as an operator.
    pub(super) async fn approve(&self, person: &Self) -> anyhow::Result<()> {
        let path = format!("/v1/accounts/{}/approval", person.account);
        self.client.must(Some(self), Method::PUT, &path, None).await.map(drop)
    }

    fn region(&self) -> Option<HeaderValue> {
        self.region.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answered_by(&self, region: &HeaderValue) {
        *self.region.lock().unwrap_or_else(PoisonError::into_inner) = Some(region.clone());
    }

    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(u16, Value)> {
        self.client.call(Some(self), method, path, body).await
    }

    /// Opens a socket; none where the server has none.
    pub(super) async fn socket(&self, path: &str) -> anyhow::Result<Option<Socket>> {
        Socket::open(&self.client.base, path, &self.token).await
    }

    /// Opens a socket anew that broke off.
    pub(super) async fn reopen(&self, path: &str) -> anyhow::Result<Socket> {
        Socket::reopen(&self.client.base, path, &self.token).await
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.client.must(Some(self), Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.client.must(Some(self), Method::POST, path, Some(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.client.must(Some(self), Method::PUT, path, Some(body)).await
    }
}

/// When a refused call may be repeated, where the answer says so.
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The text in a field.
pub(super) fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    value[field].as_str().map(str::to_owned).with_context(|| format!("no '{field}' in {value}"))
}

/// The whole number in a field.
pub(super) fn number(value: &Value, field: &str) -> anyhow::Result<i64> {
    value[field].as_i64().with_context(|| format!("no '{field}' in {value}"))
}
