//! What throttling costs: processor time of the cheapest request, and memory under very many addresses.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::bars::Bars;
use crate::drive::drive;
use crate::prepare::Prepared;
use crate::server::Server;

/// Processor time of `hello` with throttling, over that without.
const COST_MAX: f64 = 1.02;
/// Times that each node is measured, in turn.
const ROUNDS: usize = 4;
/// Addresses that ask.
const ADDRESSES: u32 = 1_000_000;
/// Resident memory that they cost, MiB.
const MIB_MAX: f64 = 32.0;
/// Connections of the proxy that they come through.
const CONNECTIONS: u32 = 16;

/// Measures both, and judges.
pub(super) async fn run(program: &Path, root: &Path, seconds: u64, bars: &mut Bars) -> anyhow::Result<()> {
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let with = Server::node(program, root, folders[0].path()).await?;
    let without = Server::unthrottled(program, root, folders[1].path()).await?;
    let nobody = Arc::new(Prepared::nobody());
    let mut least = [f64::MAX; 2];
    for _ in 0..ROUNDS {
        for (server, least) in [&with, &without].into_iter().zip(&mut least) {
            let measured = drive("hello", server, &nobody, &Arc::default(), seconds, None).await?;
            *least = least.min(measured.cpu.as_secs_f64());
        }
    }
    bars.at_most("CPU of hello with throttling, over without", least[0] / least[1], COST_MAX, "x");
    drop((with, without));

    let folder = tempfile::tempdir()?;
    let server = Server::behind_a_proxy(program, root, folder.path()).await?;
    ask(&server, 0..10_000).await?;
    let before = server.memory()?;
    ask(&server, 10_000..10_000 + ADDRESSES).await?;
    #[expect(clippy::cast_precision_loss, reason = "mebibytes")]
    let mib = server.memory()?.saturating_sub(before) as f64 / 1_048_576.0;
    bars.at_most("memory of a million addresses", mib, MIB_MAX, "MiB");
    Ok(())
}

/// Has every address of a range ask once, through a proxy.
async fn ask(server: &Server, addresses: std::ops::Range<u32>) -> anyhow::Result<()> {
    let node: SocketAddr = server.url.trim_start_matches("http://").parse()?;
    let mut asking = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let mine = addresses.clone().skip(connection as usize).step_by(CONNECTIONS as usize);
        asking.spawn(async move {
            let mut stream = TcpStream::connect(node).await?;
            stream.set_nodelay(true)?;
            let mut answer = vec![0; 4096];
            for address in mine {
                let [_, a, b, c] = address.to_be_bytes();
                let request =
                    format!("GET /v1/hello HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 10.{a}.{b}.{c}\r\n\r\n");
                stream.write_all(request.as_bytes()).await?;
                let mut read = 0;
                while !answer[..read].ends_with(b"}") {
                    let more = stream.read(&mut answer[read..]).await?;
                    ensure!(more > 0, "the node closed the connection");
                    read += more;
                }
                ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..read]));
            }
            anyhow::Ok(())
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked.context("asking ended")??;
    }
    Ok(())
}
