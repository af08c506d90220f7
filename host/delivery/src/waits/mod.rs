//! Requests that wait for news are held here and not in a component.
//!
//! A request on a configured route carries `edge-waits` when the component gets it. A component with nothing new to tell
//! answers at once, and says with `edge-wait` what to wait for: `key=<key>; for=<milliseconds>; memo=<what it knew>`,
//! where it likes with `viewer=<who>`, and with `again=1` where it has more to say already. The node keeps the answer and the client, and asks again once the key has news: the
//! same request with `edge-waits: <memo>`. An answer without `edge-wait` ends the waiting. Where the time is over, or the
//! node stops, the client gets the answer that was kept.
//!
//! An answer of `text/event-stream` with `edge-wait` is the beginning of a stream: what the component answers each time is
//! appended to it. Between questions a stream costs its connection and about a kilobyte here.

mod counts;
mod question;
mod stream;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use edge_runtime::route::Pattern;
use edge_runtime::{App, Body, Lane, full_body};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use tokio::sync::watch;
use tokio::time::Instant;

use self::counts::{Counted, Counts};
use self::question::{Hold, Question};
use self::stream::EventStream;
pub(crate) use self::stream::come_back;
use crate::problem::{of_call, problem};
use crate::sockets::{Hub, Mark};

/// By which a component says what to wait for.
const WAIT: HeaderName = HeaderName::from_static("edge-wait");
/// By which a component learns that the node holds waits, and what it said itself when it was asked before.
pub(crate) const WAITS: HeaderName = HeaderName::from_static("edge-waits");
/// Bytes of an answer that is kept, or appended to a stream.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// What the node file says of waits.
#[derive(Clone, Debug)]
pub struct WaitOptions {
    /// Routes whose GET requests may wait.
    pub routes: Vec<Pattern>,
    /// Limits on what is held.
    pub limits: WaitLimits,
}

/// Limits on what is held.
#[derive(Clone, Copy, Debug)]
pub struct WaitLimits {
    /// Answers that wait, for one viewer.
    pub polls_per_viewer: usize,
    /// For one address.
    pub polls_per_address: usize,
    /// Event streams of one viewer.
    pub streams_per_viewer: usize,
    /// Of one address.
    pub streams_per_address: usize,
    /// Both together.
    pub held_max: usize,
    /// How long an answer waits at most.
    pub poll_max: Duration,
    /// How long an event stream lasts at most.
    pub stream_max: Duration,
    /// Between two signs of life on an event stream without news.
    pub heartbeat: Duration,
}

/// Holds requests that wait.
pub struct Waits {
    options: WaitOptions,
    app: Arc<App>,
    hub: Arc<Hub>,
    counts: Counts,
    asking: Mutex<HashMap<Asking, WeakShared<Asked>>>,
    ending: watch::Sender<bool>,
}

/// A question under way: who asks the same after the same change gets the same answer.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Asking {
    question: Arc<Question>,
    memo: Box<str>,
    change: u64,
}

type Asked = BoxFuture<'static, Arc<Answer>>;

/// A component's answer in memory.
struct Answer {
    parts: http::response::Parts,
    bytes: Bytes,
    hold: Option<Hold>,
}

impl Answer {
    async fn read(response: Response<Body>) -> Self {
        let (mut parts, body) = response.into_parts();
        let hold = parts.headers.remove(WAIT).and_then(|value| Hold::read(&value));
        match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
            Ok(read) => Self { parts, bytes: read.to_bytes(), hold },
            Err(error) => {
                tracing::error!(%error, "the answer to a request that waits broke off");
                let detail = "the component failed; it was restarted";
                Self::refusal(problem(StatusCode::INTERNAL_SERVER_ERROR, "component-failed", detail)).await
            }
        }
    }

    async fn refusal(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        // A problem is in memory already.
        let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Self { parts, bytes, hold: None }
    }

    fn is_events(&self) -> bool {
        let kind = self.parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    fn response(&self) -> Response<Body> {
        Response::from_parts(self.parts.clone(), full_body(self.bytes.clone()))
    }
}

/// A request that may come to wait.
pub(crate) struct Candidate {
    question: Question,
    client: IpAddr,
    mark: Mark,
}

impl Waits {
    /// Asks `app` again when `hub` has news. Everything held ends with `stop`.
    #[must_use]
    pub fn new(
        options: WaitOptions,
        app: Arc<App>,
        hub: Arc<Hub>,
        mut stop: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let ending = watch::Sender::new(false);
        let end = ending.clone();
        tokio::spawn(async move {
            if stop.wait_for(|stop| *stop).await.is_err() {
                tracing::debug!("the node is gone without having been stopped");
            }
            end.send_replace(true);
        });
        let counts = Counts::new(&options.limits);
        Arc::new(Self { options, app, hub, counts, asking: Mutex::default(), ending })
    }

    /// Answers that wait now, and event streams that are open.
    #[must_use]
    pub fn open(&self) -> [usize; 2] {
        self.counts.open()
    }

