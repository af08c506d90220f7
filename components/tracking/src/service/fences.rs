//! Fences and the way to them.

use petwalker_kernel::{Millis, Moment, RideId, UtcMillis};
use petwalker_store::{NewEvent, Region, Sql, SqlError, transaction};
use serde::{Deserialize, Serialize};

use super::Refusal;
use super::told::{News, tell};
use crate::domain::{Circle, Crossing, Fence, FenceKind, Progress, TrackPoint};
use crate::sql::{self, Keeper, Track};

/// A device's clock may be ahead by so much: a fix of later would stand against all that come after it.
const CLOCK_AHEAD_MAX: Millis = Millis::from_mins(1);

/// A fix of a walker who is on the way to the pets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// The ride.
    pub ride: RideId,
    /// The fix; its number says nothing.
    pub fix: TrackPoint,
}

/// The facts of `track.arrived` and `track.left`. Their stream is the track's, not the ride's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossed {
    /// The ride.
    pub ride_id: RideId,
    /// The fence: `pickup`, `home` or `area`.
    pub fence: String,
    /// When.
    pub at: UtcMillis,
}

/// Version of the facts' schema.
const SCHEMA: u32 = 1;

/// Appends an event for each fence that was crossed; `known` are all that the track has, these among them.
pub(super) fn announce(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    ride: RideId,
    known: usize,
    crossings: &[Crossing],
) -> Result<(), SqlError> {
    if crossings.is_empty() {
        return Ok(());
    }
    let region = Region::read(sql)?;
    for (index, crossing) in crossings.iter().enumerate() {
        let facts = Crossed { ride_id: ride, fence: crossing.kind.name().to_owned(), at: crossing.at };
        let event = NewEvent {
            event_type: if crossing.entered { "track.arrived" } else { "track.left" },
            stream_id: format!("track/{ride}"),
            version: u32::try_from(known - crossings.len() + index + 1).unwrap_or(u32::MAX),
            schema: SCHEMA,
            facts: &facts,
            command: None,
        };
        petwalker_store::append(sql, &region, moment, event)?;
    }
    Ok(())
}

fn fence(kind: FenceKind, circle: Circle) -> Result<Fence, Refusal> {
    Fence::new(kind, circle).map_err(|bad| Refusal::Invalid {
        field: format!("{}.radius_m", kind.name()),
        message: bad.to_string(),
    })
}

/// Changes what is known of a track; the change is kept and told if it succeeds.
fn change<T>(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    ride: RideId,
    change: impl Fn(&mut Track) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    transaction(sql, |sql| {
        let mut track = sql::track(sql, ride)?.unwrap_or_default();
        let changed = change(&mut track)?;
        tell(sql, moment, ride, &mut track, News::default())?;
        sql::keep(sql, moment.now, ride, track)?;
        Ok(changed)
    })
}

/// A walker has taken the ride and will come to the pickup. From here on the track is told, where it has a keeper.
///
/// # Errors
/// When the radius is out of range or the database fails.
pub fn expect(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    ride: RideId,
    pickup: Circle,
    keeper: Option<&Keeper>,
) -> Result<(), Refusal> {
    let (pickup, home) = (fence(FenceKind::Pickup, pickup)?, fence(FenceKind::Home, pickup)?);
    change(sql, moment, ride, |track| {
        track.progress.expect(pickup, home);
        track.keeper = keeper.cloned();
        Ok(())
    })
}

/// Sets where the pets are brought back to, which without a word is the pickup, and where the walk may go. Where it has a keeper,
/// the track is told from here on, and goes with who is erased.
///
/// # Errors
/// When a radius is out of range or the database fails.
pub fn set_fences(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    ride: RideId,
    home: Option<Circle>,
    area: Option<Circle>,
    keeper: Option<&Keeper>,
) -> Result<Progress, Refusal> {
    let area = area.map(|circle| fence(FenceKind::Area, circle)).transpose()?;
    let home = home.map(|circle| fence(FenceKind::Home, circle)).transpose()?;
    change(sql, moment, ride, |track| {
        super::count_change(&mut track.progress)?;
        if track.keeper.is_none() {
            track.keeper = keeper.cloned();
        }
        let fences = &mut track.progress.fences;
        let pickup = fences.get(FenceKind::Pickup).map(|pickup| pickup.circle);
        let home = home.map_or_else(
            || pickup.map(|circle| fence(FenceKind::Home, circle)).transpose(),
            |home| Ok(Some(home)),
        )?;
        for (kind, wanted) in [(FenceKind::Home, home), (FenceKind::Area, area)] {
            match wanted {
                // Who sets again what is set does not make the walker cross it again.
                Some(wanted) if fences.get(kind).is_some_and(|known| known.circle == wanted.circle) => {}
                Some(wanted) => fences.set(wanted),
                None => fences.remove(kind),
            }
        }
        Ok(track.progress.clone())
    })
}

