//! How libSQL's client reaches its server.
//!
//! The client's own TLS feature links a second version of `rustls`; it accepts any connector, so this one uses the version
//! that everything else here uses, with the certificate authorities that the operating system trusts.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use legacy_hyper::client::HttpConnector;
use legacy_hyper::client::connect::{Connected, Connection};
use legacy_hyper::http::Uri;
use legacy_hyper::http::uri::Scheme;
use legacy_hyper::service::Service;
use libsql::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// Why no connection was made.
type ConnectError = Box<dyn Error + Send + Sync>;

/// A client of the libSQL server at `url`, `http://` or `https://`, which sends `token` where that is not empty.
///
/// # Errors
/// When the server's address cannot be used.
pub async fn remote(url: &str, token: &str) -> Result<libsql::Database, libsql::Error> {
    Builder::new_remote(url.to_owned(), token.to_owned()).connector(PrimaryConnector::new()?).build().await
}

/// Opens connections to one libSQL server.
#[derive(Clone)]
pub(super) struct PrimaryConnector {
    tcp: HttpConnector,
    tls: TlsConnector,
}

impl PrimaryConnector {
    /// Reads the certificate authorities of the operating system.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new() -> Result<Self, libsql::Error> {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a certificate authority of the operating system was not read");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        Self::trusting(roots)
    }

    fn trusting(roots: RootCertStore) -> Result<Self, libsql::Error> {
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)
            .map_err(libsql::Error::InvalidTlsConfiguration)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Ok(Self { tcp, tls: TlsConnector::from(Arc::new(config)) })
    }
}

impl Service<Uri> for PrimaryConnector {
    type Response = PrimarySocket;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<PrimarySocket, ConnectError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let (connecting, tls) = (self.tcp.call(uri), self.tls.clone());
        Box::pin(async move {
            let socket = connecting.await?;
            if !secure {
                return Ok(PrimarySocket::Plain(socket));
            }
            let secured = tls.connect(ServerName::try_from(host)?, socket).await?;
            Ok(PrimarySocket::Secure(Box::new(secured)))
        })
    }
}

/// A connection to a libSQL server.
pub(super) enum PrimarySocket {
    /// `http://`.
    Plain(TcpStream),
    /// `https://`.
    Secure(Box<TlsStream<TcpStream>>),
}

impl PrimarySocket {
    /// The bytes, whatever carries them.
    fn stream(self: Pin<&mut Self>) -> Pin<&mut dyn Duplex> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket),
            Self::Secure(socket) => Pin::new(socket.as_mut()),
        }
    }
}

/// Both directions of a connection.
trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

impl Connection for PrimarySocket {
    fn connected(&self) -> Connected {
        match self {
            Self::Plain(socket) => socket.connected(),
            Self::Secure(socket) => socket.get_ref().0.connected(),
        }
    }
}

impl AsyncRead for PrimarySocket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(context, into)
    }
}

impl AsyncWrite for PrimarySocket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use legacy_hyper::service::Service as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

    use super::PrimaryConnector;

    /// A server on `localhost` that sends back what it gets; its port, and its certificate.
    async fn echo() -> (u16, CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .expect("a configuration");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((socket, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(socket).await else { continue };
                let mut word = [0; 4];
                if stream.read_exact(&mut word).await.is_ok() {
                    stream.write_all(&word).await.expect("sent back");
                }
            }
        });
        (port, certificate)
    }

    #[tokio::test]
    async fn a_server_is_reached_over_tls_by_whoever_trusts_its_certificate() {
        let (port, certificate) = echo().await;
        let uri = || format!("https://localhost:{port}/").parse().expect("an address");
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("a root");
        let mut trusting = PrimaryConnector::trusting(roots).expect("a connector");
        let mut socket = trusting.call(uri()).await.expect("connected");
        socket.write_all(b"word").await.expect("sent");
        socket.flush().await.expect("sent");
        let mut back = [0; 4];
        socket.read_exact(&mut back).await.expect("answered");
        assert_eq!(&back, b"word");

        let mut doubting = PrimaryConnector::trusting(RootCertStore::empty()).expect("a connector");
        assert!(doubting.call(uri()).await.is_err(), "an unknown certificate was trusted");
    }
}
