//! Clients see what they wrote, at whichever node they ask next.
//!
//! Every answer says how many writes of each replicated database this node has shown at most: `label:count`, separated by
//! commas. A client sends the same header with its next request, and the node that gets it answers from a state that has
//! them. A client without the header sees its own writes at the node where it made them.

use edge_data::ReplicatedDatabase;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The replicated databases of a node, and the header by which clients speak of their state.
pub struct Freshness {
    header: HeaderName,
    databases: Vec<(String, ReplicatedDatabase)>,
}

impl Freshness {
    /// Speaks of `databases` in `header`.
    #[must_use]
    pub const fn new(header: HeaderName, databases: Vec<(String, ReplicatedDatabase)>) -> Self {
        Self { header, databases }
    }

    /// Waits, a bounded time, until what the client has seen can be seen here.
    pub(crate) async fn follow(&self, headers: &HeaderMap) {
        if self.databases.is_empty() {
            return;
        }
        let Some(seen) = headers.get(&self.header).and_then(|value| value.to_str().ok()) else { return };
        for (label, seq) in parse(seen) {
            if let Some((_, database)) = self.databases.iter().find(|(known, _)| known == label) {
                database.must_show(seq).await;
            }
        }
    }

    /// Says in a request that goes on to another node what its client may have seen here, where the client does not say.
    pub(crate) fn pass_on(&self, headers: &mut HeaderMap) {
        if !headers.contains_key(&self.header) {
            self.tell(headers);
        }
    }

    /// Says in an answer what was seen.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        if self.databases.is_empty() {
            return;
        }
        let positions =
            self.databases.iter().map(|(label, database)| format!("{label}:{}", database.position()));
        if let Ok(value) = HeaderValue::try_from(positions.collect::<Vec<_>>().join(",")) {
            headers.insert(&self.header, value);
        }
    }
}

/// The pairs of a header's value; what is none is passed over.
fn parse(value: &str) -> impl Iterator<Item = (&str, u64)> {
    value.split(',').filter_map(|pair| {
        let (label, seq) = pair.trim().split_once(':')?;
        Some((label, seq.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn pairs_are_read_and_nonsense_is_passed_over() {
        let pairs = |value: &'static str| parse(value).collect::<Vec<_>>();
        assert_eq!(pairs("global:12"), [("global", 12)]);
        assert_eq!(pairs(" global:12 ,other:3"), [("global", 12), ("other", 3)]);
        for nonsense in ["", "global", "global:", "global:-1", "global:99999999999999999999999", ",,:"] {
            assert_eq!(pairs(nonsense), [], "{nonsense}");
        }
    }
}