/// Takes fixes of walkers on their way, in one transaction; what is known of each track then. One that is of the future is
/// refused by itself.
///
/// # Errors
/// When the database fails; then nothing is kept.
pub fn approach(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    reports: &[Report],
) -> Result<Vec<Result<Progress, Refusal>>, Refusal> {
    transaction(sql, |sql| {
        let mut known = Vec::with_capacity(reports.len());
        for Report { ride, fix } in reports {
            if fix.at > moment.now.plus(CLOCK_AHEAD_MAX) {
                let message = "is ahead of the clock here; set the device's".to_owned();
                known.push(Err(Refusal::Invalid { field: "at".to_owned(), message }));
                continue;
            }
            let mut track = sql::track(sql, *ride)?.unwrap_or_default();
            let crossings = track.progress.approach(fix);
            announce(sql, moment, *ride, track.progress.fences.crossings().len(), &crossings)?;
            track.lack(moment.now);
            if !crossings.is_empty() {
                tell(sql, moment, *ride, &mut track, News::default())?;
            }
            known.push(Ok(track.progress.clone()));
            sql::keep(sql, moment.now, *ride, track)?;
        }
        Ok(known)
    })
}

#[cfg(test)]
mod tests {
    use petwalker_journal::Envelope;
    use petwalker_kernel::{GeoPoint, Moment, RideId, SeededEntropy, UtcMillis};
    use petwalker_store::{NativeDatabase, Sql as _};

    use super::{Crossed, Report, approach, expect, set_fences};
    use crate::domain::{Circle, FenceKind, TrackPoint};
    use crate::service::{Batch, Refusal, ingest, progress};

    const NOW: UtcMillis = UtcMillis::new(1_790_000_000_000);

    fn database() -> (NativeDatabase, RideId) {
        let sql = NativeDatabase::in_memory(include_str!("../../../../db-schema/region/schema.sql"));
        let sql = sql.expect("a database");
        sql.execute("INSERT INTO region (one, name, epoch) VALUES (1, 'here', 1)", &[]).expect("a region");
        (sql, RideId::new(&mut Moment { now: NOW, entropy: &mut SeededEntropy(3) }))
    }

