//! What the events hold of a track, on a real database.

use petwalker_journal::Envelope;
use petwalker_kernel::{AccountId, GeoPoint, Millis, Moment, RideId, SeededEntropy, UtcMillis};
use petwalker_seal::SealKey;
use petwalker_store::{NativeDatabase, NewEvent, OwnersEvent, Region, Sql as _, Value, read_after};
use serde::Serialize;
use serde_bytes::ByteBuf;

use super::{KEPT, Kept, Sealed, Settled, context, key_of, settle_due, take_over, told_in};
use crate::domain::{Circle, TrackPoint};
use crate::service::{Batch, Receipt, expect, ingest, points_after, progress};
use crate::sql::{self, Keeper};

const SCHEMA: &str = include_str!("../../../../../db-schema/region/schema.sql");
const NOW: i64 = 1_790_000_000_000;

fn at(after_ms: i64) -> Moment<'static> {
    let seed = u64::try_from(after_ms).expect("later") + 7;
    Moment { now: UtcMillis::new(NOW + after_ms), entropy: Box::leak(Box::new(SeededEntropy(seed))) }
}

fn tutors() -> SealKey {
    SealKey::new([8; 32])
}

fn empty() -> NativeDatabase {
    let sql = NativeDatabase::in_memory(SCHEMA).expect("a database");
    sql.execute("INSERT INTO region (one, name, epoch) VALUES (1, 'here', 1)", &[]).expect("a region");
    sql
}

/// A ride whose walk is told, and its owner's database.
fn walk() -> (NativeDatabase, RideId) {
    let (sql, ride) = (empty(), RideId::new(&mut at(0)));
    begin(&sql, ride);
    (sql, ride)
}

fn begin(sql: &NativeDatabase, ride: RideId) {
    let keeper = Keeper { tutor_id: AccountId::new(&mut at(1)), key: key_of(ride, &tutors()) };
    let centre = GeoPoint::new(-23.55, -46.63).expect("a place");
    expect(sql, &mut at(0), ride, Circle { centre, radius_m: 80.0 }, Some(&keeper)).expect("kept");
}

fn point(seq: u32) -> TrackPoint {
    let moment = UtcMillis::new(1_780_000_000_000 + i64::from(seq) * 5_000);
    let lat = -23.55 + f64::from(seq % 9) * 1e-5;
    TrackPoint::new(seq, moment, (lat, -46.63), 5.0, seq.is_multiple_of(2).then_some(760.5))
        .expect("in range")
}

fn store(sql: &NativeDatabase, ride: RideId, after_ms: i64, seqs: std::ops::RangeInclusive<u32>) -> Receipt {
    let batch = Batch { ride, points: seqs.map(point).collect(), watched: false };
    ingest(sql, &mut at(after_ms), &[batch], None).expect("stored").remove(0).expect("taken")
}

fn records(sql: &NativeDatabase) -> Vec<Vec<u8>> {
    read_after(sql, 0, 1_000).expect("read").into_iter().map(|(_, record)| record).collect()
}

fn follow(standby: &NativeDatabase, records: &[Vec<u8>]) {
    let event = |record: &Vec<u8>| OwnersEvent { record: record.clone(), seal_key: Some(tutors()) };
    take_over(standby, records.iter().map(event).collect()).expect("taken over");
}

/// Bytes of points that an event holds.
fn bytes_in(record: &[u8]) -> usize {
    let facts: Kept = Envelope::decode(record).expect("an event").facts().expect("facts");
    let plain =
        key_of(facts.ride_id, &tutors()).open(&context(facts.ride_id), &facts.sealed).expect("opened");
    let sealed: Sealed = rmp_serde::from_slice(&plain).expect("read");
    sealed.tail.len() + sealed.chunks.iter().map(|(_, chunk)| chunk.len()).sum::<usize>()
}

