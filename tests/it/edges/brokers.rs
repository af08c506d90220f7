//! Edges whose topics a real broker keeps.

use std::process::Command;
use std::time::Duration;

use petwalker_tests::Sqld;
use petwalker_tests::edges::{Edges, Plan};

use super::{PATIENCE, REGION, all_there, another, plan, same_everywhere};

/// How long the broker is away.
const AWAY: Duration = Duration::from_secs(60);

/// A real cluster.
pub(super) struct Broker {
    /// Where it answers.
    pub(super) address: String,
    /// The command that ends its storage units, or stops them.
    pub(super) stop: String,
    /// The command that starts them again.
    pub(super) start: String,
}

impl Broker {
    /// The one that the environment gives.
    pub(super) fn given() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok();
        Some(Self {
            address: variable("PETWALKER_FLUVIO")?,
            stop: variable("PETWALKER_FLUVIO_STOP")?,
            start: variable("PETWALKER_FLUVIO_START")?,
        })
    }
}

/// Runs what the environment says.
pub(super) fn shell(command: &str) {
    assert!(Command::new("sh").args(["-c", command]).status().expect("sh").success(), "{command}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_for_a_minute_refuses_and_loses_nothing() {
    let test = "a_broker_that_is_away_for_a_minute_refuses_and_loses_nothing";
    let Some(Broker { address, stop, start }) = Broker::given() else {
        eprintln!(
            "skipped: {test} (set PETWALKER_FLUVIO to a cluster's address, and PETWALKER_FLUVIO_STOP and _START to the \
             commands that end its storage units and start them again)"
        );
        return;
    };
    let turn = super::TURN.lock().await;
    let Some(server) = Sqld::start(test).await else { return };
    let edges = Edges::start(&Plan { fluvio: Some(address), ..plan(&server) }, |_| {}).await;
    let owner = edges.owner_of(REGION, PATIENCE).await;
    let (tutor, pet) = edges.client(another(&edges, owner)).tutor_with_pet().await;
    let (done, ()) = meanwhile!(tutor, pet, async {
        shell(&stop);
        tokio::time::sleep(AWAY).await;
        shell(&start);
    });
    let refused: u32 = done.iter().map(|done| done.repeats).sum();
    let longest = done.iter().map(|done| done.waited).max().expect("some");
    eprintln!("{} rides, {refused} refusals meanwhile, the longest wait was {longest:?}", done.len());
    assert!(refused > 0, "without its broker the command class 'lifecycle' is refused");
    all_there(&tutor, &done).await;
    same_everywhere(&edges).await;
    edges.stop();
    drop(turn);
}
