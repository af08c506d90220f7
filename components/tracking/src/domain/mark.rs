//! Marks: what a walker notes on the way.

use petwalker_kernel::{GeoPoint, MarkId, UtcMillis};

/// Marks of one walk: nobody notes more.
pub const MARKS_MAX: u32 = 500;
/// Of them, those of the kind photo.
pub const PHOTOS_MAX: u32 = 50;
/// How often marks and fences of one walk are written and changed: each time is an event.
pub const CHANGES_MAX: u32 = 2_000;

/// What was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// The pet peed.
    Pee,
    /// The pet pooed.
    Poo,
    /// It drank.
    Water,
    /// A picture was taken.
    Photo,
}

impl MarkKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Pee, Self::Poo, Self::Water, Self::Photo];

    /// Its name in the database and in exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pee => "pee",
            Self::Poo => "poo",
            Self::Water => "water",
            Self::Photo => "photo",
        }
    }
}

/// A mark on the route.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// The device's own id of it: the same twice is the same mark.
    pub id: MarkId,
    /// What.
    pub kind: MarkKind,
    /// When.
    pub at: UtcMillis,
    /// Where.
    pub place: GeoPoint,
}