#[test]
fn events_hold_each_point_once_and_a_reader_of_some_of_them_has_a_whole_track() {
    let (owner, ride) = walk();
    let mut next = 1;
    for (count, settles) in
        [(3, true), (40, false), (300, false), (1, true), (128, true), (600, false), (7, true), (1_000, true)]
    {
        store(&owner, ride, i64::from(next), next..=next + count - 1);
        next += count;
        if settles {
            settle_due(&owner, &mut at(i64::from(next)), Millis::new(0)).expect("told");
        }
    }
    let log = records(&owner);
    for length in 0..=log.len() {
        let standby = empty();
        follow(&standby, &log[..length]);
        let held = progress(&standby, ride).expect("read");
        let points = points_after(&standby, ride, 0).expect("read");
        assert_eq!(
            (points.len(), held.seqs.contiguous()),
            (held.count as usize, held.count),
            "of {length} events"
        );
        assert!(points.iter().zip(1..).all(|(held, seq)| held.seq == seq));
    }
    let stored = owner.query(
        "SELECT (SELECT sum(length(points)) FROM track_chunks) + (SELECT length(tail) FROM tracks)",
        &[],
    );
    let stored: usize = stored.expect("asked")[0].uint(0).expect("a sum");
    assert_eq!(log.iter().map(|record| bytes_in(record)).sum::<usize>(), stored, "twice, or missing");
    let standby = empty();
    follow(&standby, &log);
    assert_eq!(points_after(&standby, ride, 0), points_after(&owner, ride, 0));
    assert_eq!(progress(&standby, ride), progress(&owner, ride));
}

#[test]
fn what_the_events_lack_is_told_in_time_once_and_as_of_then() {
    let (sql, ride) = walk();
    let before = records(&sql).len();
    let settled =
        |after_ms, lacking| settle_due(&sql, &mut at(after_ms), Millis::new(lacking)).expect("told");
    assert_eq!(settled(0, 0).told, 0, "nothing is lacking");
    store(&sql, ride, 100, 1..=60);
    store(&sql, ride, 400, 61..=62);
    assert_eq!(settled(1_000, 1_000), Settled::default(), "not for so long");
    assert_eq!(settled(1_100, 1_000), Settled { told: 1, ..Settled::default() });
    assert_eq!(settled(9_000, 0).told, 0, "once");
    let log = read_after(&sql, 0, 100).expect("read");
    assert_eq!(log.len(), before + 1);
    assert_eq!(log[before].0.at_ms, NOW + 400);
    // What was there before is no news.
    store(&sql, ride, 2_000, 1..=62);
    assert_eq!(settled(9_000, 0).told, 0);
}

#[test]
fn it_is_known_which_event_tells_how_far() {
    let (sql, ride) = walk();
    let told = |receipt: &Receipt| receipt.told.iter().map(|m| (m.event, m.contiguous)).collect::<Vec<_>>();
    let first = store(&sql, ride, 1, 1..=60);
    assert_eq!(told(&first), [(1, 0)], "the fences were told");
    settle_due(&sql, &mut at(2), Millis::new(0)).expect("told");
    assert_eq!(told(&store(&sql, ride, 3, 61..=61)), [(1, 0), (2, 60)]);
    // A chunk is full.
    assert_eq!(told(&store(&sql, ride, 4, 62..=130)), [(1, 0), (2, 60), (3, 130)]);
    let batch = Batch { ride, points: vec![point(131)], watched: false };
    let receipt = ingest(&sql, &mut at(5), &[batch], Some(2)).expect("stored").remove(0).expect("taken");
    assert_eq!(told(&receipt), [(2, 60), (3, 130)], "what is published is known to be");
    let standby = empty();
    follow(&standby, &records(&sql));
    let marks = told_in(&standby, ride).expect("read");
    assert_eq!(marks.iter().map(|m| (m.event, m.contiguous)).collect::<Vec<_>>(), [(3, 130)]);
}