    fn at_now() -> Moment<'static> {
        Moment { now: NOW, entropy: Box::leak(Box::new(SeededEntropy(6))) }
    }

    fn fix(seq: u32, north_m: f64) -> TrackPoint {
        let at = UtcMillis::new(1_780_000_000_000 + i64::from(seq) * 5_000);
        TrackPoint::new(seq, at, (-23.55 + north_m / 111_195.0, -46.63), 5.0, None).expect("in range")
    }

    fn circle(radius_m: f64) -> Circle {
        Circle { centre: GeoPoint::new(-23.55, -46.63).expect("a place"), radius_m }
    }

    /// The events of the track: their type, version and fence.
    fn told(sql: &NativeDatabase) -> Vec<(String, u32, String)> {
        let rows = sql.query("SELECT record FROM events ORDER BY seq", &[]).expect("events");
        let event = |record: &[u8]| {
            let envelope = Envelope::decode(record).expect("an envelope");
            let facts: Crossed = envelope.facts().expect("facts");
            (envelope.event_type, envelope.version, facts.fence)
        };
        rows.iter().map(|row| event(row.blob(0).expect("a record"))).collect()
    }

    #[test]
    fn a_walk_tells_where_it_comes_and_goes() {
        let (sql, ride) = database();
        let moment = &mut Moment { now: NOW, entropy: &mut SeededEntropy(4) };
        expect(&sql, &mut at_now(), ride, circle(80.0), None).expect("kept");
        set_fences(&sql, &mut at_now(), ride, None, Some(circle(300.0)), None).expect("kept");
        let reports: Vec<Report> =
            (1..=60).map(|i| Report { ride, fix: fix(i, 600.0 - f64::from(i) * 10.0) }).collect();
        let known = approach(&sql, moment, &reports).expect("kept");
        let last = known[59].as_ref().expect("kept");
        assert!(last.fences.get(FenceKind::Pickup).is_some_and(|pickup| pickup.inside));
        let out_and_back = |i: u32| f64::from(i.min(120 - i)) * 7.0;
        let points = (1..=119).map(|i| fix(i, out_and_back(i))).collect();
        let batch = Batch { ride, points, watched: false };
        ingest(&sql, moment, &[batch], None).expect("stored").remove(0).expect("stored");
        let expected = [
            ("track.arrived", "pickup"),
            ("track.left", "home"),
            ("track.left", "area"),
            ("track.arrived", "area"),
            ("track.arrived", "home"),
        ];
        let expected: Vec<_> = expected
            .iter()
            .zip(1..)
            .map(|((kind, fence), version)| ((*kind).to_owned(), version, (*fence).to_owned()))
            .collect();
        assert_eq!(told(&sql), expected);
        assert_eq!(progress(&sql, ride).expect("read").fences.crossings().len(), 5);
    }

    #[test]
    fn a_fix_of_the_future_does_not_stand_against_those_that_come_after_it() {
        let (sql, ride) = database();
        let at = |seconds: i64| Report {
            ride,
            fix: TrackPoint { at: NOW.plus(petwalker_kernel::Millis::from_secs(seconds)), ..fix(1, 30.0) },
        };
        let known = approach(&sql, &mut at_now(), &[at(61), at(-5), at(60)]).expect("kept");
        assert!(matches!(&known[0], Err(Refusal::Invalid { field, .. }) if field == "at"), "{known:?}");
        let seen = |index: usize| known[index].as_ref().expect("kept").approach.map(|a| a.at);
        assert_eq!((seen(1), seen(2)), (Some(at(-5).fix.at), Some(at(60).fix.at)));
    }

    #[test]
    fn fences_are_set_and_taken_away_and_the_home_falls_back_to_the_pickup() {
        let (sql, ride) = database();
        let radii = |home: Option<f64>, area: Option<f64>| {
            let set = set_fences(&sql, &mut at_now(), ride, home.map(circle), area.map(circle), None)
                .expect("kept");
            set.fences.all().iter().map(|fence| (fence.kind, fence.circle.radius_m)).collect::<Vec<_>>()
        };
        use FenceKind::{Area, Home, Pickup};
        assert_eq!(radii(Some(50.0), None), [(Home, 50.0)]);
        expect(&sql, &mut at_now(), ride, circle(80.0), None).expect("kept");
        assert_eq!(radii(Some(50.0), Some(900.0)), [(Pickup, 80.0), (Home, 50.0), (Area, 900.0)]);
        assert_eq!(radii(None, None), [(Pickup, 80.0), (Home, 80.0)]);
        let refused = set_fences(&sql, &mut at_now(), ride, None, Some(circle(5.0)), None);
        assert!(matches!(refused, Err(Refusal::Invalid { field, .. }) if field == "area.radius_m"));
    }

    /// What these bytes say is what was written when there was schema 1.
    #[test]
    fn the_facts_of_old_events_are_read() {
        let facts = Crossed {
            ride_id: "0197b9a1-7c00-7000-8000-000000000001".parse().expect("an id"),
            fence: "home".to_owned(),
            at: UtcMillis::new(1_780_000_000_000),
        };
        let written = rmp_serde::to_vec_named(&facts).expect("written");
        let golden = "83a7726964655f6964d92430313937623961312d376330302d373030302d383030302d303030303030303030303031a566656e6365a4686f6d65a26174cf0000019e70448800";
        assert_eq!(hex::encode(&written), golden);
        let bytes = hex::decode(golden).expect("bytes");
        assert_eq!(rmp_serde::from_slice::<Crossed>(&bytes).expect("read"), facts);
    }
}
