//! What documents weigh, beside what unfolding them comes to.

use async_graphql_parser::parse_query;
use proptest::prelude::*;

use super::{Place, Scale, Tally, weigh};
use crate::domain::document::BUDGET;
use crate::domain::weight::Budget;

/// Nothing is over it.
const BOUNDLESS: Budget = Budget {
    selections: u64::MAX,
    cost: u64::MAX,
    subscription_cost: u64::MAX,
    depth: u64::MAX,
    levels: 64,
    arguments: usize::MAX,
    commands: u64::MAX,
    secrets: u64::MAX,
    introspection: u64::MAX,
    introspection_fields: u64::MAX,
    introspection_lists: u64::MAX,
};

fn tally(text: &str) -> Tally {
    let document = parse_query(text).expect(text);
    let (_, operation) = document.operations.iter().next().expect("an operation");
    let mut scale =
        Scale { document: &document, budget: &BOUNDLESS, known: std::collections::HashMap::new() };
    scale.set(&operation.node.selection_set.node, Place::of(operation.node.ty), 1).expect(text)
}

#[test]
fn a_document_costs_what_its_fields_do() {
    for (text, selections, cost, depth) in [
        ("{ me { id email } }", 3, 12, 2),
        ("{ a: me { id } b: me { id } }", 4, 22, 2),
        ("{ ...f ...f } fragment f on Query { me { id } }", 6, 22, 2),
        ("{ me { ... on Account { ...f } } } fragment f on Account { id email }", 5, 12, 2),
        ("{ route(rideId: \"x\") { distanceM } }", 2, 401, 2),
        ("mutation { leave }", 1, 50, 1),
        ("subscription { live(rideId: \"x\") { cursor points { seq } } }", 4, 53, 3),
        ("{ __typename nothing { at all } }", 4, 103, 2),
        ("{ ...nowhere me { id } }", 3, 11, 2),
    ] {
        let found = tally(text);
        assert_eq!((found.selections, found.cost, found.depth), (selections, cost, depth), "{text}");
    }
}

#[test]
fn a_type_is_unwrapped_three_times_at_most() {
    let deep = |times: usize| {
        format!(
            "{{ __type(name: \"x\") {{ {} name {} }} }}",
            "name ofType {".repeat(times),
            "}".repeat(times)
        )
    };
    assert_eq!(tally(&deep(3)).values[super::WRAPPERS], 7);
    assert_eq!(tally(&deep(9)).values[super::WRAPPERS], 8);
    let counted = tally("{ __schema { types { name fields { name } } } }");
    assert_eq!(counted.values[super::WRAPPERS], 1 + 128 * (1 + 1 + 8));
}

#[test]
fn the_standard_introspection_leaves_room() {
    let found = tally(include_str!("../../../../../tests/data/introspection.graphql"));
    let values = found.values[super::WRAPPERS];
    assert!((BUDGET.introspection / 3..BUDGET.introspection * 4 / 5).contains(&values), "{values}");
    assert!(found.levels < BUDGET.levels * 3 / 4 && found.selections < BUDGET.selections / 4, "{found:?}");
}

/// Some fragments, each of which spreads later ones only, and how often.
fn fragments() -> impl Strategy<Value = Vec<Vec<usize>>> {
    proptest::collection::vec(proptest::collection::vec(0..6_usize, 0..4), 1..7)
}

fn written(fragments: &[Vec<usize>]) -> String {
    let mut text = "{ ...f0 }".to_owned();
    for (n, spreads) in fragments.iter().enumerate() {
        let spread = spreads.iter().map(|ahead| n + 1 + ahead).filter(|to| *to < fragments.len());
        let spread: String = spread.map(|to| format!(" ...f{to}")).collect();
        text += &format!(" fragment f{n} on Query {{ me {{ id }}{spread} }}");
    }
    text
}

/// The same, by expanding.
fn expanded(fragments: &[Vec<usize>], n: usize) -> u64 {
    let spread = fragments[n].iter().map(|ahead| n + 1 + ahead).filter(|to| *to < fragments.len());
    11 + spread.map(|to| expanded(fragments, to)).sum::<u64>()
}

proptest! {
    #[test]
    fn the_tally_is_what_expanding_gives(fragments in fragments()) {
        prop_assert_eq!(tally(&written(&fragments)).cost, expanded(&fragments, 0));
    }

    /// Whoever stands in a circle is found, and nothing runs for ever.
    #[test]
    fn circles_are_refused(length in 1..20_usize, spreads in 1..4_usize) {
        let text: String = (0..length)
            .map(|n| format!("fragment f{n} on Query {{ {} }} ", format!("...f{} ", (n + 1) % length).repeat(spreads)))
            .collect();
        let document = parse_query(format!("{{ __typename }} {text}")).expect("a document");
        prop_assert!(weigh(&document, &BUDGET).is_err());
    }
}
