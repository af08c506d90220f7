//! What long work tells the person who waits for it: a line when a step begins and ends, and on a terminal a running clock
//! meanwhile.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use edge_runtime::Compiling;
use indicatif::{ProgressBar, ProgressStyle};

/// How often the clock moves.
const CLOCK_INTERVAL: Duration = Duration::from_millis(200);

/// Work that is under way.
pub struct Step {
    what: String,
    begun: Instant,
    clock: ProgressBar,
}

impl Step {
    /// Says that `what` begins.
    pub fn begin(what: impl Display) -> Self {
        let what = what.to_string();
        let clock = ProgressBar::new_spinner();
        if clock.is_hidden() {
            say(&what);
        } else {
            let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}");
            clock.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            clock.set_message(what.clone());
            clock.enable_steady_tick(CLOCK_INTERVAL);
        }
        Self { what, begun: Instant::now(), clock }
    }

    /// Says that it is done, and how long it took.
    pub fn end(self) {
        self.clock.finish_and_clear();
        say(format_args!("{} — done in {}", self.what, seconds(self.begun.elapsed())));
    }
}

/// Writes a line to the standard error output, over what another program's progress bar left on the line.
pub fn say(text: impl Display) {
    let mut output = std::io::stderr().lock();
    let clear = if output.is_terminal() { "\r\x1b[K" } else { "" };
    if writeln!(output, "{clear}{text}").is_err() {
        // Nobody reads the progress; the work goes on.
        tracing::trace!("the standard error output is closed");
    }
}

/// A duration in the unit that reads best.
#[must_use]
pub fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..=9 => format!("{:.1} s", time.as_secs_f64()),
        10..=99 => format!("{} s", time.as_secs()),
        all => format!("{} min {} s", all / 60, all % 60),
    }
}

/// Tells of the compilation of a component to machine code, which happens at the first start after a build.
pub(crate) fn compiling(component: &Compiling<'_>) -> Box<dyn FnOnce()> {
    let step = Step::begin(format_args!(
        "compiling component {}/{} for this machine: {} ({} linked into it, {} KiB)",
        component.number,
        component.of,
        component.id,
        component.dependencies,
        component.bytes / 1024,
    ));
    Box::new(move || step.end())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::seconds;

    #[test]
    fn a_duration_is_told_in_the_unit_that_reads_best() {
        for (millis, told) in [(240, "0.2 s"), (9_940, "9.9 s"), (42_700, "42 s"), (754_000, "12 min 34 s")] {
            assert_eq!(seconds(Duration::from_millis(millis)), told);
        }
    }
}
