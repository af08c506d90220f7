//! What is admitted of documents, and what is refused.

use super::admit;
use crate::domain::{Code, MESSAGE_CHARS_MAX};

const INTROSPECTION: &str = include_str!("../../../../../tests/data/introspection.graphql");

#[test]
fn what_tools_and_people_send_is_admitted() {
    let pages: String =
        (0..20).map(|n| format!("p{n}: products(limit: 5) {{ next products {{ id }} }} ")).collect();
    let pets: String = (0..20)
        .map(|n| {
            format!("a{n}: addPet(input: {{name: \"Rex\", conditions: [\"arthritis\"]}}) {{ id size }} ")
        })
        .collect();
    for (text, mutation, introspection_only) in [
        (INTROSPECTION, false, true),
        ("{ __typename }", false, true),
        ("{ __type(name: \"Ride\") { name fields { name } } }", false, true),
        ("{ __schema { queryType { name } } me { id } }", false, false),
        ("mutation { logIn(input: {email: \"a@b.c\", password: \"x\"}) { accountId } }", true, false),
        (
            "query A { me { id } } query B { pets { ...P } } fragment P on Pet { id details { name } }",
            false,
            false,
        ),
        (&format!("{{ {pages} }}"), false, false),
        (&format!("mutation {{ {pets} }}"), true, false),
    ] {
        let kinds = admit(text).unwrap_or_else(|refused| panic!("{text}: {refused}")).kinds;
        assert_eq!((kinds.mutation, kinds.introspection_only), (mutation, introspection_only), "{text}");
    }
}

/// The documents that were seen to end an instance or to keep it busy, and their relatives.
#[test]
fn attacks_are_refused() {
    let nested =
        |open: &str, close: &str, times: usize| format!("{}{}", open.repeat(times), close.repeat(times));
    let explosion = |levels: usize, spreads: usize| {
        let fragments: String = (0..levels)
            .map(|n| format!("fragment f{n} on Query{{{}}} ", format!("...f{} ", n + 1).repeat(spreads)))
            .collect();
        format!("{{...f0}} {fragments}fragment f{levels} on Query{{__typename}}")
    };
    let aliases =
        |times: usize, field: &str| (0..times).map(|n| format!("a{n}: {field} ")).collect::<String>();
    let log_in = "logIn(input: {email: \"a@b.c\", password: \"x\"}) { accountId }";
    let cases = [
        format!("{{walker(accountId:{}){{accountId}}}}", nested("[", "]", 900)),
        format!("{{walker(accountId:{}){{accountId}}}}", nested("[", "]", 65)),
        format!("{{walker(accountId:{}){{accountId}}}}", nested("{a:", "}", 100)),
        format!("{{{}}}", nested("...{", "}", 1_014)),
        format!("{{{}__typename{}}}", "...{".repeat(40), "}".repeat(40)),
        "{".repeat(10_000),
        explosion(20, 30),
        explosion(20, 2),
        explosion(24, 2),
        explosion(7, 10),
        explosion(200, 1),
        format!("{{ {} }}", aliases(50_000, "__typename")),
        format!("{{ {} }}", aliases(2_300, "__typename")),
        format!("{{ {} }}", aliases(190, "route(rideId: \"x\") { distanceM }")),
        format!("{{ {} }}", aliases(6, "route(rideId: \"x\") { distanceM }")),
        format!("{{ {} }}", aliases(3, "routeGpx(rideId: \"x\")")),
        format!(
            "query($a: String!) {{ ...a ...b }} fragment a on Query {{ {} }} fragment b on Query {{ ...a }}",
            aliases(3, "route(rideId: $a) { distanceM }")
        ),
        format!("mutation {{ {} }}", aliases(133, log_in)),
        format!("mutation {{ {} }}", aliases(2, log_in)),
        format!("mutation {{ a: {log_in} b: refresh(input: {{refreshToken: \"x\"}}) {{ accountId }} }}"),
        format!("mutation {{ ...m }} fragment m on Mutation {{ {} }}", aliases(2, log_in)),
        format!("mutation {{ {} }}", aliases(130, "addPet(input: {name: \"Rex\"}) { id }")),
        format!("mutation {{ {} }}", aliases(21, "leave")),
        format!("subscription {{ {} }}", aliases(4, "live(rideId: \"x\") { cursor }")),
        format!("{{ {} }}", aliases(5, "__schema { queryType { name } }")),
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }".to_owned(),
        format!("{{ __schema {{ types {{ fields {{ {} }} }} }} }}", aliases(200, "name")),
        format!("{{ __schema {{ {} }} }}", aliases(200, "types { fields { name } }")),
        format!("{{ ride(id: \"x\") {{ id }} me({}) {{ id }} }}", aliases(17, "1")),
        format!("{{ rides {} id {} }}", "{ rides ".repeat(13), "}".repeat(13)),
        format!("{{ me {} {{ id }} }}", "@skip(if: false) ".repeat(101)),
        format!("{{ {} }}", "a".repeat(129)),
    ];
    for text in cases {
        let shown: String = text.chars().take(80).collect();
        let refused = admit(&text).expect_err(&shown);
        assert_eq!(refused.code, Code::TooComplex, "{shown}: {refused}");
    }
}

#[test]
fn what_is_no_document_is_refused_without_repeating_it() {
    let long = format!("{{ me(id: {}) }}", "\"0123456789\" ".repeat(1_500));
    for (text, at) in [
        ("", None),
        ("{", None),
        ("{ me { id }", None),
        ("{ a(b: ) }", Some((1, 8))),
        ("query {\n  me { }\n}", Some((2, 8))),
        ("{ ...f } fragment f on Query { ...f }", Some((1, 10))),
        ("{ a } fragment f on Query { ...g } fragment g on Query { me { ...f } }", None),
        ("{ a } { b }", None),
        ("query a { a } query a { b }", None),
        (long.as_str(), None),
    ] {
        let refused = admit(text).expect_err(text);
        assert_eq!(refused.code, Code::Malformed, "{text}: {refused}");
        assert!(refused.message.chars().count() <= MESSAGE_CHARS_MAX + 1, "{refused}");
        assert!(!refused.message.contains("0123456789") && !refused.message.contains('\n'), "{refused}");
        if at.is_some() {
            assert_eq!(refused.at, at, "{text}: {refused}");
        }
    }
}
