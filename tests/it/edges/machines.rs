//! Machines that fail their edges: clocks that are wrong, disks that are full, files that are damaged.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use petwalker_tests::edges::{Edges, Plan, faketime};
use petwalker_tests::{Client, Sqld};
use serde_json::json;

use crate::rides::until;

use super::{PACE, PATIENCE, PLACE, REGION, all_there, another, plan, same_everywhere, three};

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_are_five_minutes_wrong_lose_nothing() {
    let test = "clocks_that_are_five_minutes_wrong_lose_nothing";
    let turn = super::TURN.lock().await;
    if faketime().is_none() {
        eprintln!("skipped: {test} (no libfaketime; .ci/setup installs it)");
        return;
    }
    let Some(server) = Sqld::start(test).await else { return };
    let mut edges = Edges::start(&Plan { clocks_off_s: vec![300, -300, 0], ..plan(&server) }, |_| {}).await;
    let owner = edges.owner_of(REGION, PATIENCE).await;
    let entry = another(&edges, owner);
    let (tutor, pet) = edges.client(entry).tutor_with_pet().await;
    // Who signed in at one edge is known at the others, whatever their clocks say.
    for index in 0..3 {
        until(&edges.client(index).with_token(tutor.token()), "/v1/me", |_| true).await;
    }
    let (done, ()) = meanwhile!(tutor, pet, async {
        edges.kill(owner);
        assert_ne!(edges.owner_of(REGION, PATIENCE).await, owner);
    });
    all_there(&tutor, &done).await;
    edges.resume(owner);
    same_everywhere(&edges).await;
    edges.stop();
    drop(turn);
}

/// A disk of its own for an edge, small enough to be filled.
struct Disk(PathBuf);

impl Disk {
    /// None where this user may not mount one, which is said.
    fn mount(folder: &Path, test: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("made");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"]).arg(folder);
        if mount.output().is_ok_and(|done| done.status.success()) {
            return Some(Self(folder.to_owned()));
        }
        eprintln!("skipped: {test} (this user may not mount a disk)");
        None
    }

    /// Writes until nothing more fits; the file to remove.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = std::fs::File::create(&path).expect("created");
        for size in [1 << 20, 4 << 10, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

/// Asks for one more quote, at the pace of one tutor: how that was answered.
async fn quote(tutor: &Client, pet: &str) -> u16 {
    tokio::time::sleep(PACE).await;
    let wanted =
        json!({ "pickup": { "lat": PLACE.0, "lon": PLACE.1 }, "duration_min": 30, "pet_ids": [pet] });
    tutor.try_post("/v1/quotes", &wanted, &[]).await.map_or(0, |answer| answer.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_loses_nothing() {
    let test = "a_full_disk_refuses_and_loses_nothing";
    let turn = super::TURN.lock().await;
    let Some(server) = Sqld::start(test).await else { return };
    let disks = std::sync::Mutex::new(Vec::new());
    let edges = Edges::start(&plan(&server), |data| {
        disks.lock().expect("no panic").push(Disk::mount(data, test));
    })
    .await;
    let disks: Option<Vec<Disk>> = disks.into_inner().expect("no panic").into_iter().collect();
    let Some(disks) = disks else { return edges.stop() };
    let owner = edges.owner_of(REGION, PATIENCE).await;
    let (tutor, pet) = edges.client(another(&edges, owner)).tutor_with_pet().await;
    let (done, ()) = meanwhile!(tutor, pet, async {
        let ballast = disks[owner].fill();
        let started = Instant::now();
        loop {
            match quote(&tutor, &pet).await {
                503 => break,
                status => assert_eq!(status, 201, "a full disk is not the client's fault"),
            }
            assert!(started.elapsed() < PATIENCE, "the disk was never full");
        }
        // Reads go on, at the owner and through the others.
        let headers = [("petwalker-region", REGION)];
        for client in [&tutor, &tutor.at(&edges.all[owner].url)] {
            client.raw(reqwest::Method::GET, "/v1/rides?limit=1", &headers, Vec::new()).await.ok();
        }
        std::fs::remove_file(ballast).expect("removed");
    });
    all_there(&tutor, &done).await;
    same_everywhere(&edges).await;
    // A standby whose disk is full falls behind, and catches up once there is room.
    let standby = another(&edges, edges.owner_of(REGION, PATIENCE).await);
    let (more, ()) = meanwhile!(tutor, pet, async {
        let ballast = disks[standby].fill();
        let started = Instant::now();
        while quote(&tutor, &pet).await == 201 && started.elapsed() < super::TTL * 2 {}
        std::fs::remove_file(ballast).expect("removed");
    });
    assert!(more.iter().all(|done| done.repeats == 0), "a standby's disk is nobody else's concern");
    same_everywhere(&edges).await;
    edges.stop();
    drop((disks, turn));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_replica_is_replaced_under_load() {
    let Some((edges, _server, _turn)) = three("a_damaged_replica_is_replaced_under_load").await else {
        return;
    };
    let owner = edges.owner_of(REGION, PATIENCE).await;
    let (tutor, pet) = edges.client(another(&edges, owner)).tutor_with_pet().await;
    let (done, ()) = meanwhile!(tutor, pet, async {
        for index in 0..3 {
            let folder = edges.config(index).node.data.join("global.replica");
            let newest =
                std::fs::read_dir(folder).expect("replicas").map(|entry| entry.expect("one").path()).max();
            let file = newest.expect("a replica").join("replica.db");
            let length = usize::try_from(std::fs::metadata(&file).expect("there").len()).expect("small");
            let mut file = std::fs::OpenOptions::new().write(true).open(file).expect("opens");
            file.write_all(&vec![0xA5; length]).expect("damaged");
        }
        // What only the primary knows is written and read at every edge.
        for index in 0..3 {
            edges.client(index).tutor_with_pet().await;
        }
    });
    all_there(&tutor, &done).await;
    same_everywhere(&edges).await;
    edges.stop();
}
