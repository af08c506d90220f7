//! The rules of routes: which fixes count, how far a walk went, and how it is written down.

mod approach;
mod chunk;
mod circle;
mod clock;
mod export;
mod fence;
mod filter;
mod judge;
mod live;
mod mark;
mod plane;
mod point;
mod precision;
mod progress;
mod route;
mod seqs;
mod told;
mod view;
mod window;

pub use approach::{Approach, Expected};
pub use chunk::{BadChunk, CHUNK_POINTS, Last, decode};
pub use circle::Circle;
pub use export::{geojson, gpx, polylines};
pub use fence::{BadRadius, Crossing, Fence, FenceKind, Fences, Phase};
pub use judge::{Counted, Verdict};
pub use live::Live;
pub use mark::{CHANGES_MAX, MARKS_MAX, Mark, MarkKind, PHOTOS_MAX};
pub use point::{ACCURACY_M_MAX, BadPoint, TrackPoint};
pub use precision::{AccuracyClass, Precision, precision};
pub use progress::{Added, POINTS_MAX, Progress, TooMuch};
pub use route::{Gap, Haste, Pause, Route, Step, analyse, analyse_within};
pub use told::{Told, ToldMark};
pub use view::{TOLERANCE_M_MAX, View, lines};
pub use window::Window;
