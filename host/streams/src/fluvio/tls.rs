//! Mutual TLS to a Fluvio cluster.
//!
//! The client's own TLS features link a second cryptographic library (aws-lc) beside `ring`, which everything else here
//! uses; its build takes minutes. The client accepts any connector, so this one opens its connections with `rustls` on `ring`.

use std::io::{Error, ErrorKind};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use fluvio_future::net::tcp_stream::stream;
use fluvio_future::net::{
    BoxReadConnection, BoxWriteConnection, ConnectionFd, DomainConnector, TcpDomainConnector,
};
use futures::AsyncReadExt as _;
use futures_rustls::TlsConnector;
use futures_rustls::rustls::pki_types::pem::PemObject as _;
use futures_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use futures_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::FluvioTls;

/// Opens TLS connections to the controller and, under the names that it gives, to the storage units.
#[derive(Clone)]
pub(super) struct MutualTls {
    /// The name that the server's certificate must hold.
    domain: String,
    connector: TlsConnector,
}

impl MutualTls {
    /// Reads the certificates.
    ///
    /// # Errors
    /// A file that is missing, is not PEM, or does not fit the others; the error names it.
    pub(super) fn new(tls: &FluvioTls) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&tls.authority)? {
            roots.add(certificate)?;
        }
        let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|e| unreadable(&tls.key, &e))?;
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(certificates(&tls.certificate)?, key)?;
        Ok(Self { domain: tls.domain.clone(), connector: TlsConnector::from(Arc::new(config)) })
    }
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &futures_rustls::rustls::pki_types::pem::Error) -> anyhow::Error {
    anyhow::anyhow!("cannot read {}: {error}", path.display())
}

#[async_trait]
impl TcpDomainConnector for MutualTls {
    async fn connect(
        &self,
        address: &str,
    ) -> Result<(BoxWriteConnection, BoxReadConnection, ConnectionFd), Error> {
        let name = ServerName::try_from(self.domain.clone())
            .map_err(|error| Error::new(ErrorKind::InvalidInput, error))?;
        let socket = stream(address).await?;
        let descriptor = socket.as_raw_fd();
        let (read, write) = self.connector.connect(name, socket).await?.split();
        Ok((Box::new(write), Box::new(read), descriptor))
    }

    fn new_domain(&self, domain: String) -> DomainConnector {
        Box::new(Self { domain, connector: self.connector.clone() })
    }

    fn domain(&self) -> &str {
        &self.domain
    }

    fn clone_box(&self) -> DomainConnector {
        Box::new(self.clone())
    }
}
