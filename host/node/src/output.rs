//! What commands tell the person who runs them.

use std::fmt::Display;
use std::io::Write as _;

/// Writes a line to the standard output. Whoever has closed it wants to hear no more, which is no reason to stop.
pub fn line(text: impl Display) {
    drop(writeln!(std::io::stdout(), "{text}"));
}
