//! Storing points and reading routes.

use petwalker_kernel::RideId;
use petwalker_store::{Sql, SqlError, transaction};

use crate::domain::{Route, TrackPoint, analyse};
use crate::sql;

/// Points of one batch.
pub const BATCH_MAX: usize = 1_000;
/// Points of one ride: a day at one a second.
pub const POINTS_MAX: u32 = 86_400;

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Points that were new.
    pub stored: u32,
    /// Points that were there.
    pub duplicates: u32,
    /// The highest number up to which none is missing.
    pub contiguous_seq: u32,
    /// The highest number stored.
    pub last_seq: u32,
}

/// Why a call was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An input is out of its range.
    #[error("{field} {message}")]
    Invalid {
        /// The input.
        field: String,
        /// What is allowed.
        message: String,
    },
    /// The id is none.
    #[error("there is no such ride")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

/// Stores a batch, all of it or nothing.
///
/// # Errors
/// When the batch is too large, the ride has too many points, or the database fails.
pub fn append(sql: &impl Sql, ride: RideId, points: &[TrackPoint]) -> Result<Receipt, Refusal> {
    if points.len() > BATCH_MAX {
        return Err(Refusal::Invalid {
            field: "points".to_owned(),
            message: format!("may be {BATCH_MAX} in a batch"),
        });
    }
    transaction(sql, |sql| {
        let stored = u32::try_from(sql::insert(sql, ride, points)?).unwrap_or(u32::MAX);
        if sql::count(sql, ride)? > POINTS_MAX {
            return Err(Refusal::Invalid {
                field: "points".to_owned(),
                message: format!("may be {POINTS_MAX} for a ride"),
            });
        }
        let (last_seq, contiguous_seq) = sql::reached(sql, ride)?;
        let sent = u32::try_from(points.len()).unwrap_or(u32::MAX);
        Ok(Receipt { stored, duplicates: sent.saturating_sub(stored), contiguous_seq, last_seq })
    })
}

/// The route of a ride so far.
///
/// # Errors
/// When the database fails.
pub fn route(sql: &impl Sql, ride: RideId) -> Result<Route, Refusal> {
    Ok(analyse(sql::points(sql, ride)?))
}

#[cfg(test)]
mod tests {
    use super::{Receipt, Refusal, append, route};
    use crate::domain::TrackPoint;
    use petwalker_kernel::{Moment, RideId, SeededEntropy, UtcMillis};
    use petwalker_store::NativeDatabase;

    const SCHEMA: &str = include_str!("../../../../db-schema/region/schema.sql");

    fn point(seq: u32) -> TrackPoint {
        let at = UtcMillis::new(1_780_000_000_000 + i64::from(seq) * 5_000);
        TrackPoint::new(seq, at, (-23.55, -46.63), 5.0, seq.is_multiple_of(2).then_some(760.5))
            .expect("in range")
    }

    fn setting() -> (NativeDatabase, RideId) {
        let mut moment = Moment { now: UtcMillis::new(0), entropy: &mut SeededEntropy(1) };
        (NativeDatabase::in_memory(SCHEMA).expect("a database"), RideId::new(&mut moment))
    }

    #[test]
    fn repeats_and_gaps_are_told() {
        let (sql, ride) = setting();
        let receipt = |seqs: &[u32]| append(&sql, ride, &seqs.iter().map(|s| point(*s)).collect::<Vec<_>>());
        let expect = |stored, duplicates, contiguous_seq, last_seq| {
            Ok(Receipt { stored, duplicates, contiguous_seq, last_seq })
        };
        assert_eq!(receipt(&[]), expect(0, 0, 0, 0));
        assert_eq!(receipt(&[2, 1]), expect(2, 0, 2, 2));
        assert_eq!(receipt(&[2, 5, 6]), expect(2, 1, 2, 6));
        assert_eq!(receipt(&[4]), expect(1, 0, 2, 6));
        assert_eq!(receipt(&[3]), expect(1, 0, 6, 6));
        let stored: Vec<_> = route(&sql, ride).expect("a route").points.iter().map(|p| p.point).collect();
        assert_eq!(stored, (1..=6).map(point).collect::<Vec<_>>());
    }

    #[test]
    fn a_batch_is_stored_whole_or_not_at_all() {
        let (sql, ride) = setting();
        let too_many: Vec<_> = (1..=1_001).map(point).collect();
        assert!(matches!(append(&sql, ride, &too_many), Err(Refusal::Invalid { .. })));
        for statements in 0..5 {
            sql.fail_after(statements);
            assert!(matches!(append(&sql, ride, &[point(1)]), Err(Refusal::Sql(_))), "{statements}");
            assert!(route(&sql, ride).expect("a route").points.is_empty(), "{statements}");
        }
    }
}
