//! A GraphQL document from its text to something that may be executed.

use async_graphql_parser::types::ExecutableDocument;
use async_graphql_parser::{Error, parse_query};

use super::Violation;
use super::tokens::{TextLimits, measure};
use super::weight::{Budget, Kinds, weigh};

/// How much text a document may be. The parser recurses once for each bracket: over 800 end its stack.
pub const TEXT: TextLimits =
    TextLimits { bytes: 64 << 10, tokens: 5_000, nesting: 64, name_bytes: 128, directives: 100 };

/// What a document may ask for. The standard introspection query, with types nested nine times, stays below all of it.
pub const BUDGET: Budget = Budget {
    selections: 4_000,
    cost: 2_000,
    subscription_cost: 200,
    depth: 12,
    levels: 32,
    arguments: 16,
    commands: 20,
    secrets: 1,
    introspection: 100_000,
    introspection_fields: 4,
    introspection_lists: 3,
};

/// A document that may be validated and executed.
#[derive(Debug)]
pub struct Admitted {
    /// The document.
    pub document: ExecutableDocument,
    /// What its operations are.
    pub kinds: Kinds,
}

/// Admits a document: measured, parsed and weighed.
///
/// # Errors
/// When it is not a document, or asks for more than one request may.
pub fn admit(text: &str) -> Result<Admitted, Violation> {
    measure(text, &TEXT)?;
    let document = parse_query(text).map_err(|error| malformed(&error))?;
    let kinds = weigh(&document, &BUDGET)?;
    Ok(Admitted { document, kinds })
}

/// What the parser says, without the text that it shows beside it.
fn malformed(error: &Error) -> Violation {
    let place = error.positions().next().map(|pos| (pos.line, pos.column));
    let what = match error {
        // pest draws the line at fault; what it expected stands behind the drawing's last `= `.
        Error::Syntax { message, .. } => {
            message.rsplit_once("= ").map_or("", |(_, expected)| expected).to_owned()
        }
        other => other.to_string(),
    };
    let message = match place {
        Some((line, column)) => format!("syntax error at line {line}, column {column}: {what}"),
        None => format!("syntax error: {what}"),
    };
    Violation::malformed(message, place)
}

#[cfg(test)]
mod tests;