    /// Answers everybody who waits, ends every stream, and holds nobody any more.
    pub fn end(&self) {
        self.ending.send_replace(true);
    }

    /// Whether a request may come to wait; then the component is told that it can.
    pub(crate) fn candidate(&self, request: &mut Request<Body>, client: IpAddr) -> Option<Candidate> {
        request.headers_mut().remove(WAITS);
        let path = request.uri().path();
        let may_wait =
            request.method() == Method::GET && self.options.routes.iter().any(|route| route.is_match(path));
        if !may_wait {
            return None;
        }
        let question = Question::of(request);
        request.headers_mut().insert(WAITS, HeaderValue::from_static(""));
        Some(Candidate { question, client, mark: self.hub.mark() })
    }

    /// The answer to a request that may not wait, whatever its component says.
    pub(crate) fn no_wait(mut response: Response<Body>) -> Response<Body> {
        response.headers_mut().remove(WAIT);
        response
    }

    /// Gives an answer out once it is news, or its time is over. What is no request to wait goes through as it is.
    pub(crate) async fn settle(
        self: &Arc<Self>,
        candidate: Candidate,
        response: Response<Body>,
    ) -> Response<Body> {
        if !response.headers().contains_key(WAIT) {
            return response;
        }
        let answer = Answer::read(response).await;
        let Some(hold) = answer.hold.clone() else { return answer.response() };
        let events = answer.is_events();
        let viewer = hold.viewer.clone().or_else(|| candidate.question.credential());
        let counted = match self.counts.admit(events, viewer, candidate.client) {
            Ok(counted) => counted,
            Err(refusal) => return refusal.answer(),
        };
        let question = Arc::new(candidate.question);
        if events {
            let parts = answer.parts.clone();
            let stream =
                EventStream::new(self.clone(), question, hold, candidate.mark, answer.bytes, counted);
            return stream.into_response(parts);
        }
        self.wait(question, hold, candidate.mark, answer, counted).await
    }

    /// Waits until the component has something else to say.
    async fn wait(
        self: &Arc<Self>,
        question: Arc<Question>,
        hold: Hold,
        mark: Mark,
        answer: Answer,
        _counted: Counted,
    ) -> Response<Body> {
        let deadline = Instant::now() + hold.time.min(self.options.limits.poll_max);
        let mut waiting = self.hub.wait_for(&hold.key, mark);
        let (mut kept, mut memo) = (Arc::new(answer), hold.memo);
        let mut ending = self.ending.subscribe();
        loop {
            let again = async {
                let change = waiting.next().await;
                self.ask(&question, &memo, change).await
            };
            let answer = tokio::select! {
                answer = again => answer,
                () = tokio::time::sleep_until(deadline) => return kept.response(),
                _ = ending.wait_for(|ending| *ending) => return kept.response(),
            };
            match &answer.hold {
                Some(hold) if hold.key == *waiting.key() => {
                    memo.clone_from(&hold.memo);
                    kept = answer;
                }
                // The client asks again from where it is, and is told then.
                _ if answer.parts.status.is_server_error() => return kept.response(),
                _ => return answer.response(),
            }
        }
    }

    /// Asks a component again, once for all who ask the same because of the same change.
    async fn ask(self: &Arc<Self>, question: &Arc<Question>, memo: &str, change: u64) -> Arc<Answer> {
        let asking = Asking { question: question.clone(), memo: memo.into(), change };
        self.join(asking).await
    }

    fn join(self: &Arc<Self>, asking: Asking) -> Shared<Asked> {
        let mut under_way = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asked) = under_way.get(&asking).and_then(WeakShared::upgrade) {
            return asked;
        }
        let (waits, key) = (self.clone(), asking.clone());
        let asked: Shared<Asked> = async move { waits.ask_now(asking).await }.boxed().shared();
        if let Some(weak) = asked.downgrade() {
            under_way.insert(key, weak);
        }
        asked
    }

    async fn ask_now(&self, asking: Asking) -> Arc<Answer> {
        // Forgotten also where everybody who wanted the answer has gone meanwhile.
        let _forget = Forget { waits: self, asking: &asking };
        let answer = match asking.question.request(&asking.memo) {
            Ok(request) => match self.app.call(Lane::Held, request).await {
                Ok(response) => Answer::read(response).await,
                Err(error) => {
                    tracing::warn!(%error, "no answer from the component to a request that waits");
                    Answer::refusal(of_call(&error)).await
                }
            },
            Err(error) => {
                tracing::error!(%error, "a request that waits cannot be repeated");
                let detail = "the request cannot be repeated";
                Answer::refusal(problem(StatusCode::BAD_REQUEST, "bad-request", detail)).await
            }
        };
        Arc::new(answer)
    }
}

/// Forgets a question that is not under way any more.
struct Forget<'a> {
    waits: &'a Waits,
    asking: &'a Asking,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let mut under_way = self.waits.asking.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.remove(self.asking);
    }
}
