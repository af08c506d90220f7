//! The rules of routes: which fixes count, how far a walk went, and how it is written down.

mod export;
mod point;
mod route;

pub use export::{geojson, gpx};
pub use point::{ACCURACY_M_MAX, BadPoint, TrackPoint};
pub use route::{Counted, Pause, Route, Verdict, analyse};
