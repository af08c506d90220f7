//! The service on a real database: every point is stored once, told apart, and found again from any cursor.

use petwalker_kernel::{AccountId, GeoPoint, MarkId, Millis, Moment, RideId, SeededEntropy, UtcMillis};
use petwalker_seal::SealKey;
use petwalker_store::{NativeDatabase, OwnersEvent, Sql as _, read_after};

use super::{
    Batch, Receipt, Refusal, begin, erase, expect, expire, expired, ingest, key_of, marks_of, points_after,
    progress, put_mark, remove_mark, route, settle, take_over,
};
use crate::domain::{CHUNK_POINTS, Circle, Mark, MarkKind, TrackPoint, Verdict};
use crate::sql::Keeper;

const SCHEMA: &str = include_str!("../../../../db-schema/region/schema.sql");

fn point(seq: u32) -> TrackPoint {
    let at = UtcMillis::new(1_780_000_000_000 + i64::from(seq) * 5_000);
    TrackPoint::new(seq, at, (-23.55, -46.63), 5.0, seq.is_multiple_of(2).then_some(760.5)).expect("in range")
}

fn setting() -> (NativeDatabase, [RideId; 2]) {
    let mut moment = Moment { now: UtcMillis::new(0), entropy: &mut SeededEntropy(1) };
    let rides = [RideId::new(&mut moment), RideId::new(&mut moment)];
    (NativeDatabase::in_memory(SCHEMA).expect("a database"), rides)
}

fn batch(ride: RideId, seqs: impl IntoIterator<Item = u32>) -> Batch {
    Batch { ride, points: seqs.into_iter().map(point).collect(), watched: false }
}

const NOW: UtcMillis = UtcMillis::new(1_790_000_000_000);

/// A moment without fences to cross, which needs no randomness.
fn moment(now: UtcMillis) -> Moment<'static> {
    Moment { now, entropy: Box::leak(Box::new(SeededEntropy(2))) }
}

fn append(sql: &NativeDatabase, batch: Batch) -> Result<Receipt, Refusal> {
    ingest(sql, &mut moment(NOW), &[batch], None)?.remove(0)
}

fn seqs(points: &[TrackPoint]) -> Vec<u32> {
    points.iter().map(|p| p.seq).collect()
}

#[test]
fn repeats_and_gaps_are_told() {
    let (sql, [ride, _]) = setting();
    for (sent, fresh, duplicates, contiguous, last) in [
        (vec![], vec![], 0, 0, 0),
        (vec![2, 1], vec![2, 1], 0, 2, 2),
        (vec![2, 5, 6], vec![5, 6], 1, 2, 6),
        (vec![4], vec![4], 0, 2, 6),
        (vec![3, 3], vec![3], 1, 6, 6),
    ] {
        let receipt = append(&sql, batch(ride, sent.clone())).expect("stored");
        let seen = &receipt.progress.seqs;
        assert_eq!(
            (seqs(&receipt.fresh), receipt.duplicates, seen.contiguous(), seen.highest()),
            (fresh, duplicates, contiguous, last),
            "{sent:?}"
        );
    }
    let stored: Vec<_> = route(&sql, ride).expect("a route").points.iter().map(|p| p.point).collect();
    assert_eq!(stored, (1..=6).map(point).collect::<Vec<_>>());
}

#[test]
fn any_cursor_reads_what_came_after_it() {
    let (sql, [ride, other]) = setting();
    append(&sql, batch(other, 1..=3)).expect("stored");
    for start in (1..=300).step_by(7) {
        append(&sql, batch(ride, (start..start + 7).rev())).expect("stored");
    }
    let all = points_after(&sql, ride, 0).expect("read");
    assert_eq!(seqs(&all[..8]), [7, 6, 5, 4, 3, 2, 1, 14]);
    assert_eq!(all.len(), 301);
    for cursor in [1, 127, 128, 129, 255, 256, 257, 300, 301, 302, 1_000] {
        let after = points_after(&sql, ride, cursor).expect("read");
        assert_eq!(after, all[(cursor as usize).min(301)..], "after {cursor}");
    }
}

#[test]
fn one_batch_of_many_is_refused_alone() {
    let (sql, [ride, other]) = setting();
    let batches = [batch(ride, 1..=2), batch(ride, 1..=1_001), batch(other, 1..=1), batch(ride, 2..=3)];
    let receipts = ingest(&sql, &mut moment(NOW), &batches, None).expect("stored");
    assert!(matches!(receipts[1], Err(Refusal::Invalid { .. })), "{:?}", receipts[1]);
    let stored = |index: usize| seqs(&receipts[index].as_ref().expect("stored").fresh);
    assert_eq!([stored(0), stored(2), stored(3)], [vec![1, 2], vec![1], vec![3]]);
    assert_eq!(points_after(&sql, ride, 0).expect("read").len(), 3);
}

