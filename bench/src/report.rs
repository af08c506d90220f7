//! The scenarios in turn, the table, and the gates.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::Context as _;

use crate::bars::{Bars, NOISE};
use crate::drive::{Measured, drive};
use crate::prepare::{Prepared, prepare};
use crate::server::{Server, build};

/// The bars: native CPU by node CPU for each request.
const BARS: [(&str, f64); 3] = [("hello", 0.25), ("read", 0.25), ("ride", 0.5)];
const START_MAX: Duration = Duration::from_millis(200);
const MEMORY_MIB_MAX: u64 = 150;
const NEAREST_P99_MAX: Duration = Duration::from_millis(2);

/// Drives the named scenarios and judges them.
pub(crate) async fn run(scenarios: &[&'static str], seconds: u64, bars: &mut Bars) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?.to_owned();
    let program = build(&root)?;
    eprintln!("preparing: 100,000 walkers, 60,000 quotes");
    let folder = tempfile::tempdir()?;
    let (for_native, for_node) = (folder.path().join("native"), folder.path().join("node"));
    std::fs::create_dir_all(&for_native)?;
    std::fs::create_dir_all(&for_node)?;
    let prepared = Arc::new(prepare(&root, &for_native).await?);
    copy(&for_native, &for_node)?;

    // The first start compiles; the second is the one that counts.
    drop(Server::node(&program, &root, &for_node).await?);
    let node = Server::node(&program, &root, &for_node).await?;
    let native = Server::native(&for_native).await?;
    bars.at_most(
        "second start to first answer",
        node.started_in.as_secs_f64() * 1e3,
        START_MAX.as_secs_f64() * 1e3,
        "ms",
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    #[expect(clippy::cast_precision_loss, reason = "mebibytes")]
    bars.at_most(
        "resident memory, idle node",
        node.memory()? as f64 / 1_048_576.0,
        MEMORY_MIB_MAX as f64,
        "MiB",
    );

    println!(
        "\n{:<9}{:<8}{:>10}{:>11}{:>10}{:>10}{:>12}",
        "", "", "requests", "req/s", "p50", "p99", "CPU/req"
    );
    for name in scenarios {
        scenario(name, &native, &node, &prepared, seconds, bars).await?;
    }
    Ok(())
}

async fn scenario(
    name: &'static str,
    native: &Server,
    node: &Server,
    prepared: &Arc<Prepared>,
    seconds: u64,
    bars: &mut Bars,
) -> anyhow::Result<()> {
    let quotes = [Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default()];
    // Warm both, then turn about: each server is measured twice, and what drifts meets both.
    drive(name, native, prepared, &quotes[0], 1, None).await?;
    drive(name, node, prepared, &quotes[1], 1, None).await?;
    let mut rounds = Vec::new();
    for _ in 0..2 {
        let a = drive(name, native, prepared, &quotes[0], seconds, None).await?;
        let b = drive(name, node, prepared, &quotes[1], seconds, None).await?;
        rounds.push((a, b));
    }
    let best = |pick: fn(&(Measured, Measured)) -> Measured| {
        rounds.iter().map(pick).min_by_key(|m| m.cpu).context("no round")
    };
    let (a, b) = (best(|r| r.0)?, best(|r| r.1)?);
    row(name, "native", a);
    row(name, "node", b);
    let ratio = a.cpu.as_secs_f64() / b.cpu.as_secs_f64();
    let bar = BARS.iter().find(|(n, _)| *n == name).map(|(_, bar)| *bar);
    println!(
        "{:<9}{:<8}native CPU / node CPU {ratio:.2}{}",
        "",
        "",
        bar.map_or(String::new(), |bar| format!(" (bar {bar:.2})"))
    );
    if let Some(bar) = bar.filter(|bar| ratio < bar * NOISE) {
        bars.miss(format_args!("{name}, native CPU / node CPU"), format_args!("{ratio:.2}"), bar);
    }
    if name == "nearest" {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "requests a second")]
        let half = drive(name, node, prepared, &quotes[1], seconds, Some((b.rate / 2.0) as u32)).await?;
        row("", "at half", half);
        if half.p99.as_secs_f64() > NEAREST_P99_MAX.as_secs_f64() / NOISE {
            let measured = format!("{:?}", half.p99);
            bars.miss("nearest p99 at half load", measured, format_args!("at most {NEAREST_P99_MAX:?}"));
        }
    }
    Ok(())
}

fn row(name: &str, who: &str, m: Measured) {
    println!(
        "{name:<9}{who:<8}{:>10}{:>11.0}{:>7.2} ms{:>7.2} ms{:>9.1} µs",
        m.requests,
        m.rate,
        m.p50.as_secs_f64() * 1e3,
        m.p99.as_secs_f64() * 1e3,
        m.cpu.as_secs_f64() * 1e6
    );
}

/// Copies a folder's files.
pub(crate) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
