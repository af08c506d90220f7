//! Edges whose topics a real broker keeps.

use std::process::Command;
use std::time::Duration;

use petwalker_tests::Sqld;
use petwalker_tests::edges::{Edges, Plan};

use super::{PATIENCE, REGION, all_there, another, plan, same_everywhere};

/// How long the broker is away.
const AWAY: Duration = Duration::from_secs(60);

/// Runs what the environment says.
fn shell(command: &str) {
    assert!(Command::new("sh").args(["-c", command]).status().expect("sh").success(), "{command}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_for_a_minute_refuses_and_loses_nothing() {
    let test = "a_broker_that_is_away_for_a_minute_refuses_and_loses_nothing";
    let variable = |name: &str| std::env::var(name).ok();
    let (Some(broker), Some(stop), Some(start)) =
        (variable("PETWALKER_FLUVIO"), variable("PETWALKER_FLUVIO_STOP"), variable("PETWALKER_FLUVIO_START"))
    else {
        eprintln!(
            "skipped: {test} (set PETWALKER_FLUVIO to a cluster's address, and PETWALKER_FLUVIO_STOP and _START to the \
             commands that end its storage units and start them again)"
        );
        return;
    };
    let turn = super::TURN.lock().await;
    let Some(server) = Sqld::start(test).await else { return };
    let edges = Edges::start(&Plan { fluvio: Some(broker), ..plan(&server) }, |_| {}).await;
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
