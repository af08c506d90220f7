//! Classes of requests: what they match, and what they may come to.

use edge_runtime::route::Pattern;
use http::{HeaderMap, HeaderValue, Method, header};

use super::bucket::Rate;

/// Requests that share their limits.
#[derive(Clone, Debug)]
pub struct Class {
    /// Its name, as clients are told it.
    pub name: String,
    /// Their methods; empty for every method.
    pub methods: Vec<Method>,
    /// Their paths.
    pub routes: Vec<Pattern>,
    /// Whether only requests that ask for another protocol (WebSockets) are meant.
    pub upgrade: bool,
    /// How many come from one address; none for no limit.
    pub by_address: Option<Rate>,
    /// How many come for one account, or with one credential while its account is not known; none for no limit.
    pub by_account: Option<Rate>,
    /// Whether they compute for long, and so take turns.
    pub takes_turns: bool,
}

/// A class with what is worked out once.
pub(super) struct Known {
    pub(super) class: Class,
    pub(super) by_address: Option<Limit>,
    pub(super) by_account: Option<Limit>,
    refused_by_address: metrics::Counter,
    refused_by_account: metrics::Counter,
}

/// One limit of a class.
pub(super) struct Limit {
    pub(super) rate: Rate,
    /// `RateLimit-Policy`, as the draft writes it.
    pub(super) policy: HeaderValue,
    /// Its name there.
    pub(super) name: String,
}

/// By what a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum By {
    Address,
    Account,
}

impl Limit {
    fn new(name: String, rate: Rate) -> Self {
        let policy = format!("\"{name}\";q={};w={}", rate.burst(), rate.window_s());
        // Names of classes were checked: such a text is always a header's value.
        let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("\"limit\""));
        Self { rate, policy, name }
    }
}

impl Known {
    pub(super) fn new(class: Class) -> Self {
        let refused = |by: &'static str| metrics::counter!("throttle_refused_total", "class" => class.name.clone(), "by" => by);
        Self {
            by_address: class.by_address.map(|rate| Limit::new(class.name.clone(), rate)),
            by_account: class.by_account.map(|rate| Limit::new(format!("{}-account", class.name), rate)),
            refused_by_address: refused("address"),
            refused_by_account: refused("account"),
            class,
        }
    }

    pub(super) fn limit(&self, by: By) -> Option<&Limit> {
        match by {
            By::Address => self.by_address.as_ref(),
            By::Account => self.by_account.as_ref(),
        }
    }

    pub(super) fn note_refusal(&self, by: By) {
        match by {
            By::Address => self.refused_by_address.increment(1),
            By::Account => self.refused_by_account.increment(1),
        }
    }

    pub(super) fn takes(&self, method: &Method, path: &str, headers: &HeaderMap) -> bool {
        (self.class.methods.is_empty() || self.class.methods.contains(method))
            && (!self.class.upgrade || headers.contains_key(header::UPGRADE))
            && self.class.routes.iter().any(|route| route.is_match(path))
    }
}
