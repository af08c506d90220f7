//! `[durability]`.

use std::time::Duration;

use edge_delivery::durability::{CommandClass, DurabilityOptions, Level, WhenUnavailable};
use serde::Deserialize;

use super::{patterns, within};

/// `[durability]`: what an acknowledgement is worth, by class of command.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DurabilitySection {
    /// The header that tells the client.
    pub header: String,
    /// The header in which clients are told, and tell, which writes of a replicated database they have seen.
    pub seen_header: String,
    /// `refuse` or `degrade`: when the stream cannot take what was committed.
    pub when_unavailable: Policy,
    /// How long an answer waits for the stream, milliseconds, 10 to 60000.
    pub timeout_ms: u64,
    /// The classes. The first whose route matches decides; a command of none is acknowledged without a word.
    pub classes: Vec<Class>,
}

/// One class of commands.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// What it is called.
    pub name: String,
    /// `local` or `stream`.
    pub level: Worth,
    /// Their paths, written as routes of `spin.toml`.
    pub routes: Vec<String>,
    /// Whether the same paths carry reads too.
    #[serde(default)]
    pub reads_too: bool,
}

/// What an acknowledgement is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Worth {
    /// On this node's disk.
    Local,
    /// There, and on every replica of the stream.
    Stream,
}

/// When the stream cannot take what was committed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Commands are refused, and may be repeated.
    Refuse,
    /// They are acknowledged as `local`.
    Degrade,
}

impl Default for DurabilitySection {
    fn default() -> Self {
        let class = |name: &str, reads_too, routes: &[&str]| Class {
            name: name.to_owned(),
            level: Worth::Local,
            routes: routes.iter().map(|&route| route.to_owned()).collect(),
            reads_too,
        };
        Self {
            header: "petwalker-durability".to_owned(),
            seen_header: "petwalker-seen".to_owned(),
            when_unavailable: Policy::Refuse,
            timeout_ms: 2_000,
            classes: vec![
                class(
                    "tracks",
                    false,
                    &[
                        "/v1/rides/:id/points",
                        "/v1/rides/:id/approach",
                        "/v1/rides/:id/track",
                        "/v1/rides/:id/marks/...",
                    ],
                ),
                class("lifecycle", false, &["/v1/rides/...", "/v1/quotes"]),
                class("graphql", true, &["/graphql"]),
            ],
        }
    }
}

impl DurabilitySection {
    /// `send` are the paths of sockets that take frames.
    pub(super) fn check(&self, streams: bool, send: &[String]) -> Result<(), (&'static str, String)> {
        within("durability.timeout_ms", self.timeout_ms, 10, 60_000)?;
        for (key, name) in
            [("durability.header", &self.header), ("durability.seen_header", &self.seen_header)]
        {
            if name.parse::<http::HeaderName>().is_err() {
                return Err((key, format!("'{name}' cannot be a header's name")));
            }
        }
        for class in &self.classes {
            let wrong = |message| ("durability.classes", format!("'{}': {message}", class.name));
            patterns(&class.routes).map_err(wrong)?;
            if class.level == Worth::Stream && !streams {
                let message = "the level 'stream' needs a stream; set stream.fluvio, or level = \"local\"";
                return Err(wrong(message.to_owned()));
            }
        }
        send.iter().try_for_each(|path| self.check_socket(path))
    }

    /// Frames are answered when they are on this node's disk, each with the number that is on every replica by then: a class
    /// that promises more at a socket's path would promise what is not so.
    fn check_socket(&self, path: &str) -> Result<(), (&'static str, String)> {
        let segment =
            |segment: &str| if segment.starts_with(':') { "x".to_owned() } else { segment.to_owned() };
        let sample = path.split('/').map(segment).collect::<Vec<_>>().join("/").replace("...", "x");
        let takes = |class: &&Class| {
            let routes = patterns(&class.routes).unwrap_or_default();
            routes.iter().any(|route| route.matches(&sample).is_some())
        };
        match self.classes.iter().find(takes) {
            Some(class) if class.level == Worth::Stream => {
                let message = format!(
                    "class '{}' is of the level 'stream' and takes {path}, a socket's, whose frames are acknowledged as \
                     'local': name the path in a class of that level before it",
                    class.name
                );
                Err(("durability.classes", message))
            }
            _ => Ok(()),
        }
    }

    /// The header of what clients have seen.
    pub(crate) fn seen_header(&self) -> http::HeaderName {
        // Checked when the file was read.
        self.seen_header.parse().unwrap_or(http::HeaderName::from_static("edge-seen"))
    }

    /// As the public listener takes them.
    pub(crate) fn options(&self) -> DurabilityOptions {
        let class = |class: &Class| CommandClass {
            level: match class.level {
                Worth::Local => Level::Local,
                Worth::Stream => Level::Stream,
            },
            // Checked when the file was read, as the header's name was.
            routes: patterns(&class.routes).unwrap_or_default(),
            reads_too: class.reads_too,
        };
        DurabilityOptions {
            header: self.header.parse().unwrap_or(http::HeaderName::from_static("edge-durability")),
            classes: self.classes.iter().map(class).collect(),
            when_unavailable: match self.when_unavailable {
                Policy::Refuse => WhenUnavailable::Refuse,
                Policy::Degrade => WhenUnavailable::Degrade,
            },
            timeout: Duration::from_millis(self.timeout_ms),
        }
    }
}
