//! The WebSocket handshake (RFC 6455, section 4.2) and the choice of a subprotocol.

use edge_runtime::Body;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::format::Format;
use super::{Kind, Refusal, subscriber};
use crate::problem::problem;

/// A handshake that is as it must be.
pub(super) struct Handshake {
    /// How the client writes; those who subscribe write JSON.
    pub format: Format,
    /// The subprotocol.
    protocol: String,
    /// The client's key.
    key: HeaderValue,
}

impl Handshake {
    /// Reads a client's handshake; `protocol` begins the names of the subprotocols that are not GraphQL's.
    pub(super) fn read(headers: &HeaderMap, kind: Kind, protocol: &str) -> Result<Self, Refusal> {
        let refuse = |status, code, detail: &str| Err(Refusal::from(problem(status, code, detail)));
        let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
        let version = headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
        let (Some(key), true) = (key, version) else {
            let detail = "a WebSocket handshake has Sec-WebSocket-Version: 13 and a Sec-WebSocket-Key";
            return refuse(StatusCode::BAD_REQUEST, "bad-handshake", detail);
        };
        let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
        let offered = offered.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        let mut offered = offered.map(str::trim);
        let (chosen, known) = if kind == Kind::Subscribe {
            let spoken = offered.find(|name| *name == subscriber::PROTOCOL);
            (spoken.map(|name| (Format::Json, name)), subscriber::PROTOCOL.to_owned())
        } else {
            let known = format!("{protocol}.json or {protocol}.msgpack");
            (Format::choose(offered, protocol), known)
        };
        let Some((format, name)) = chosen else {
            let detail = format!("offer the subprotocol {known}");
            return refuse(StatusCode::BAD_REQUEST, "bad-subprotocol", &detail);
        };
        Ok(Self { format, protocol: name.to_owned(), key: key.clone() })
    }

    /// The answer that makes it a socket.
    pub(super) fn answer(&self) -> Response<Body> {
        let mut response = Response::new(edge_runtime::empty_body());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let answer = response.headers_mut();
        answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        for (header, value) in [
            (header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(self.key.as_bytes())),
            (header::SEC_WEBSOCKET_PROTOCOL, self.protocol.clone()),
        ] {
            // The characters of base64, and of a name that the node file was checked for.
            answer.insert(header, HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("")));
        }
        response
    }
}