#[test]
fn what_fails_is_not_stored_by_half() {
    let (sql, [ride, _]) = setting();
    append(&sql, batch(ride, 1..=100)).expect("stored");
    for statements in 0..5 {
        sql.fail_after(statements);
        let outcome = append(&sql, batch(ride, 101..=200));
        assert!(matches!(outcome, Err(Refusal::Sql(_))), "{statements}");
        assert_eq!(points_after(&sql, ride, 0).expect("read").len(), 100, "{statements}");
    }
    assert_eq!(append(&sql, batch(ride, 101..=200)).expect("stored").progress.count, 200);
}

#[test]
fn a_track_is_erased_when_asked_or_old() {
    let (sql, [ride, other]) = setting();
    append(&sql, batch(ride, 1..=300)).expect("stored");
    ingest(&sql, &mut moment(NOW.plus(Millis::from_mins(60))), &[batch(other, 1..=300)], None)
        .expect("stored")[0]
        .as_ref()
        .expect("stored");
    let left = |ride| points_after(&sql, ride, 0).expect("read").len();
    let later = NOW.plus(Millis::from_mins(90));
    assert_eq!(expired(&sql, later, Millis::from_mins(100)).expect("read"), []);
    assert_eq!(expired(&sql, later, Millis::from_mins(60)).expect("read"), [ride]);
    assert!(erase(&sql, &mut moment(NOW), ride).expect("erased"));
    assert_eq!((left(ride), left(other)), (0, 300));
    assert!(
        erase(&sql, &mut moment(NOW), other).expect("erased")
            && !erase(&sql, &mut moment(NOW), other).expect("asked")
    );
    assert_eq!(left(other), 0);
}

/// The standby has what the events told, and what the device sends again makes it whole.
#[test]
fn a_track_that_expired_stays_so_whatever_comes() {
    let (sql, [ride, _]) = setting();
    append(&sql, batch(ride, 1..=2)).expect("stored");
    expire(&sql, ride).expect("marked");
    append(&sql, batch(ride, 3..=4)).expect("stored");
    assert_eq!(expired(&sql, NOW, Millis::from_mins(60)).expect("read"), [ride]);
}

#[test]
fn a_standby_goes_on_where_the_owner_stopped() {
    let (owner, [ride, _]) = setting();
    let (standby, _) = setting();
    for sql in [&owner, &standby] {
        sql.execute("INSERT INTO region (one, name, epoch) VALUES (1, 'here', 1)", &[]).expect("a region");
    }
    let mut now = moment(NOW);
    let tutors = SealKey::new([8; 32]);
    let keeper = Keeper { tutor_id: AccountId::new(&mut now), key: key_of(ride, &tutors) };
    let centre = GeoPoint::new(-23.55, -46.63).expect("a place");
    expect(&owner, &mut now, ride, Circle { centre, radius_m: 80.0 }, Some(&keeper)).expect("kept");
    let mark = |minute| Mark {
        id: MarkId::new(&mut moment(NOW.plus(Millis::from_mins(minute)))),
        kind: MarkKind::Pee,
        at: NOW,
        place: centre,
    };
    put_mark(&owner, &mut now, ride, &mark(1)).expect("kept");
    put_mark(&owner, &mut now, ride, &mark(2)).expect("kept");
    remove_mark(&owner, &mut now, ride, mark(1).id).expect("removed");
    let all = CHUNK_POINTS + 40;
    for seq in 1..=all {
        append(&owner, batch(ride, [seq])).expect("stored");
    }
    let follow = |key: Option<&SealKey>| {
        let events = read_after(&owner, 0, 1_000).expect("read").into_iter();
        let events = events.map(|(_, record)| OwnersEvent { record, seal_key: key.cloned() });
        take_over(&standby, events.collect()).expect("taken over")
    };
    follow(Some(&tutors));
    let held = progress(&standby, ride).expect("read");
    assert_eq!((held.count, held.seqs.contiguous()), (CHUNK_POINTS, CHUNK_POINTS));
    assert_eq!(marks_of(&standby, ride).expect("read"), [mark(2)]);
    assert_eq!(held.fences, progress(&owner, ride).expect("read").fences);
    // The owner is gone: the device sends what is missing, and more.
    append(&standby, batch(ride, CHUNK_POINTS - 5..=all)).expect("stored");
    assert_eq!(route(&standby, ride).expect("a route"), route(&owner, ride).expect("a route"));
}

