//! What was measured against its bar, and the table of what missed it.

use std::fmt;

/// What a figure may miss its bar by before it counts: runs on a shared machine differ by so much.
pub(crate) const NOISE: f64 = 0.85;

/// The figures of a run that missed their bars.
#[derive(Debug, Default)]
pub(crate) struct Bars {
    missed: Vec<Missed>,
}

/// One figure that missed its bar.
#[derive(Debug)]
struct Missed {
    what: String,
    measured: String,
    bar: String,
}

impl Bars {
    /// Notes a miss.
    pub(crate) fn miss(
        &mut self,
        what: impl fmt::Display,
        measured: impl fmt::Display,
        bar: impl fmt::Display,
    ) {
        self.missed.push(Missed {
            what: what.to_string(),
            measured: measured.to_string(),
            bar: bar.to_string(),
        });
    }

    /// Prints a figure that is to be at most `most`, and notes a miss.
    pub(crate) fn at_most(&mut self, what: &str, value: f64, most: f64, unit: &str) {
        println!("{what:<36}{value:>10.2} {unit} (at most {most})");
        if value > most / NOISE {
            self.miss(what, format_args!("{value:.2} {unit}"), format_args!("at most {most} {unit}"));
        }
    }

    /// Prints a figure that is to be at least `least`, and notes a miss.
    pub(crate) fn at_least(&mut self, what: &str, value: f64, least: f64) {
        println!("{what:<36}{value:>10.2} (at least {least})");
        if value < least * NOISE {
            self.miss(what, format_args!("{value:.2}"), format_args!("at least {least}"));
        }
    }

    /// The outcome of the run.
    ///
    /// # Errors
    /// The table of what missed, where anything did.
    pub(crate) fn verdict(self) -> anyhow::Result<()> {
        if self.missed.is_empty() {
            println!("\nevery bar was met");
            return Ok(());
        }
        Err(anyhow::anyhow!(self.to_string()))
    }
}

impl fmt::Display for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bar(s) missed\n\n{:<44}{:<20}bar", self.missed.len(), "figure", "measured")?;
        for missed in &self.missed {
            write!(f, "\n{:<44}{:<20}{}", missed.what, missed.measured, missed.bar)?;
        }
        Ok(())
    }
}
