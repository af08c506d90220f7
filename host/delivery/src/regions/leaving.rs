//! What becomes of forwarded requests when this node stops: their answers come from elsewhere and know nothing of it.

use std::time::Duration;

use bytes::Bytes;
use edge_runtime::{Body, BodyError};
use futures::stream;
use http::{Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::watch;

use crate::problem::problem;
use crate::waits::come_back;

/// A forwarded read that takes longer than this waits for news, most likely.
const PATIENCE: Duration = Duration::from_millis(300);

/// Returns once a read that is under way should be given up, because the node stops.
pub(super) async fn given_up(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_ok() {
        tokio::time::sleep(PATIENCE).await;
    }
}

/// The answer to a read that was given up.
pub(super) fn stopping() -> Response<Body> {
    let detail = "this node stops; send the request again, to another node";
    problem(StatusCode::SERVICE_UNAVAILABLE, "stopping", detail)
}

/// A response that ends between two events once the node stops, if it is a stream of events.
pub(super) fn ending_between_events(
    response: Response<Body>,
    stop: &watch::Receiver<bool>,
) -> Response<Body> {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
        return response;
    }
    let events = Events { stop: stop.clone(), between: true, last: b'\n', over: false };
    response.map(|body| {
        let frames = stream::unfold((body, events), |(mut body, mut events)| async move {
            let frame = events.next(&mut body).await?;
            Some((frame, (body, events)))
        });
        StreamBody::new(frames).boxed_unsync()
    })
}

struct Events {
    stop: watch::Receiver<bool>,
    /// Whether everything passed on so far is whole events.
    between: bool,
    /// The last byte passed on.
    last: u8,
    over: bool,
}

impl Events {
    async fn next(&mut self, body: &mut Body) -> Option<Result<Frame<Bytes>, BodyError>> {
        if self.over {
            return None;
        }
        let frame = tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop), if self.between => {
                self.over = true;
                return Some(Ok(Frame::data(come_back())));
            }
            frame = body.frame() => frame?,
        };
        if let Ok(frame) = &frame
            && let Some(data) = frame.data_ref()
            && let [.., last] = **data
        {
            let before = if data.len() > 1 { data[data.len() - 2] } else { self.last };
            self.between = (before, last) == (b'\n', b'\n');
            self.last = last;
        }
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use edge_runtime::{Body, BodyError};
    use futures::stream::{self, StreamExt as _};
    use http::Response;
    use http_body::Frame;
    use http_body_util::{BodyExt as _, StreamBody};
    use tokio::sync::watch;

    use super::ending_between_events;

    /// What a client of a stream hears that tells those pieces and then nothing more, when the node stops.
    async fn heard(pieces: &'static [&'static str]) -> String {
        let pieces = stream::iter(pieces).map(|piece| Ok::<_, BodyError>(Frame::data(Bytes::from(*piece))));
        let body: Body = StreamBody::new(pieces.chain(stream::pending())).boxed_unsync();
        let response = Response::builder().header("content-type", "text/event-stream").body(body);
        let (stop, stopped) = watch::channel(false);
        let mut body = ending_between_events(response.expect("a response"), &stopped).into_body();
        let mut text = String::new();
        let mut left = usize::MAX;
        while left > 0 {
            let frame = tokio::time::timeout(std::time::Duration::from_millis(50), body.frame()).await;
            match frame {
                Ok(Some(frame)) => {
                    let data = frame.expect("no error").into_data().expect("data");
                    text.push_str(std::str::from_utf8(&data).expect("text"));
                }
                Ok(None) => return text,
                Err(_) => {
                    stop.send_replace(true);
                    left = left.min(3) - 1;
                }
            }
        }
        text + "(open)"
    }

    #[tokio::test]
    async fn a_forwarded_stream_ends_between_two_events() {
        let whole = heard(&["data: 1\n\n", "data: 2", "\n", "\n"]).await;
        assert!(whole.starts_with("data: 1\n\ndata: 2\n\nretry: "), "{whole}");
        let broken = heard(&["data: 1\n\n", "data: 2\n"]).await;
        assert_eq!(broken, "data: 1\n\ndata: 2\n(open)", "an event that was begun is waited for");
    }
}
