//! The public listener behind TLS.

use std::sync::Arc;

use edge_node::config::Tls;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use petwalker_tests::{TestNode, config};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A node with a certificate of its own for `localhost`, and the certificate.
async fn node() -> (TestNode, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let node = TestNode::start(|data| {
        let tls = Tls { certificate: data.join("node.pem"), key: data.join("node.key") };
        std::fs::write(&tls.certificate, certificate).expect("written");
        std::fs::write(&tls.key, key).expect("written");
        let mut config = config(data);
        config.tls = Some(tls);
        config
    })
    .await;
    (node, made.cert.der().clone())
}

async fn connect(
    node: &TestNode,
    trusted: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![protocol.to_vec()];
    let address = node.url.trim_start_matches("http://");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(client)).connect(name, TcpStream::connect(address).await?).await
}

fn hello(uri: &str) -> http::Request<Empty<Bytes>> {
    http::Request::get(uri).header("host", "localhost").body(Empty::new()).expect("a request")
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_tls_and_of_http_are_served() {
    let (node, certificate) = node().await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let stream = connect(&node, &certificate, &[version], b"h2").await.expect("connects");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("HTTP/2");
        let running = tokio::spawn(connection);
        let response = sender.send_request(hello("https://localhost/v1/hello")).await.expect("an answer");
        assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));
        drop(sender);
        running.await.expect("no panic").expect("ends well");

        let stream = connect(&node, &certificate, &[version], b"http/1.1").await.expect("connects");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        let running = tokio::spawn(connection);
        let response = sender.send_request(hello("/v1/hello")).await.expect("an answer");
        assert_eq!(response.status().as_u16(), 200);
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok(), "{body:?}");
        drop(sender);
        running.await.expect("no panic").expect("ends well");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_bytes_and_silence_harm_nobody() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (node, certificate) = node().await;
    let address = node.url.trim_start_matches("http://").to_owned();
    let _silent = TcpStream::connect(&address).await.expect("connects");
    let mut plain = TcpStream::connect(&address).await.expect("connects");
    plain.write_all(b"GET /v1/hello HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("written");
    let mut answer = Vec::new();
    // A TLS alert or a closed connection; never an answer in the clear.
    let ended = plain.read_to_end(&mut answer).await;
    assert!(ended.is_err() || !answer.starts_with(b"HTTP"), "{answer:?}");
    assert!(connect(&node, &certificate, &[&rustls::version::TLS13], b"h2").await.is_ok());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_certificate_is_refused_at_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = config(folder.path());
    let tls = Tls { certificate: folder.path().join("node.pem"), key: folder.path().join("node.key") };
    std::fs::write(&tls.certificate, "not a certificate").expect("written");
    config.tls = Some(tls);
    let error = edge_node::Node::start(&config).await.err().expect("refused");
    let message = format!("{error:#}");
    assert!(message.contains("node.pem") || message.contains("node.key"), "{message}");
}
