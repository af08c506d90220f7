//! Both ends of a live walk: a walker's device that sends a recording, and a tutor's map that follows it.
//!
//! ```sh
//! live_client send  <url> <ride> <walker's access token> <recording.gpx>
//! live_client watch <url> <ride> <tutor's access token>
//! ```
//!
//! Either may be cut off at any moment: it connects again and goes on where the node says that it is. The sender keeps its points
//! until the node says that every replica has them: a node that is lost may take with it what only its disk had.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Points in a frame.
const FRAME_POINTS: usize = 100;
/// Before a client that was cut off connects again.
const PAUSE: Duration = Duration::from_secs(1);

/// Whose walk, and with whose right.
pub struct Walk {
    /// The node, such as `http://127.0.0.1:3000`.
    pub url: String,
    /// The ride's id.
    pub ride: String,
    /// An access token.
    pub token: String,
}

impl Walk {
    /// Opens a socket of the ride: the socket and its greeting.
    async fn connect(&self, end: &str) -> Outcome<(Socket, Value)> {
        let url = format!("{}/v1/rides/{}/{end}", self.url.replacen("http", "ws", 1), self.ride);
        let mut request = url.into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "petwalker.v1.json".parse()?);
        request.headers_mut().insert("authorization", format!("Bearer {}", self.token).parse()?);
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
        let greeting = next(&mut socket).await?.ok_or("the socket closed without a greeting")?;
        Ok((socket, greeting))
    }

    /// Sends points, which are numbered from 1, until every replica has them all.
    ///
    /// # Errors
    /// When the node refuses them, or is not there for a while.
    pub async fn send(&self, points: &[Value]) -> Outcome<()> {
        let mut tries = 0;
        loop {
            let stored = match self.send_some(points).await {
                Ok(()) => return Ok(()),
                Err(Broken::Refused(answer)) => return Err(answer.to_string().into()),
                Err(Broken::Cut(error, stored)) if tries < 10 => {
                    eprintln!("cut off after {stored} points ({error}); connecting again");
                    stored
                }
                Err(Broken::Cut(error, _)) => return Err(error),
            };
            tries = if stored > 0 { 0 } else { tries + 1 };
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn send_some(&self, points: &[Value]) -> Result<(), Broken> {
        let (mut socket, greeting) = self.connect("track").await.map_err(|error| Broken::Cut(error, 0))?;
        // What the node has, it need not get again. What it lacks, it gets again: after another node took over, that may be
        // what the one before had stored.
        let known = usize::try_from(greeting["contiguous_seq"].as_u64().unwrap_or(0)).unwrap_or(0);
        let mut stored = 0;
        for frame in points[known.min(points.len())..].chunks(FRAME_POINTS) {
            let message = json!({ "type": "points", "id": stored, "points": frame });
            let answer = ask(&mut socket, &message).await.map_err(|error| Broken::Cut(error, stored))?;
            if answer["type"] != "stored" {
                return Err(Broken::Refused(answer));
            }
            stored += frame.len();
        }
        loop {
            let answer = ask(&mut socket, &json!({ "type": "status" })).await;
            let answer = answer.map_err(|error| Broken::Cut(error, stored))?;
            match answer["replicated_seq"].as_u64() {
                Some(safe) if safe < points.len() as u64 => tokio::time::sleep(PAUSE).await,
                // A node that does not know says nothing: then points are kept until the walk has ended.
                _ => return Ok(()),
            }
        }
    }

    /// Follows the ride until it is over; `tell` gets every message.
    ///
    /// # Errors
    /// When the node refuses, or is not there for a while.
    pub async fn watch(&self, mut tell: impl FnMut(&Value)) -> Outcome<()> {
        let (mut end, mut tries) = ("live?since=0".to_owned(), 0);
        loop {
            let error = match self.connect(&end).await {
                Ok((mut socket, greeting)) => {
                    tries = 0;
                    tell(&greeting);
                    loop {
                        match next(&mut socket).await {
                            Ok(Some(message)) => {
                                tell(&message);
                                end = format!("live?since={}", message["cursor"]);
                            }
                            Ok(None) => return Ok(()),
                            Err(error) => break error,
                        }
                    }
                }
                Err(error) => error,
            };
            tries += 1;
            if tries > 10 {
                return Err(error);
            }
            eprintln!("cut off ({error}); connecting again");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Why sending stopped.
enum Broken {
    /// The connection broke, with so many points stored since it was made.
    Cut(Box<dyn std::error::Error + Send + Sync>, usize),
    /// The node does not want them.
    Refused(Value),
}

/// The next message; none once the node has said that the ride is over.
async fn next(socket: &mut Socket) -> Outcome<Option<Value>> {
    while let Some(frame) = socket.next().await.transpose()? {
        match frame {
            Message::Text(text) => return Ok(Some(serde_json::from_str(&text)?)),
            Message::Close(Some(close)) if u16::from(close.code) == 1000 => return Ok(None),
            Message::Close(close) => return Err(format!("closed: {close:?}").into()),
            // Pings are answered by the library.
            _ => {}
        }
    }
    Err("the connection broke".into())
}

async fn ask(socket: &mut Socket, message: &Value) -> Outcome<Value> {
    socket.send(Message::text(message.to_string())).await?;
    next(socket).await?.ok_or_else(|| "the ride is over".into())
}

/// The points of a recording as the node takes them.
///
/// # Errors
/// When it is no recording.
pub fn read_gpx(text: &str) -> Outcome<Vec<Value>> {
    let mut points = Vec::new();
    for part in text.split("<trkpt").skip(1) {
        let attribute = |name: &str| -> Option<f64> {
            part.split_once(&format!("{name}=\""))?.1.split('"').next()?.parse().ok()
        };
        let element = |name: &str| Some(part.split_once(&format!("<{name}>"))?.1.split('<').next()?.trim());
        let (Some(lat), Some(lon), Some(time)) = (attribute("lat"), attribute("lon"), element("time")) else {
            return Err("a point has no place or no time".into());
        };
        let at = time.parse::<jiff::Timestamp>()?.as_millisecond();
        let elevation_m = element("ele").and_then(|metres| metres.parse::<f64>().ok());
        points.push(json!({ "seq": points.len() + 1, "at": at, "place": { "lat": lat, "lon": lon },
                            "accuracy_m": 4.0, "elevation_m": elevation_m }));
    }
    Ok(points)
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let walk = |url: &str, ride: &str, token: &str| Walk {
        url: url.to_owned(),
        ride: ride.to_owned(),
        token: token.to_owned(),
    };
    match arguments[..] {
        ["send", url, ride, token, recording] => {
            let points = read_gpx(&std::fs::read_to_string(recording)?)?;
            walk(url, ride, token).send(&points).await?;
            println!("{} points are stored", points.len());
            Ok(())
        }
        ["watch", url, ride, token] => {
            let tell = |message: &Value| {
                let new = message["points"].as_array().map_or(0, Vec::len);
                let metres = message["figures"]["distance_m"].as_f64().unwrap_or_default();
                println!("{}: {new} new points, {metres:.0} m walked", message["state"]);
            };
            walk(url, ride, token).watch(tell).await
        }
        _ => Err("say: send <url> <ride> <token> <recording.gpx>, or watch <url> <ride> <token>".into()),
    }
}
