//! A client of the API, as the demonstration needs it.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::Value;

use super::socket::Socket;

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
    token: String,
}

impl Client {
    pub(super) fn new(base: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(std::time::Duration::from_secs(30)).build()?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned() })
    }

    /// Calls and returns status and body.
    pub(super) async fn call(
        &self,
        token: Option<&str>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(u16, Value)> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| format!("{method} {path} got no answer"))?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.with_context(|| format!("{method} {path} broke off"))?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    /// Calls, and fails on anything but success.
    pub(super) async fn must(
        &self,
        token: Option<&str>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let (status, answer) = self.call(token, method.clone(), path, body).await?;
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
        Ok(Person { client: self.clone(), token: text(&tokens, "access_token")? })
    }
}

impl Person {
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(u16, Value)> {
        self.client.call(Some(&self.token), method, path, body).await
    }

    /// Opens a socket; none where the server has none.
    pub(super) async fn socket(&self, path: &str) -> anyhow::Result<Option<Socket>> {
        Socket::open(&self.client.base, path, &self.token).await
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.client.must(Some(&self.token), Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.client.must(Some(&self.token), Method::POST, path, Some(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.client.must(Some(&self.token), Method::PUT, path, Some(body)).await
    }
}

/// The text in a field.
pub(super) fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    value[field].as_str().map(str::to_owned).with_context(|| format!("no '{field}' in {value}"))
}

/// The whole number in a field.
pub(super) fn number(value: &Value, field: &str) -> anyhow::Result<i64> {
    value[field].as_i64().with_context(|| format!("no '{field}' in {value}"))
}
