//! `cargo load abuse`: one hostile client at a time, and what everybody else notices of it.
//!
//! Each attack comes from an address of its own, is bounded in connections and time, and talks to a node on loopback only. The
//! other clients are measured right before it and while it runs: what they may lose is half of their p99, and nothing else.

mod attacks;
mod bystanders;
mod streams;
mod throttle;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use self::attacks::{Attack, Target};
use self::bystanders::{Bystanders, Noticed};
use crate::bars::Bars;
use crate::server::{Server, build};
use crate::walks;

/// Walks under way: one is the bystanders', one the attacker's.
const WALKS: u32 = 2;
/// The p99 of the others while an attack runs, over their p99 right before it.
const P99_RATIO_MAX: f64 = 1.5;
/// Resident memory a minute after the last attack, over that of the idle node.
const MEMORY_RATIO_MAX: f64 = 1.5;
/// How long memory has to be given back.
const REST: Duration = Duration::from_secs(60);

/// Runs every attack in turn, and judges.
pub(crate) async fn run(seconds: u64, bars: &mut Bars) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    let program = build(root)?;
    let folder = tempfile::tempdir()?;
    let walks = walks::prepare(root, folder.path(), WALKS).await?;
    // The first start compiles, which takes memory of its own.
    drop(Server::guarded(&program, root, folder.path()).await?);
    let server = Server::guarded(&program, root, folder.path()).await?;
    let [walk, attackers] = walks.walks.as_slice() else { anyhow::bail!("{WALKS} walks were prepared") };
    let target = Target::new(&server.url, attackers)?;
    let bystanders = Bystanders::new(&server.url, walk)?;
    bystanders.notice(Duration::from_secs(2)).await?;
    let idle = server.memory()?;

    println!("{:<28}{:<8}{:>10}{:>9}{:>9}{:>11}{:>11}", "", "", "answers", "refused", "cut", "p50", "p99");
    let length = Duration::from_secs(seconds);
    for attack in Attack::ALL {
        let quiet = bystanders.notice(length).await?;
        let running = attack.begin(&target).await.with_context(|| format!("{attack} did not begin"))?;
        let under = bystanders.notice(length).await;
        running.end().await;
        let under = under?;
        row(attack.name(), "quiet", &quiet);
        row("", "under", &under);
        judge(*attack, &quiet, &under, bars);
    }
    tokio::time::sleep(REST).await;
    #[expect(clippy::cast_precision_loss, reason = "bytes")]
    let ratio = server.memory()? as f64 / idle as f64;
    println!();
    bars.at_most("memory a minute later, over idle", ratio, MEMORY_RATIO_MAX, "x");
    drop(server);
    streams::run(&program, root, seconds, bars).await?;
    throttle::run(&program, root, seconds, bars).await
}

fn row(attack: &str, when: &str, noticed: &Noticed) {
    println!(
        "{attack:<28}{when:<8}{:>10}{:>9}{:>9}{:>8.2} ms{:>8.2} ms",
        noticed.answers(),
        noticed.refused,
        noticed.cut,
        noticed.quantile(0.5).as_secs_f64() * 1e3,
        noticed.quantile(0.99).as_secs_f64() * 1e3,
    );
}

fn judge(attack: Attack, quiet: &Noticed, under: &Noticed, bars: &mut Bars) {
    if under.refused + under.cut > 0 {
        let measured = format!("{} refused, {} cut", under.refused, under.cut);
        bars.miss(format_args!("{attack}: others' requests"), measured, "none refused, none cut");
    }
    let ratio = under.quantile(0.99).as_secs_f64() / quiet.quantile(0.99).as_secs_f64();
    println!("{:<28}p99 under / quiet {ratio:.2} (at most {P99_RATIO_MAX})", "");
    if ratio > P99_RATIO_MAX / crate::bars::NOISE {
        let measured = format!("{ratio:.2}");
        bars.miss(
            format_args!("{attack}: others' p99 / quiet"),
            measured,
            format_args!("at most {P99_RATIO_MAX}"),
        );
    }
}
