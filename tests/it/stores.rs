//! Stores of others' making.

use std::net::SocketAddr;
use std::path::Path;

/// The access key's id.
pub const KEY: &str = "walker";
/// The secret key.
pub const SECRET: &str = "correct horse";
/// The bucket.
pub const BUCKET: &str = "bucket";

/// An S3-compatible store, which checks signatures, on a free port; its files are under `root`.
pub async fn foreign_store(root: &Path) -> SocketAddr {
    std::fs::create_dir(root.join(BUCKET)).expect("a bucket");
    let files = s3s_fs::FileSystem::new(root).expect("a store");
    let mut builder = s3s::service::S3ServiceBuilder::new(files);
    builder.set_auth(s3s::auth::SimpleAuth::from_single(KEY, SECRET));
    let service = builder.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let io = hyper_util::rt::TokioIo::new(socket);
                // How a connection ends is its client's concern.
                drop(hyper::server::conn::http1::Builder::new().serve_connection(io, service).await);
            });
        }
    });
    address
}
