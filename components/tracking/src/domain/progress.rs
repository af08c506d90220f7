//! A ride's track as it grows: which points have come, the chunk being filled, and the walk's figures so far.

use serde::{Deserialize, Serialize};

use super::approach::Approach;
use super::chunk::{CHUNK_POINTS, Last};
use super::fence::{Crossing, Fence, FenceKind, Fences, Phase};
use super::live::Live;
use super::point::TrackPoint;
use super::seqs::{GAPS_MAX, Seqs};
use super::window::Window;

/// Points of one ride: a day at one a second.
pub const POINTS_MAX: u32 = 86_400;

/// Everything about a track but its points.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Points stored: the place of the newest one in the order of arrival.
    pub count: u32,
    /// The numbers that have come.
    pub seqs: Seqs,
    /// The walk so far; none before the first fix that counts.
    pub live: Option<Live>,
    last: Last,
    /// The fences, and on which side of them the walker is. What was stored before there were any has none.
    #[serde(default)]
    pub fences: Fences,
    /// The walker on the way; none before the first fix of it.
    #[serde(default)]
    pub approach: Option<Approach>,
    /// Marks on the route.
    #[serde(default)]
    pub marks: u32,
    /// How often the track was told in the region's events.
    #[serde(default)]
    pub told: u32,
    /// When points can have been taken; none where the walk has not started, or did before this was kept: then all count.
    #[serde(default)]
    pub window: Option<Window>,
    /// How often marks and fences were changed.
    #[serde(default)]
    pub changes: u32,
    /// Whether there was ever a mark of the kind photo, and so may be photos; taken for true where it was not kept.
    #[serde(default = "yes")]
    pub photographed: bool,
}

const fn yes() -> bool {
    true
}

/// What a batch added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Added {
    /// The points that were new, in the order in which they came.
    pub fresh: Vec<TrackPoint>,
    /// Chunks that are full now: their number, counted from 0, and their bytes.
    pub full: Vec<(u32, Vec<u8>)>,
    /// Fences that were crossed.
    pub crossings: Vec<Crossing>,
}

/// Why a batch was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// More than a walk has.
    #[error("may be {POINTS_MAX} for a ride")]
    Points,
    /// Too many numbers were left out.
    #[error("may leave out {GAPS_MAX} stretches of numbers; send the missing ones first")]
    Gaps,
}

impl Progress {
    /// Adds points to the track and to `tail`, the bytes of the chunk being filled. Points that were there are passed over.
    ///
    /// # Errors
    /// When the ride has too many points or too many gaps; then progress and tail are not to be kept.
    pub fn add(&mut self, tail: &mut Vec<u8>, points: &[TrackPoint]) -> Result<Added, TooMuch> {
        let mut added = Added::default();
        for point in points {
            if !self.seqs.insert(point.seq) {
                continue;
            }
            self.last.write(point, tail);
            self.count += 1;
            if self.window.is_none_or(|window| window.holds(point.at)) {
                added.crossings.extend(self.follow(point));
            }
            if self.count.is_multiple_of(CHUNK_POINTS) {
                added.full.push((self.count / CHUNK_POINTS - 1, std::mem::take(tail)));
                self.last = Last::default();
            }
            added.fresh.push(*point);
        }
        if self.count > POINTS_MAX {
            return Err(TooMuch::Points);
        }
        if self.seqs.gaps() > GAPS_MAX {
            return Err(TooMuch::Gaps);
        }
        Ok(added)
    }
}

impl Progress {
    /// Takes a point that can be of the walk into the figures; the fences that were crossed.
    fn follow(&mut self, point: &TrackPoint) -> Vec<Crossing> {
        match &mut self.live {
            Some(live) => live.take(point),
            None => self.live = Live::begin(point),
        }
        let Some(live) = self.live.as_ref().filter(|live| live.is_at(point)) else { return Vec::new() };
        self.fences.pass(Phase::Walk, live.place(), point.accuracy_m, point.at)
    }

    /// A walker has taken the ride: what is known of an earlier one's way is forgotten. The pets are brought back to where
    /// they are fetched, unless that was said otherwise.
    pub fn expect(&mut self, pickup: Fence, home: Fence) {
        self.approach = None;
        self.fences.set(pickup);
        if self.fences.get(FenceKind::Home).is_none() {
            self.fences.set(home);
        }
    }

    /// Takes a fix of the walker's way to the pets; the fences that were crossed.
    pub fn approach(&mut self, fix: &TrackPoint) -> Vec<Crossing> {
        match &mut self.approach {
            Some(approach) => approach.take(fix),
            None => self.approach = Approach::begin(fix),
        }
        let newest = self.approach.filter(|approach| approach.at == fix.at);
        newest.map_or_else(Vec::new, |newest| {
            self.fences.pass(Phase::Approach, newest.place, fix.accuracy_m, fix.at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Progress, TooMuch};
    use crate::domain::{CHUNK_POINTS, Live, TrackPoint, decode};
    use petwalker_kernel::UtcMillis;
    use proptest::prelude::*;

    fn point(seq: u32) -> TrackPoint {
        let at = UtcMillis::new(1_780_000_000_000 + i64::from(seq) * 5_000);
        TrackPoint::new(seq, at, (-23.55, -46.63 + f64::from(seq % 100) / 1e4), 5.0, None).expect("in range")
    }

    proptest! {
        #[test]
        fn chunks_hold_every_point_once_in_the_order_of_arrival(
            batches in proptest::collection::vec(proptest::collection::vec(1_u32..600, 0..120), 0..12),
        ) {
            let (mut progress, mut tail, mut stored) = (Progress::default(), Vec::new(), Vec::new());
            let (mut expected, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
            for batch in batches {
                let points: Vec<_> = batch.into_iter().map(point).collect();
                let added = progress.add(&mut tail, &points).expect("few");
                for (number, chunk) in added.full {
                    prop_assert_eq!(number as usize, stored.len() / CHUNK_POINTS as usize);
                    stored.extend(decode(&chunk).expect("a chunk"));
                }
                let fresh: Vec<_> = points.into_iter().filter(|p| seen.insert(p.seq)).collect();
                prop_assert_eq!(&added.fresh, &fresh);
                expected.extend(fresh);
                // What is kept between batches is kept as bytes.
                let bytes = rmp_serde::to_vec(&progress).expect("written");
                prop_assert_eq!(&rmp_serde::from_slice::<Progress>(&bytes).expect("read"), &progress);
            }
            stored.extend(decode(&tail).expect("a chunk"));
            prop_assert_eq!(progress.count as usize, expected.len());
            prop_assert_eq!(stored, expected);
        }
    }

    #[test]
    fn what_was_stored_before_there_were_fences_is_read() {
        let mut progress = Progress::default();
        progress.add(&mut Vec::new(), &[point(1), point(2)]).expect("few");
        type Before<'a> = (u32, &'a super::Seqs, &'a Option<Live>, super::Last);
        let before: Before<'_> = (progress.count, &progress.seqs, &progress.live, progress.last);
        let bytes = rmp_serde::to_vec(&before).expect("written");
        progress.photographed = true;
        assert_eq!(rmp_serde::from_slice::<Progress>(&bytes).expect("read"), progress);
    }

    #[test]
    fn who_leaves_out_every_other_number_is_stopped() {
        let odd: Vec<_> = (0..600).map(|i| point(i * 2 + 1)).collect();
        assert_eq!(Progress::default().add(&mut Vec::new(), &odd), Err(TooMuch::Gaps));
    }
}