#[test]
fn a_track_that_cannot_be_read_holds_up_no_other() {
    let (sql, ride) = walk();
    let broken = RideId::new(&mut at(77));
    begin(&sql, broken);
    store(&sql, broken, 1, 1..=5);
    store(&sql, ride, 2, 1..=5);
    let spoil = "UPDATE tracks SET progress = x'c1' WHERE ride_id = ?1";
    sql.execute(spoil, &[Value::display(&broken)]).expect("spoilt");
    let settled = settle_due(&sql, &mut at(10), Millis::new(0)).expect("told");
    assert_eq!(settled, Settled { told: 1, unreadable: 1, more: false });
    assert_eq!(settle_due(&sql, &mut at(11), Millis::new(0)).expect("told"), Settled::default());
}

/// A backup, or an owner that was killed, holds more than its log, and another owner goes on from the log.
#[test]
fn a_file_that_goes_beyond_its_log_takes_over_what_others_told() {
    let (owner, ride) = walk();
    store(&owner, ride, 1, 1..=60);
    settle_due(&owner, &mut at(2), Millis::new(0)).expect("told");
    store(&owner, ride, 3, 61..=100);
    let path = std::env::temp_dir().join(format!("petwalker-told-{}.db", std::process::id()));
    let name = path.to_str().expect("UTF-8");
    owner.execute("VACUUM INTO ?1", &[name.into()]).expect("copied");
    let copy = NativeDatabase::open(name, "").expect("opens");
    let heir = empty();
    follow(&heir, &records(&owner));
    // The device sends again what the heir lacks, and goes on.
    store(&heir, ride, 9, 61..=90);
    store(&heir, ride, 10, 91..=200);
    settle_due(&heir, &mut at(11), Millis::new(0)).expect("told");
    follow(&copy, &records(&heir));
    assert_eq!(points_after(&copy, ride, 0), points_after(&heir, ride, 0));
    assert_eq!(progress(&copy, ride), progress(&heir, ride));
    std::fs::remove_file(&path).expect("removed");
}

/// As schema 1 wrote it: the whole tail each time, and one chunk.
#[derive(Serialize)]
struct SealedBefore {
    progress: ByteBuf,
    tail: ByteBuf,
    chunk: Option<(u32, ByteBuf)>,
    mark: Option<()>,
    removed: Option<()>,
}

#[test]
fn what_was_told_before_is_read() {
    let (owner, ride) = (empty(), RideId::new(&mut at(0)));
    let keeper = Keeper { tutor_id: AccountId::new(&mut at(1)), key: key_of(ride, &tutors()) };
    let tell = |schema, tail: Vec<u8>, chunk: Option<(u32, ByteBuf)>| {
        let known = sql::track(&owner, ride).expect("read").expect("a track").progress;
        let progress = rmp_serde::to_vec(&known).expect("written").into();
        let sealed = SealedBefore { progress, tail: tail.into(), chunk, mark: None, removed: None };
        let plain = rmp_serde::to_vec_named(&sealed).expect("written");
        let sealed = keeper.key.seal([5; 24], &context(ride), &plain).into();
        let facts = Kept { ride_id: ride, tutor_id: keeper.tutor_id, sealed };
        let stream_id = format!("track/{ride}/kept");
        let event =
            NewEvent { event_type: KEPT, stream_id, version: 1, schema, facts: &facts, command: None };
        let region = Region::read(&owner).expect("a region");
        petwalker_store::append(&owner, &region, &mut at(2), event).expect("appended");
    };
    let tail = || sql::track(&owner, ride).expect("read").expect("a track").tail;
    store(&owner, ride, 1, 1..=20);
    tell(1, tail(), None);
    store(&owner, ride, 1, 21..=140);
    let chunk = owner.query("SELECT points FROM track_chunks", &[]).expect("read")[0]
        .blob(0)
        .expect("a chunk")
        .to_vec();
    tell(1, tail(), Some((0, chunk.into())));
    let standby = empty();
    follow(&standby, &records(&owner));
    assert_eq!(points_after(&standby, ride, 0), points_after(&owner, ride, 0));
    // What a newer release wrote is not read as if it were known.
    tell(3, tail(), None);
    let newest = records(&owner).pop().expect("an event");
    let refused = take_over(&standby, vec![OwnersEvent { record: newest, seal_key: Some(tutors()) }]);
    assert!(refused.is_err_and(|error| error.to_string().contains("schema 3")));
}
