//! Which hosts a component may call, and how the call is made.
//!
//! A component connects to what `allowed_outbound_hosts` lists and to nothing else. A name that resolves to one of the
//! node's own private ranges is refused unless the manifest spells that address out, and the address that was checked
//! is the one connected to, so a name cannot change between the two.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use http_body_util::BodyExt as _;
use tokio::net::TcpStream;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::storage::Pending;

/// One entry of `allowed_outbound_hosts`: `scheme://host:port`, each part of which may be `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    scheme: Option<String>,
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    /// `*.example.com`: any name under it.
    Under(String),
    Exactly(String),
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| format!("outbound host '{text}' needs a scheme, as in https://{text}"))?;
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        if host.is_empty() || host.contains('/') {
            return Err(format!("outbound host '{text}' must be scheme://host or scheme://host:port"));
        }
        let port = match port {
            None => default_port(scheme),
            Some("*") => None,
            Some(port) => {
                Some(port.parse().map_err(|_| format!("outbound host '{text}' has the bad port '{port}'"))?)
            }
        };
        let host = match host {
            "*" => Host::Any,
            _ => host.strip_prefix("*.").map_or_else(
                || Host::Exactly(host.to_ascii_lowercase()),
                |h| Host::Under(h.to_ascii_lowercase()),
            ),
        };
        let scheme = (scheme != "*").then(|| scheme.to_ascii_lowercase());
        Ok(Self { scheme, host, port })
    }

    fn allows(&self, scheme: &str, host: &str, port: u16) -> bool {
        let host_ok = match &self.host {
            Host::Any => true,
            Host::Under(parent) => host.strip_suffix(parent.as_str()).is_some_and(|h| h.ends_with('.')),
            Host::Exactly(name) => name == host,
        };
        host_ok && self.scheme.as_deref().is_none_or(|s| s == scheme) && self.port.is_none_or(|p| p == port)
    }

    /// Whether the pattern spells out an address of this machine or its network.
    fn names_private(&self) -> bool {
        matches!(&self.host, Host::Exactly(name) if name == "localhost" || parse_ip(name).is_some_and(is_private))
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn parse_ip(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address belongs to this machine, its network, or a range no public host has.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4.is_documentation()
                || a == 0
                || (a == 100 && (b & 0xc0) == 64)
        }
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(
            || {
                v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_multicast()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
            },
            |v4| is_private(IpAddr::V4(v4)),
        ),
    }
}

/// Answers requests to a host of its own within the node's process: no connection is made, and none can be from outside.
pub trait InProcess: Send + Sync + 'static {
    /// The host's name, as it stands in `http://…` URLs.
    fn host(&self) -> &str;

    /// Answers a request.
    fn answer(&self, request: http::Request<WasiBody>) -> Pending<'_, http::Response<WasiBody>>;
}

/// Applies a component's patterns to its outgoing requests.
pub(crate) struct OutboundHooks {
    allowed: Arc<[HostPattern]>,
    in_process: Option<Arc<dyn InProcess>>,
}

impl OutboundHooks {
    pub(crate) fn new(allowed: Arc<[HostPattern]>, in_process: Option<Arc<dyn InProcess>>) -> Self {
        Self { allowed, in_process }
    }
}

type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for OutboundHooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let (allowed, in_process) = (self.allowed.clone(), self.in_process.clone());
        Box::new(async move {
            let target = permit(&allowed, request.uri())?;
            match in_process.filter(|here| !target.tls && target.host == here.host()) {
                Some(here) => {
                    let answered: Sent = (here.answer(request).await, Box::new(async { Ok(()) }));
                    Ok(answered)
                }
                None => send(target, request, options.unwrap_or_default()).await,
            }
        })
    }
}

/// Where a component may connect to.
struct Target {
    host: String,
    port: u16,
    tls: bool,
    /// Whether an address of this machine or its network will do.
    private: bool,
}

