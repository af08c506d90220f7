//! What a GraphQL document may cost, worked out before anybody executes it. Pure: no I/O, no clock, no component.
//!
//! A document passes three gates, each of which bounds the work of the next: [`tokens`] reads the text once, without recursion,
//! and bounds its size and nesting, so that the parser's stack suffices; the parser then makes a tree; [`weight`] adds up
//! what its operations would cost with each fragment counted once, so that validation and execution take a bounded time.

pub mod cost;
pub mod document;
pub mod tokens;
pub mod weight;

pub use document::{Admitted, admit};

/// Why a document is not executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Violation {
    /// What kind of fault.
    pub code: Code,
    /// What exactly, at most [`MESSAGE_CHARS_MAX`] characters. It never repeats the document.
    pub message: String,
    /// Line and column, both from 1, where the fault has a place.
    pub at: Option<(usize, usize)>,
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The text is not a GraphQL document.
    Malformed,
    /// It is a document, and asks for more than one request may.
    TooComplex,
}

/// Most characters of a message to a client.
pub const MESSAGE_CHARS_MAX: usize = 300;

impl Violation {
    /// A text that is not a document, with its place.
    #[must_use]
    pub fn malformed(message: impl Into<String>, at: Option<(usize, usize)>) -> Self {
        Self { code: Code::Malformed, message: bounded(message.into(), MESSAGE_CHARS_MAX), at }
    }

    /// A document that asks for too much.
    #[must_use]
    pub fn too_complex(message: impl Into<String>) -> Self {
        Self { code: Code::TooComplex, message: bounded(message.into(), MESSAGE_CHARS_MAX), at: None }
    }
}

/// A text with at most so many characters; what is cut off is shown by an ellipsis.
#[must_use]
pub fn bounded(mut text: String, chars_max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars_max) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(bounded("passeio".into(), 7), "passeio");
        assert_eq!(bounded("ação longa".into(), 4), "ação…");
        assert_eq!(bounded(String::new(), 0), "");
    }
}
