//! Statements over matching's tables, and the mapping of their rows.

pub mod offers;
pub mod presence;
pub mod purge;
pub mod rides;
pub mod timers;
