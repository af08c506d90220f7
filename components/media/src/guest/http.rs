//! One request over HTTP, whole bodies both ways.
//!
//! The SDK's own `send` leaves the body to a task that it spawns with its own runtime, which nobody drives in a component
//! whose exports another version of that runtime drives. Here the body is written beside the waiting for the answer.

use futures::future::join;
use http::StatusCode;
use spin_sdk::wasip3::http::client;
use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use spin_sdk::wasip3::wit_bindgen::StreamResult;
use spin_sdk::wasip3::{wit_future, wit_stream};
use url::Url;

/// Bytes read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Why there is no answer. The address, which may hold a signature, is not told.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The request cannot be made of these parts.
    #[error("the request cannot be made")]
    Request,
    /// The host could not be reached or said nothing.
    #[error("no answer: {0:?}")]
    NoAnswer(ErrorCode),
    /// The answer broke off.
    #[error("the answer broke off: {0:?}")]
    BrokeOff(ErrorCode),
    /// More than was to be expected.
    #[error("the answer is larger than any photo")]
    TooLarge,
}

/// Sends a request and reads its answer of at most so many bytes.
pub async fn ask(
    method: Method,
    url: &Url,
    headers: &[(String, Vec<u8>)],
    body: Option<Vec<u8>>,
    bytes_max: usize,
) -> Result<(StatusCode, Vec<u8>), Failed> {
    let headers = Fields::from_list(headers).map_err(|_| Failed::Request)?;
    let (trailers_writer, trailers) = wit_future::new(|| Ok(None));
    let (writer, contents) = match body {
        Some(body) => {
            let (writer, contents) = wit_stream::new();
            (Some((writer, body)), Some(contents))
        }
        None => (None, None),
    };
    let (request, _sent) = Request::new(headers, contents, trailers, None);
    address(&request, &method, url).map_err(|()| Failed::Request)?;
    let write = async {
        if let Some((mut writer, body)) = writer {
            // What is left over was not wanted: then the answer says why.
            drop(writer.write_all(body).await);
        }
        drop(trailers_writer);
    };
    let (response, ()) = join(client::send(request), write).await;
    let response = response.map_err(Failed::NoAnswer)?;
    let status = StatusCode::from_u16(response.get_status_code()).map_err(|_| Failed::Request)?;
    Ok((status, read(response, bytes_max).await?))
}

fn address(request: &Request, method: &Method, url: &Url) -> Result<(), ()> {
    let scheme = if url.scheme() == "https" { Scheme::Https } else { Scheme::Http };
    let authority = match (url.host_str().ok_or(())?, url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    };
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    request.set_method(method)?;
    request.set_scheme(Some(&scheme))?;
    request.set_authority(Some(&authority))?;
    request.set_path_with_query(Some(&path))
}

async fn read(response: Response, bytes_max: usize) -> Result<Vec<u8>, Failed> {
    let (done, when_done) = wit_future::new(|| Ok(()));
    let (mut contents, trailers) = Response::consume_body(response, when_done);
    let mut body = Vec::new();
    loop {
        body.reserve(CHUNK_BYTES);
        let (status, read) = contents.read(body).await;
        body = read;
        if body.len() > bytes_max {
            return Err(Failed::TooLarge);
        }
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    // The stream ends the same way whether the body did or the connection: the trailers tell.
    let end = trailers.await;
    drop(done);
    end.map(|_| body).map_err(Failed::BrokeOff)
}