/// At the end of a walk nothing of it is on the owner's disk alone, and what is erased there is erased everywhere.
#[test]
fn a_walk_that_ended_is_told_whole_and_erased_everywhere() {
    let (owner, [ride, _]) = setting();
    let (standby, _) = setting();
    owner.execute("INSERT INTO region (one, name, epoch) VALUES (1, 'here', 1)", &[]).expect("a region");
    let mut now = moment(NOW);
    let tutors = SealKey::new([8; 32]);
    let keeper = Keeper { tutor_id: AccountId::new(&mut now), key: key_of(ride, &tutors) };
    let centre = GeoPoint::new(-23.55, -46.63).expect("a place");
    expect(&owner, &mut now, ride, Circle { centre, radius_m: 80.0 }, Some(&keeper)).expect("kept");
    append(&owner, batch(ride, 1..=300)).expect("stored");
    settle(&owner, &mut now, ride).expect("told");
    let follow = || {
        let events = read_after(&owner, 0, 1_000).expect("read").into_iter();
        let events = events.map(|(_, record)| OwnersEvent { record, seal_key: Some(tutors.clone()) });
        take_over(&standby, events.collect()).expect("taken over")
    };
    follow();
    assert_eq!(route(&standby, ride).expect("a route"), route(&owner, ride).expect("a route"));
    assert!(erase(&owner, &mut now, ride).expect("erased"));
    follow();
    assert_eq!(route(&standby, ride).expect("a route").points.len(), 0);
}

/// A walk northwards at 1.4 m/s from a moment on, with a fix each 5 s.
fn walk_from(first_seq: u32, start: UtcMillis, seconds: i64) -> Vec<TrackPoint> {
    (0_u32..)
        .map(|step| (step, i64::from(step) * 5))
        .take_while(|(_, second)| *second <= seconds)
        .map(|(step, second)| {
            let at = start.plus(Millis::from_secs(second));
            let lat = -23.55 + f64::from(step) * 7.0 / 111_195.0;
            TrackPoint::new(first_seq + step, at, (lat, -46.63), 5.0, None).expect("in range")
        })
        .collect()
}

#[test]
fn only_points_of_the_walk_itself_count() {
    let (sql, [ride, unbegun]) = setting();
    let skew = Millis::from_secs(120);
    let hour = |hours: i64| NOW.plus(Millis::from_mins(hours * 60));
    for _ in 0..2 {
        begin(&sql, &mut moment(NOW), ride, NOW, skew).expect("begun");
    }
    // It was begun once: another start changes nothing.
    begin(&sql, &mut moment(NOW), ride, hour(-9), skew).expect("begun");
    let forged = [
        walk_from(1, hour(-5), 3_600),
        walk_from(6_001, hour(24), 3_600),
        walk_from(8_001, UtcMillis::new(4_000_000_000_000), 60),
    ];
    for points in forged {
        let count = points.len();
        let receipt = ingest(&sql, &mut moment(NOW), &[Batch { ride, points, watched: true }], None)
            .expect("stored")
            .remove(0)
            .expect("stored");
        assert_eq!((receipt.fresh.len(), receipt.progress.live), (count, None), "kept, and nothing measured");
    }
    let measured = route(&sql, ride).expect("read");
    assert_eq!((measured.distance_m, measured.elapsed, measured.way.len()), (0.0, Millis::default(), 0));
    // The walk itself is measured as if the rest were not there; its points come a minute after its end.
    let end = NOW.plus(Millis::from_secs(660));
    let points = walk_from(2_001, NOW, 600);
    let count = points.len();
    let walked = Batch { ride, points: points.clone(), watched: true };
    let receipt = ingest(&sql, &mut moment(end), &[walked], None).expect("stored").remove(0).expect("stored");
    assert!((receipt.progress.live.expect("seen").distance_m() - 840.0).abs() < 40.0);
    let measured = route(&sql, ride).expect("read");
    assert!((measured.distance_m - 840.0).abs() < 10.0, "{}", measured.distance_m);
    assert_eq!((measured.elapsed, measured.way.len()), (Millis::from_secs(600), count));
    assert!(measured.count(Verdict::OutOfTime) > 1_400);
    // A device whose clock is a minute ahead and behind counts too, and one where the start is not known.
    let (sql, _) = setting();
    begin(&sql, &mut moment(NOW), ride, NOW, skew).expect("begun");
    for (seq, start) in [(1, NOW.plus(Millis::from_secs(-60))), (101, NOW.plus(Millis::from_secs(60)))] {
        let batch = Batch { ride, points: walk_from(seq, start, 50), watched: false };
        ingest(&sql, &mut moment(NOW), &[batch], None).expect("stored").remove(0).expect("stored");
    }
    assert_eq!(route(&sql, ride).expect("read").count(Verdict::OutOfTime), 0);
    let batch = Batch { ride: unbegun, points, watched: false };
    ingest(&sql, &mut moment(NOW), &[batch], None).expect("stored").remove(0).expect("stored");
    assert_eq!(route(&sql, unbegun).expect("read").way.len(), count);
}
