//! What each field of a root type costs.
//!
//! One unit is about a small object read by its key. A field that is not listed costs [`UNKNOWN`], so that a new one is dear
//! until somebody has thought about it; a test holds the lists against `docs/schema.graphql`.

use async_graphql_parser::types::OperationType;

/// What a root field costs that is not listed.
pub const UNKNOWN: u64 = 100;
/// One object by its key.
const OBJECT: u64 = 10;
/// A page of a list.
const LIST: u64 = 50;
/// A command: one transaction that writes.
const COMMAND: u64 = 50;
/// Something that reads a whole track or many rows to add them up.
const SCAN: u64 = 400;
/// A whole track, or the whole ledger, read and written out.
const EXPORT: u64 = 1_000;

/// The fields of `Query`.
const QUERIES: &[(&str, u64)] = &[
    ("me", OBJECT),
    ("awaitingApproval", LIST),
    ("pets", LIST),
    ("advice", SCAN),
    ("walker", OBJECT),
    ("nearestWalkers", LIST),
    ("quote", OBJECT),
    ("ride", OBJECT),
    ("rides", LIST),
    ("offers", LIST),
    ("offer", OBJECT),
    ("route", SCAN),
    ("marks", LIST),
    ("fences", OBJECT),
    ("routeGeojson", EXPORT),
    ("routeGpx", EXPORT),
    ("routePolylines", EXPORT),
    ("invoice", OBJECT),
    ("balances", LIST),
    ("ledgerCheck", EXPORT),
    ("notifications", LIST),
    ("insightDays", SCAN),
    ("products", LIST),
    ("cart", OBJECT),
    ("order", OBJECT),
];

/// Mutations that cost more than a command usually does.
const DEAR_MUTATIONS: &[(&str, u64)] =
    &[("completeRide", SCAN), ("interruptRide", SCAN), ("eraseRoute", SCAN)];

/// Mutations that try a secret: each costs the hash of a password or a write on the primary.
const CREDENTIALS: &[&str] = &["signUp", "logIn", "refresh", "changePassword", "eraseMe"];

/// What a root field costs, without what is selected of it.
#[must_use]
pub fn of_root_field(operation: OperationType, name: &str) -> u64 {
    let (listed, unlisted) = match operation {
        OperationType::Query => (QUERIES, UNKNOWN),
        OperationType::Mutation => (DEAR_MUTATIONS, COMMAND),
        OperationType::Subscription => (&[][..], LIST),
    };
    listed.iter().find(|(listed, _)| *listed == name).map_or(unlisted, |(_, cost)| *cost)
}

/// Whether a mutation tries a secret.
#[must_use]
pub fn tries_a_secret(name: &str) -> bool {
    CREDENTIALS.contains(&name)
}

/// About how many a list of the introspection's types has here, where it is a list.
#[must_use]
pub fn introspection_count(field: &str) -> u64 {
    match field {
        "types" => 128,
        "fields" | "directives" => 8,
        "inputFields" | "enumValues" => 4,
        "args" => 2,
        _ => 1,
    }
}

/// Whether a field of the introspection's types is a list of them.
#[must_use]
pub fn is_introspection_list(field: &str) -> bool {
    matches!(
        field,
        "types"
            | "fields"
            | "directives"
            | "inputFields"
            | "enumValues"
            | "args"
            | "interfaces"
            | "possibleTypes"
    )
}

#[cfg(test)]
mod tests {
    use super::{DEAR_MUTATIONS, QUERIES};

    const SCHEMA: &str = include_str!("../../../../docs/schema.graphql");

    /// The names of a type's fields in the schema.
    fn fields(name: &str) -> Vec<&'static str> {
        let begin = format!("type {name} {{");
        let body = SCHEMA.lines().skip_while(|line| *line != begin).skip(1).take_while(|line| *line != "}");
        let mut quoted = false;
        let mut found = Vec::new();
        for line in body.map(str::trim) {
            if line == "\"\"\"" {
                quoted = !quoted;
            } else if !quoted && !line.is_empty() {
                found.push(line.split(['(', ':']).next().unwrap_or_default());
            }
        }
        found
    }

    #[test]
    fn every_query_is_weighed() {
        let (queries, mutations) = (fields("Query"), fields("Mutation"));
        assert!(queries.len() > 20 && mutations.len() > 25, "{queries:?} {mutations:?}");
        let listed: Vec<&str> = QUERIES.iter().map(|(name, _)| *name).collect();
        for query in &queries {
            assert!(listed.contains(query), "`{query}` has no cost");
        }
        for (name, _) in DEAR_MUTATIONS {
            assert!(mutations.contains(name), "`{name}` is no mutation");
        }
    }
}
