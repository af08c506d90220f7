//! Marks on the route.

use petwalker_kernel::{MarkId, Moment, RideId};
use petwalker_store::{Sql, transaction};

use super::told::{News, tell};
use super::{Refusal, count_change};
use crate::domain::{MARKS_MAX, Mark, MarkKind, PHOTOS_MAX};
use crate::sql::{self, marks};

/// Writes a mark; the same id twice is the same mark, as it was said last. One of the kind photo stays one: its photo would be
/// left behind.
///
/// # Errors
/// When the ride has too many, a photo would become something else, or the database fails.
pub fn put_mark(sql: &impl Sql, moment: &mut Moment<'_>, ride: RideId, mark: &Mark) -> Result<(), Refusal> {
    transaction(sql, |sql| {
        match marks::get(sql, ride, mark.id)? {
            Some(known) if known == *mark => return Ok(()),
            Some(known) if known.kind == MarkKind::Photo && mark.kind != MarkKind::Photo => {
                let message = "of a photo stays photo; remove the mark and set another".to_owned();
                return Err(Refusal::Invalid { field: "kind".to_owned(), message });
            }
            _ => {}
        }
        marks::put(sql, ride, mark)?;
        if mark.kind == MarkKind::Photo && marks::photos(sql, ride)? > PHOTOS_MAX {
            return Err(Refusal::LimitReached(format!("a walk may have {PHOTOS_MAX} photos")));
        }
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
    // What is removed was written before, which was counted.
    if news.removed.is_none() {
        count_change(&mut track.progress)?;
    }
    track.progress.photographed |= news.mark.is_some_and(|mark| mark.kind == MarkKind::Photo);
    track.progress.marks = marks::count(sql, ride)?;
    if track.progress.marks > MARKS_MAX {
        return Err(Refusal::LimitReached(format!("a walk may have {MARKS_MAX} marks")));
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
    use crate::domain::{CHANGES_MAX, MARKS_MAX, Mark, MarkKind, PHOTOS_MAX};
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
            put_mark(&sql, &mut now(), ride, &mark(1, MarkKind::Pee)).expect("kept");
        }
        let refused = put_mark(&sql, &mut now(), ride, &mark(1, MarkKind::Pee));
        assert!(matches!(refused, Err(Refusal::LimitReached(_))), "{refused:?}");
        assert_eq!(marks_of(&sql, ride).expect("read").len(), MARKS_MAX as usize);
        erase(&sql, &mut now(), ride).expect("erased");
        assert_eq!(
            (marks_of(&sql, ride).expect("read").len(), progress(&sql, ride).expect("read").marks),
            (0, 0)
        );
    }

    fn photo(moment: &mut Moment<'_>) -> Mark {
        Mark {
            id: MarkId::new(moment),
            kind: MarkKind::Photo,
            at: NOW,
            place: GeoPoint::new(-23.55, -46.63).expect("a place"),
        }
    }

    #[test]
    fn a_photo_stays_one_and_a_walk_has_so_many() {
        let sql = NativeDatabase::in_memory(include_str!("../../../../db-schema/region/schema.sql"));
        let sql = sql.expect("a database");
        let moment = &mut Moment { now: NOW, entropy: &mut SeededEntropy(7) };
        let ride = RideId::new(moment);
        let first = photo(moment);
        put_mark(&sql, &mut now(), ride, &first).expect("kept");
        let other = Mark { kind: MarkKind::Pee, ..first };
        let refused = put_mark(&sql, &mut now(), ride, &other);
        assert!(matches!(refused, Err(Refusal::Invalid { ref field, .. }) if field == "kind"), "{refused:?}");
        assert_eq!(marks_of(&sql, ride).expect("read"), [first]);
        for _ in 1..PHOTOS_MAX {
            put_mark(&sql, &mut now(), ride, &photo(moment)).expect("kept");
        }
        let refused = put_mark(&sql, &mut now(), ride, &photo(moment));
        assert!(matches!(refused, Err(Refusal::LimitReached(_))), "{refused:?}");
        // One that is something else does not become one too many.
        let pee = Mark { kind: MarkKind::Pee, ..photo(moment) };
        put_mark(&sql, &mut now(), ride, &pee).expect("kept");
        let refused = put_mark(&sql, &mut now(), ride, &Mark { kind: MarkKind::Photo, ..pee });
        assert!(matches!(refused, Err(Refusal::LimitReached(_))), "{refused:?}");
    }

    #[test]
    fn a_mark_that_is_said_again_is_no_change_and_changes_end() {
        let sql = NativeDatabase::in_memory(include_str!("../../../../db-schema/region/schema.sql"));
        let sql = sql.expect("a database");
        let moment = &mut Moment { now: NOW, entropy: &mut SeededEntropy(8) };
        let ride = RideId::new(moment);
        let mark = photo(moment);
        for _ in 0..10 {
            put_mark(&sql, &mut now(), ride, &mark).expect("kept");
        }
        assert_eq!(progress(&sql, ride).expect("read").changes, 1);
        let moved = |n: u32| Mark { at: NOW.plus(Millis::from_secs(n.into())), ..mark };
        for n in 1..CHANGES_MAX {
            put_mark(&sql, &mut now(), ride, &moved(n)).expect("kept");
        }
        for refused in [
            put_mark(&sql, &mut now(), ride, &moved(CHANGES_MAX)),
            crate::service::set_fences(&sql, &mut now(), ride, None, None, None).map(drop),
        ] {
            assert!(matches!(refused, Err(Refusal::LimitReached(_))), "{refused:?}");
        }
        assert_eq!(remove_mark(&sql, &mut now(), ride, mark.id), Ok(true));
    }
}
