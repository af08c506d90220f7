//! A request as it is asked again, and what a component says about waiting.

use std::sync::Arc;
use std::time::Duration;

use edge_runtime::{Body, empty_body};
use http::{HeaderName, HeaderValue, Request, header};

use super::WAITS;

/// Headers that tell two requests of one viewer apart and that no answer depends on.
const OF_ONE_REQUEST: [HeaderName; 3] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-request-id"),
];

/// A request without a body. Two that are equal get the same answer.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Question {
    uri: Box<str>,
    headers: Box<[(HeaderName, Box<[u8]>)]>,
}

impl Question {
    /// Copies a request: what is kept must not keep the buffers of its connection.
    pub(super) fn of(request: &Request<Body>) -> Self {
        let kept = request.headers().iter().filter(|(name, _)| !OF_ONE_REQUEST.contains(name));
        let copied = kept.filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
            Some((name, value.as_bytes().into()))
        });
        Self { uri: request.uri().to_string().into(), headers: copied.collect() }
    }

    /// The request, with what the component said when it was asked before.
    pub(super) fn request(&self, memo: &str) -> Result<Request<Body>, http::Error> {
        let mut request = Request::get(&*self.uri);
        for (name, value) in &self.headers {
            request = request.header(name, &**value);
        }
        request.header(WAITS, memo).body(empty_body())
    }

    /// What the client proves itself with; none where it does not.
    pub(super) fn credential(&self) -> Option<Box<str>> {
        let (_, value) = self.headers.iter().find(|(name, _)| *name == header::AUTHORIZATION)?;
        Some(String::from_utf8_lossy(value).into())
    }
}

/// What a component says about waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    /// What to wait for.
    pub(super) key: Arc<str>,
    /// How long.
    pub(super) time: Duration,
    /// What it is told when it is asked again.
    pub(super) memo: Box<str>,
    /// Who waits, for limits; none where the client's credential tells.
    pub(super) viewer: Option<Box<str>>,
    /// Whether the component has more to say already.
    pub(super) again: bool,
}

impl Hold {
    /// Reads the header's value; none where it is none.
    pub(super) fn read(value: &HeaderValue) -> Option<Self> {
        let pairs = || value.to_str().ok().into_iter().flat_map(|text| text.split(';'));
        let field = |name: &str| {
            let mut pairs = pairs().filter_map(|pair| pair.trim().split_once('='));
            pairs.find_map(|(key, value)| (key == name).then_some(value))
        };
        Some(Self {
            key: field("key")?.into(),
            time: Duration::from_millis(field("for")?.parse().ok()?),
            memo: field("memo").unwrap_or_default().into(),
            viewer: field("viewer").map(Into::into),
            again: field("again") == Some("1"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use edge_runtime::empty_body;
    use http::{HeaderValue, Request};

    use super::{Hold, Question};

    #[test]
    fn what_a_component_says_is_read() {
        let read = |text: &'static str| Hold::read(&HeaderValue::from_static(text));
        let hold = read("key=a; for=2500; memo=7.started; viewer=v").expect("read");
        assert_eq!((&*hold.key, hold.time, &*hold.memo), ("a", Duration::from_millis(2_500), "7.started"));
        assert_eq!((hold.viewer.as_deref(), hold.again), (Some("v"), false));
        assert!(read("key=a; for=1; again=1").expect("read").again);
        assert_eq!(read("for=1;key=a").expect("read").memo.as_ref(), "");
        for none in ["", "key=a", "key=a; for=x", "for=1"] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn a_request_is_asked_again_as_it_was() {
        let request = |trace: &'static str| {
            let request = Request::get("http://a.example/x?y=1")
                .header("authorization", "Bearer t")
                .header("traceparent", trace)
                .header("accept", "text/event-stream");
            Question::of(&request.body(empty_body()).expect("a request"))
        };
        let (one, two) = (request("1"), request("2"));
        assert!(one == two, "a trace does not tell them apart");
        assert_eq!(one.credential().as_deref(), Some("Bearer t"));
        let again = one.request("memo").expect("a request");
        assert_eq!(again.uri(), "http://a.example/x?y=1");
        assert_eq!(again.headers()["edge-waits"], "memo");
        assert_eq!(again.headers()["accept"], "text/event-stream");
    }
}