async fn send(
    target: Target,
    mut request: http::Request<WasiBody>,
    options: RequestOptions,
) -> Result<Sent, Error> {
    let connect_timeout = options.connect_timeout.unwrap_or(Duration::from_secs(10));
    let first_byte_timeout = options.first_byte_timeout.unwrap_or(Duration::from_secs(30));
    let address = resolve(&target).await?;
    let stream = tokio::time::timeout(connect_timeout, TcpStream::connect(address))
        .await
        .map_err(|_| Error::ConnectionTimeout)?
        .map_err(Error::Connect)?;
    stream.set_nodelay(true).map_err(Error::Connect)?;

    let path =
        request.uri().path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/"));
    *request.uri_mut() = http::Uri::from(path);
    let exchange = async {
        if target.tls {
            exchange(tls(&target.host, stream).await?, request).await
        } else {
            exchange(stream, request).await
        }
    };
    let response = tokio::time::timeout(first_byte_timeout, exchange)
        .await
        .map_err(|_| Error::HttpResponseTimeout)??;
    Ok((response, Box::new(async { Ok(()) })))
}

fn permit(allowed: &[HostPattern], uri: &http::Uri) -> Result<Target, Error> {
    let scheme = uri.scheme().unwrap_or(&Scheme::HTTPS).as_str();
    let host = uri.host().ok_or(Error::HttpRequestUriInvalid)?.to_ascii_lowercase();
    let port = uri.port_u16().or(default_port(scheme)).ok_or(Error::HttpRequestUriInvalid)?;
    let Some(pattern) = allowed.iter().find(|p| p.allows(scheme, &host, port)) else {
        tracing::warn!(
            outbound.host = host,
            outbound.port = port,
            "outgoing request refused: host not allowed"
        );
        return Err(Error::HttpRequestDenied);
    };
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Target { host: name, port, tls: scheme == "https", private: pattern.names_private() })
}

async fn resolve(target: &Target) -> Result<SocketAddr, Error> {
    let addresses = tokio::net::lookup_host((target.host.as_str(), target.port))
        .await
        .map_err(|_| Error::DnsError { rcode: None, info_code: None })?;
    addresses
        .into_iter()
        .find(|a| target.private || !is_private(a.ip()))
        .ok_or(Error::DestinationIpProhibited)
}

async fn tls(host: &str, stream: TcpStream) -> Result<impl Stream, Error> {
    use wasmtime_wasi_http::Error::{Tls, TlsCertificateError};
    let roots = tokio_rustls::rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = tokio_rustls::rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Tls(std::io::Error::other(e)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = tokio_rustls::rustls::pki_types::ServerName::try_from(host.to_owned())
        .map_err(|_| TlsCertificateError)?;
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(Tls)
}

trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static> Stream for T {}

async fn exchange(
    stream: impl Stream,
    request: http::Request<WasiBody>,
) -> Result<http::Response<WasiBody>, Error> {
    let io = wasmtime_wasi_http::io::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "outgoing connection ended");
        }
    });
    let response = sender.send_request(request).await?;
    Ok(response.map(|body| body.map_err(Error::from).boxed_unsync()))
}

#[cfg(test)]
mod tests {
    use super::{HostPattern, is_private};

    #[test]
    fn patterns_allow_what_they_name() {
        for (pattern, scheme, host, port, expected) in [
            ("https://api.example.com", "https", "api.example.com", 443, true),
            ("https://api.example.com", "http", "api.example.com", 443, false),
            ("https://api.example.com", "https", "api.example.com", 8443, false),
            ("https://*.example.com", "https", "a.example.com", 443, true),
            ("https://*.example.com", "https", "example.com", 443, false),
            ("https://*.example.com", "https", "badexample.com", 443, false),
            ("*://*:*", "http", "anything", 1, true),
            ("http://[::1]:3000", "http", "[::1]", 3000, true),
        ] {
            let parsed = HostPattern::parse(pattern).expect(pattern);
            assert_eq!(parsed.allows(scheme, host, port), expected, "{pattern} {scheme}://{host}:{port}");
        }
        for bad in ["example.com", "https://", "https://a:x", "https://a/b"] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_spelled_out_address_reaches_the_own_network() {
        for (pattern, expected) in [
            ("http://127.0.0.1:80", true),
            ("http://localhost:80", true),
            ("http://internal:80", false),
            ("*://*:*", false),
        ] {
            assert_eq!(HostPattern::parse(pattern).expect(pattern).names_private(), expected, "{pattern}");
        }
        for (address, expected) in [
            ("10.1.2.3", true),
            ("127.0.0.1", true),
            ("169.254.169.254", true),
            ("100.64.0.1", true),
            ("::1", true),
            ("::ffff:10.0.0.1", true),
            ("fd00::1", true),
            ("8.8.8.8", false),
            ("2606:4700::1111", false),
        ] {
            assert_eq!(is_private(address.parse().expect(address)), expected, "{address}");
        }
    }
}
