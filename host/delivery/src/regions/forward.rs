//! From this edge to another.
//!
//! Edges know each other by certificates of one authority, and by name: `<edge>.edge.internal`. Connections are kept and used
//! again; HTTP/1.1, since sockets are forwarded on them too.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use edge_runtime::Body;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version, header};
use hyper::rt::ReadBufCursor;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{Atlas, CLIENT, HOPS, Origin, REGION};
use crate::public::incoming;

/// What edges' names end with in their certificates.
const DOMAIN: &str = "edge.internal";
/// How long connecting may take: an edge that is there answers at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Headers that are of one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Why edges cannot know each other.
#[derive(Debug, thiserror::Error)]
pub enum PeerTlsError {
    /// A file is missing or not PEM.
    #[error("cannot read {path}: {message}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The certificates do not fit.
    #[error("the certificates of [peers] cannot be used: {0}")]
    Config(String),
}

/// The certificates by which edges know each other.
#[derive(Clone)]
pub struct PeerTls {
    server: Arc<rustls::ServerConfig>,
    client: Arc<rustls::ClientConfig>,
}

impl PeerTls {
    /// Reads this edge's certificate and key, and the certificate of the authority that signed every edge's.
    ///
    /// # Errors
    /// When a file is missing or unfit.
    pub fn read(certificate: &Path, key: &Path, authority: &Path) -> Result<Self, PeerTlsError> {
        let pem = |path: &Path| {
            let path = path.to_owned();
            move |e: rustls::pki_types::pem::Error| PeerTlsError::Pem { path, message: e.to_string() }
        };
        let config = |e: &dyn std::fmt::Display| PeerTlsError::Config(e.to_string());
        let chain = CertificateDer::pem_file_iter(certificate)
            .map_err(pem(certificate))?
            .collect::<Result<Vec<_>, _>>()
            .map_err(pem(certificate))?;
        let private = || PrivateKeyDer::from_pem_file(key).map_err(pem(key));
        let mut roots = rustls::RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(authority).map_err(pem(authority))? {
            roots.add(root.map_err(pem(authority))?).map_err(|e| config(&e))?;
        }
        let roots = Arc::new(roots);
        // Two providers are linked; ours is said, not guessed.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|e| config(&e))?;
        let server = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| config(&e))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), private()?)
            .map_err(|e| config(&e))?;
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| config(&e))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, private()?)
            .map_err(|e| config(&e))?;
        Ok(Self { server: Arc::new(server), client: Arc::new(client) })
    }

    /// Lets in who has a certificate of the authority.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.server.clone())
    }
}

/// Why another edge gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("edge '{edge}' gave no answer: {reason}")]
pub struct PeerFailure {
    /// The edge.
    pub edge: String,
    /// What happened.
    pub reason: String,
    /// Whether the request surely never arrived there.
    pub never_arrived: bool,
}

/// The way to the other edges.
pub struct Peers {
    client: Client<Connector, Body>,
}

impl Peers {
    /// The way to the edges of `atlas`.
    #[must_use]
    pub fn new(atlas: &Atlas, tls: &PeerTls) -> Self {
        let addresses = atlas.edges.iter().map(|edge| (edge.name.clone(), edge.peer.clone())).collect();
        let connector =
            Connector { addresses: Arc::new(addresses), tls: TlsConnector::from(tls.client.clone()) };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .build(connector);
        Self { client }
    }

    /// Has an edge answer a request for a region; where both want to, a socket goes through.
    pub(crate) async fn forward(
        &self,
        edge: &str,
        region: &str,
        mut request: Request<Body>,
        origin: Origin,
    ) -> Result<Response<Body>, PeerFailure> {
        let upgrade = request.headers().get(header::UPGRADE).cloned();
        let ours = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        name_host(&mut request);
        strip(request.headers_mut());
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                request.headers_mut().insert(name, value);
            }
        };
        set(REGION, region);
        set(HOPS, &(origin.hops + 1).to_string());
        set(CLIENT, &origin.client.to_string());
        if let Some(upgrade) = upgrade {
            request.headers_mut().insert(header::UPGRADE, upgrade);
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        let mut response = self.ask(edge, request).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            && let Some(ours) = ours
        {
            let theirs = hyper::upgrade::on(&mut response);
            tokio::spawn(tunnel(ours, theirs));
            let (parts, _) = response.into_parts();
            return Ok(Response::from_parts(parts, edge_runtime::empty_body()));
        }
        strip(response.headers_mut());
        Ok(response)
    }

    /// Sends a request to an edge as it is.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn ask(&self, edge: &str, mut request: Request<Body>) -> Result<Response<Body>, PeerFailure> {
        let failed =
            |reason: String, never_arrived| PeerFailure { edge: edge.to_owned(), reason, never_arrived };
        let path = request.uri().path_and_query().cloned();
        let uri = Uri::builder()
            .scheme(Scheme::HTTPS)
            .authority(
                format!("{edge}.{DOMAIN}").parse::<Authority>().map_err(|e| failed(e.to_string(), true))?,
            )
            .path_and_query(path.unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")))
            .build()
            .map_err(|e| failed(e.to_string(), true))?;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_11;
        match self.client.request(request).await {
            Ok(response) => Ok(response.map(incoming)),
            Err(error) => {
                let never_arrived = error.is_connect();
                let mut reason = error.to_string();
                let mut source = std::error::Error::source(&error);
                while let Some(inner) = source {
                    reason = format!("{reason}: {inner}");
                    source = inner.source();
                }
                tracing::debug!(edge, reason, "no answer from another edge");
                Err(failed(reason, never_arrived))
            }
        }
    }
}

/// HTTP/2 names the host in its target, HTTP/1.1 in a header.
fn name_host(request: &mut Request<Body>) {
    if !request.headers().contains_key(header::HOST)
        && let Some(host) = request.uri().authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok())
    {
        request.headers_mut().insert(header::HOST, host);
    }
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Carries bytes both ways until one side ends.
async fn tunnel(ours: hyper::upgrade::OnUpgrade, theirs: hyper::upgrade::OnUpgrade) {
    match tokio::try_join!(ours, theirs) {
        Ok((ours, theirs)) => {
            let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
            if let Err(error) = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await {
                tracing::debug!(%error, "a forwarded socket broke off");
            }
        }
        Err(error) => tracing::debug!(%error, "a forwarded socket did not open"),
    }
}

/// Connects to edges by their names.
#[derive(Clone)]
struct Connector {
    addresses: Arc<BTreeMap<String, String>>,
    tls: TlsConnector,
}

impl Connector {
    async fn connect(self, uri: Uri) -> std::io::Result<PeerStream> {
        let wrong = |what: &str| std::io::Error::other(format!("{what}: {uri}"));
        let host = uri.host().ok_or_else(|| wrong("no edge is named"))?;
        let edge = host.strip_suffix(DOMAIN).and_then(|name| name.strip_suffix('.')).unwrap_or(host);
        let address = self.addresses.get(edge).ok_or_else(|| wrong("no such edge"))?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| wrong("not a name"))?;
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            self.tls.connect(name, stream).await
        };
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        let stream = stream.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))?;
        Ok(PeerStream(TokioIo::new(stream)))
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = PeerStream;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<PeerStream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connection to another edge.
struct PeerStream(TokioIo<TlsStream<TcpStream>>);

impl Connection for PeerStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl hyper::rt::Write for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
