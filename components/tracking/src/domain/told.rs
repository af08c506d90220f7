//! What the region's events hold of a track, which grows a little ahead of them.

use petwalker_kernel::UtcMillis;
use serde::{Deserialize, Serialize};

/// Events that a track remembers: more of them on their way at once are remembered by the oldest and the newest.
const MARKS_MAX: usize = 8;

/// An event, and how far it tells the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldMark {
    /// The event's sequence number.
    pub event: u64,
    /// The highest number up to which it and those before it tell every point.
    pub contiguous: u32,
}

/// How much of a track the region's events hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    bytes: usize,
    lacking_since: Option<UtcMillis>,
    marks: Vec<ToldMark>,
}

impl Told {
    /// What was kept of it.
    #[must_use]
    pub const fn new(bytes: usize, lacking_since: Option<UtcMillis>, marks: Vec<ToldMark>) -> Self {
        Self { bytes, lacking_since, marks }
    }

    /// Bytes of the chunk being filled that the events hold.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Since when the events lack something; none where they hold everything.
    #[must_use]
    pub const fn lacking_since(&self) -> Option<UtcMillis> {
        self.lacking_since
    }

    /// The newest events that tell of the track, in order. What is before the first of them is on every replica once that
    /// event is.
    #[must_use]
    pub fn marks(&self) -> &[ToldMark] {
        &self.marks
    }

    /// Something came that no event holds yet.
    pub fn lack(&mut self, since: UtcMillis) {
        self.lacking_since.get_or_insert(since);
    }

    /// The event holds everything so far, `bytes` of the chunk being filled among it.
    pub fn tell(&mut self, event: u64, contiguous: u32, bytes: usize) {
        (self.bytes, self.lacking_since) = (bytes, None);
        if self.marks.len() >= MARKS_MAX {
            self.marks.pop();
        }
        self.marks.push(ToldMark { event, contiguous });
    }

    /// Every event up to that one is on every replica: of those only the newest is remembered.
    pub fn forget_before(&mut self, published: u64) {
        let done = self.marks.iter().take_while(|mark| mark.event <= published).count();
        self.marks.drain(..done.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::{MARKS_MAX, Told};
    use petwalker_kernel::UtcMillis;
    use proptest::prelude::*;

    /// How far the track is told where every event up to one is published.
    fn reached(told: &Told, published: u64) -> u32 {
        told.marks().iter().rev().find(|mark| mark.event <= published).map_or(0, |mark| mark.contiguous)
    }

    proptest! {
        /// However far the stream lags, no more is said to be on it than is, and what was said is never taken back.
        #[test]
        fn what_is_said_to_be_published_is(lags in proptest::collection::vec(0_u64..40, 1..80)) {
            let (mut told, mut published, mut said) = (Told::default(), 0, 0);
            for (event, lag) in (1_u64..).zip(lags) {
                told.lack(UtcMillis::new(1));
                told.tell(event, u32::try_from(event * 10).expect("small"), 0);
                published = published.max(event.saturating_sub(lag));
                told.forget_before(published);
                let now = reached(&told, published);
                prop_assert!(u64::from(now) <= published * 10 && now >= said, "{told:?}");
                prop_assert!(told.marks().len() <= MARKS_MAX);
                said = now;
                prop_assert_eq!(u64::from(reached(&told, event)), event * 10, "the newest is remembered");
            }
        }
    }

    #[test]
    fn what_is_lacking_is_lacking_since_its_first() {
        let mut told = Told::default();
        told.lack(UtcMillis::new(5));
        told.lack(UtcMillis::new(9));
        assert_eq!(told.lacking_since(), Some(UtcMillis::new(5)));
        told.tell(1, 3, 40);
        assert_eq!((told.lacking_since(), told.bytes()), (None, 40));
    }
}
