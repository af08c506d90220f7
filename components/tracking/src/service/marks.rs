//! Marks on the route.

use petwalker_kernel::{MarkId, Moment, RideId};
use petwalker_store::{Sql, transaction};

use super::Refusal;
use super::told::{News, tell};
use crate::domain::{MARKS_MAX, Mark};
use crate::sql::{self, marks};

/// Writes a mark; the same id twice is the same mark, as it was said last.
///
/// # Errors
/// When the ride has too many or the database fails.
pub fn put_mark(sql: &impl Sql, moment: &mut Moment<'_>, ride: RideId, mark: &Mark) -> Result<(), Refusal> {
    transaction(sql, |sql| {
        marks::put(sql, ride, mark)?;
        count(sql, moment, ride, News { mark: Some(*mark), ..News::default() })
    })
}

/// Removes a mark. False: there was none.
///
/// # Errors
/// When the database fails.
pub fn remove_mark(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    ride: RideId,
    id: MarkId,
) -> Result<bool, Refusal> {
    transaction(sql, |sql| {
        let gone = marks::remove(sql, ride, id)?;
        if gone {
            count(sql, moment, ride, News { removed: Some(id), ..News::default() })?;
        }
        Ok(gone)
    })
}

/// Keeps how many marks there are with the track, whose readers are told that there are more.
fn count(sql: &impl Sql, moment: &mut Moment<'_>, ride: RideId, news: News) -> Result<(), Refusal> {
    let mut track = sql::track(sql, ride)?.unwrap_or_default();
    track.progress.marks = marks::count(sql, ride)?;
    if track.progress.marks > MARKS_MAX {
        let message = format!("a walk may have {MARKS_MAX} marks");
        return Err(Refusal::Invalid { field: "id".to_owned(), message });
    }
    tell(sql, moment, ride, &mut track, news)?;
    Ok(sql::keep(sql, moment.now, ride, track)?)
}

/// The marks of a ride in the order of time.
///
/// # Errors
/// When the database fails.
pub fn marks_of(sql: &impl Sql, ride: RideId) -> Result<Vec<Mark>, Refusal> {
    Ok(marks::all(sql, ride)?)
}

#[cfg(test)]
mod tests {
    use petwalker_kernel::{GeoPoint, MarkId, Millis, Moment, RideId, SeededEntropy, UtcMillis};
    use petwalker_store::NativeDatabase;

    use super::{marks_of, put_mark, remove_mark};
    use crate::domain::{MARKS_MAX, Mark, MarkKind};
    use crate::service::{Refusal, erase, progress};

    const NOW: UtcMillis = UtcMillis::new(1_790_000_000_000);

    fn now() -> Moment<'static> {
        Moment { now: NOW, entropy: Box::leak(Box::new(SeededEntropy(6))) }
    }

    #[test]
    fn marks_are_kept_changed_counted_and_erased() {
        let sql = NativeDatabase::in_memory(include_str!("../../../../db-schema/region/schema.sql"));
        let sql = sql.expect("a database");
        let moment = &mut Moment { now: NOW, entropy: &mut SeededEntropy(5) };
        let ride = RideId::new(moment);
        let mut mark = |minute: i64, kind| Mark {
            id: MarkId::new(moment),
            kind,
            at: NOW.plus(Millis::from_mins(minute)),
            place: GeoPoint::new(-23.55, -46.63).expect("a place"),
        };
        let (late, early) = (mark(9, MarkKind::Poo), mark(3, MarkKind::Pee));
        for mark in [&late, &early, &late] {
            put_mark(&sql, &mut now(), ride, mark).expect("kept");
        }
        assert_eq!(marks_of(&sql, ride).expect("read"), [early, late]);
        let changed = Mark { kind: MarkKind::Water, ..late };
        put_mark(&sql, &mut now(), ride, &changed).expect("kept");
        assert_eq!(marks_of(&sql, ride).expect("read"), [early, changed]);
        assert_eq!(progress(&sql, ride).expect("read").marks, 2);
        assert!(remove_mark(&sql, &mut now(), ride, early.id).expect("gone"));
        assert!(!remove_mark(&sql, &mut now(), ride, early.id).expect("asked"));
        assert_eq!(progress(&sql, ride).expect("read").marks, 1);
        for _ in 1..MARKS_MAX {
            put_mark(&sql, &mut now(), ride, &mark(1, MarkKind::Photo)).expect("kept");
        }
        let refused = put_mark(&sql, &mut now(), ride, &mark(1, MarkKind::Photo));
        assert!(matches!(refused, Err(Refusal::Invalid { .. })), "{refused:?}");
        assert_eq!(marks_of(&sql, ride).expect("read").len(), MARKS_MAX as usize);
        erase(&sql, &mut now(), ride).expect("erased");
        assert_eq!(
            (marks_of(&sql, ride).expect("read").len(), progress(&sql, ride).expect("read").marks),
            (0, 0)
        );
    }
}
