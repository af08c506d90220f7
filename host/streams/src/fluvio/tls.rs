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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use fluvio_future::net::TcpDomainConnector as _;
    use futures::{AsyncReadExt as _, AsyncWriteExt as _};
    use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::server::WebPkiClientVerifier;
    use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

    use super::MutualTls;
    use crate::FluvioTls;

    /// Writes an authority's certificate, and one signed by it for `name`, with its key.
    fn certificates(folder: &Path, name: &str) {
        let mut authority = CertificateParams::new(vec![]).expect("parameters");
        authority.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(authority, key).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &authority).expect("signed");
        for (file, text) in
            [("ca.pem", authority.pem()), ("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem())]
        {
            std::fs::write(folder.join(file), text).expect("written");
        }
    }

    /// A server that wants certificates of the authority in `folder`, and sends back what it gets.
    async fn echo(folder: &Path) -> u16 {
        let provider = Arc::new(crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).expect("PEM")).expect("a root");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_single_cert(
                vec![CertificateDer::from_pem_file(folder.join("cert.pem")).expect("PEM")],
                PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("PEM"),
            )
            .expect("a configuration");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
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
        port
    }

    fn connector(folder: &Path, domain: &str) -> MutualTls {
        let file = |name| folder.join(name);
        let (key, certificate, authority) = (file("key.pem"), file("cert.pem"), file("ca.pem"));
        MutualTls::new(&FluvioTls { domain: domain.to_owned(), key, certificate, authority })
            .expect("good files")
    }

    #[tokio::test]
    async fn both_sides_show_certificates_of_one_authority() {
        let (ours, strangers) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        certificates(ours.path(), "broker.example");
        certificates(strangers.path(), "broker.example");
        let address = format!("127.0.0.1:{}", echo(ours.path()).await);

        let known = connector(ours.path(), "unused.example").new_domain("broker.example".to_owned());
        assert_eq!(known.domain(), "broker.example");
        let (mut write, mut read, _) = known.clone_box().connect(&address).await.expect("connected");
        write.write_all(b"word").await.expect("sent");
        write.flush().await.expect("sent");
        let mut back = [0; 4];
        read.read_exact(&mut back).await.expect("answered");
        assert_eq!(&back, b"word");

        for (folder, name) in [(ours.path(), "another.example"), (strangers.path(), "broker.example")] {
            assert!(
                connector(folder, name).connect(&address).await.is_err(),
                "{name} was taken for the broker"
            );
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name| folder.path().join(name);
        let tls = FluvioTls {
            domain: "broker.example".to_owned(),
            key: file("key.pem"),
            certificate: file("cert.pem"),
            authority: file("ca.pem"),
        };
        let refused = MutualTls::new(&tls).err().expect("refused").to_string();
        assert!(refused.contains("ca.pem"), "{refused}");
    }
}
