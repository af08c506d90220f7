//! Between the host's requests and responses and those of the `http` crate.
//!
//! The SDK's own conversion reads what no handler looks at and streams bodies that are not there. Both ends of a small
//! request cost half as much here (measured, see `bench/RESULTS.md`).

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::response::Parts;
use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Request, Response};
use spin_sdk::wasip3::wit_bindgen::{FutureReader, StreamReader, StreamResult, spawn};
use spin_sdk::wasip3::{wit_future, wit_stream};

use super::live::{self, Feed, Look};
use super::problem::Problem;

/// Bytes of a request's body, whatever the node allows.
pub(super) const BODY_BYTES_MAX: usize = 8 << 20;
/// Bytes read at once.
const CHUNK_BYTES: usize = 16 << 10;

/// The request with its body read.
pub(super) async fn read(request: Request) -> Result<http::Request<Bytes>, Problem> {
    let malformed = |what: &str| Problem::new("malformed", format!("the request's {what} cannot be read"));
    let method = http::Method::try_from(request.get_method()).map_err(|_| malformed("method"))?;
    let target = request.get_path_with_query().unwrap_or_else(|| "/".to_owned());
    let uri = http::Uri::try_from(target).map_err(|_| malformed("path"))?;
    let headers = read_headers(&request).ok_or_else(|| malformed("headers"))?;
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).map_or(!method.is_safe(), |length| length != "0");
    let body = if has_body { read_body(request).await? } else { Bytes::new() };
    let mut read = http::Request::new(body);
    *read.method_mut() = method;
    *read.uri_mut() = uri;
    *read.headers_mut() = headers;
    Ok(read)
}

fn read_headers(request: &Request) -> Option<HeaderMap> {
    let entries = request.get_headers().copy_all();
    let mut headers = HeaderMap::with_capacity(entries.len());
    for (name, value) in entries {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_maybe_shared(Bytes::from(value)).ok()?);
    }
    Some(headers)
}

async fn read_body(request: Request) -> Result<Bytes, Problem> {
    let (done, when_done) = wit_future::new(|| Ok(()));
    let (mut contents, trailers) = Request::consume_body(request, when_done);
    let mut body = Vec::new();
    loop {
        body.reserve(CHUNK_BYTES);
        let (status, read) = contents.read(body).await;
        body = read;
        if body.len() > BODY_BYTES_MAX {
            return Err(Problem::body_too_large());
        }
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    // The stream ends the same way whether the body did or the connection: the trailers tell.
    let end = trailers.await;
    drop(done);
    match end {
        Ok(_) => Ok(body.into()),
        Err(ErrorCode::HttpRequestBodySize(_)) => Err(Problem::body_too_large()),
        Err(_) => Err(Problem::new("malformed", "the body broke off")),
    }
}

/// The response as the host takes it. Its body is sent after this has returned.
pub(super) fn write(response: http::Response<Bytes>) -> Result<Response, ErrorCode> {
    let (parts, body) = response.into_parts();
    let (trailers_writer, trailers) = wit_future::new(|| Ok(None));
    let contents = (!body.is_empty()).then(|| {
        let (mut writer, contents) = wit_stream::new();
        spawn(async move {
            // What is left over was not wanted any more: the client has gone.
            drop(writer.write_all(body.into()).await);
            drop(writer);
            drop(trailers_writer);
        });
        contents
    });
    respond(&parts, contents, trailers)
}

/// A response whose body tells what a feed does, until that ends or the client goes.
pub(super) fn write_events(parts: &Parts, mut feed: Feed) -> Result<Response, ErrorCode> {
    let (trailers_writer, trailers) = wit_future::new(|| Ok(None));
    let (mut writer, contents) = wit_stream::new();
    spawn(async move {
        let mut left = writer.write_all(live::RETRY.into()).await;
        while left.is_empty() {
            let event = match feed.next().await {
                Ok(Some(Look { message, last: true, .. })) => {
                    let last = live::event(&message) + &live::over_event(message.cursor);
                    // What is left over was not wanted any more: the client has gone.
                    drop(writer.write_all(last.into_bytes()).await);
                    break;
                }
                Ok(Some(look)) => live::event(&look.message).into_bytes(),
                Ok(None) => break,
                Err(problem) => {
                    eprintln!("a stream of events broke off: {}", problem.code);
                    break;
                }
            };
            left = writer.write_all(event).await;
        }
        drop(writer);
        drop(trailers_writer);
    });
    respond(parts, Some(contents), trailers)
}

fn respond(
    parts: &Parts,
    contents: Option<StreamReader<u8>>,
    trailers: FutureReader<Result<Option<Fields>, ErrorCode>>,
) -> Result<Response, ErrorCode> {
    let entries: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    let headers = Fields::from_list(&entries).map_err(|e| ErrorCode::InternalError(Some(e.to_string())))?;
    let (response, _sent) = Response::new(headers, contents, trailers);
    match response.set_status_code(parts.status.as_u16()) {
        Ok(()) => Ok(response),
        Err(()) => Err(ErrorCode::InternalError(Some("a status code that HTTP does not have".to_owned()))),
    }
}
