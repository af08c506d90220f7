//! The attacks: each bounded, from one address, ended with its [`Running`].

use std::fmt;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use petwalker_kernel::RideId;
use reqwest::header::CONTENT_TYPE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Bytes;

use crate::prepare::now;
use crate::socket::{Socket, frame};
use crate::walks::Walk;

/// Where attacks come from: another address of loopback than the other clients'.
const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 66));
/// Requests at once: as many streams as an HTTP/2 connection used to be allowed.
const AT_ONCE: usize = 256;
/// Connections that say nothing. What the process may open bounds them too.
const SILENT: usize = 15_000;
/// Points of the walk that is exported.
const EXPORTED: u32 = 20_000;

/// What one hostile client does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attack {
    /// GraphQL whose values nest 900 deep, twenty a second.
    DeepDocuments,
    /// Bodies that begin and never end, without an account.
    EndlessBodies,
    /// Answers that wait for news of one ride, without end.
    LongPolls,
    /// GraphQL fragments that unfold to 30^20 fields.
    Fragments,
    /// Frames of 250 KiB without meaning, from two sockets.
    Frames,
    /// Passwords guessed, many in a GraphQL document and one at a time.
    Guesses,
    /// Connections without a request.
    SilentConnections,
    /// Exports of a long walk, thirty at once.
    Exports,
}

/// What is attacked.
#[derive(Clone)]
pub(super) struct Target {
    url: String,
    address: SocketAddr,
    ride: RideId,
    walker: String,
    tutor: String,
    http: reqwest::Client,
}

/// An attack under way.
pub(super) struct Running(JoinSet<()>);

impl Running {
    /// Ends it and closes its connections.
    pub(super) async fn end(mut self) {
        self.0.shutdown().await;
    }
}

impl Target {
    pub(super) fn new(url: &str, walk: &Walk) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().local_address(ATTACKER).timeout(Duration::from_secs(40));
        Ok(Self {
            url: url.to_owned(),
            address: url.trim_start_matches("http://").parse()?,
            ride: walk.ride,
            walker: walk.walker.clone(),
            tutor: walk.tutor.clone(),
            http: http.build()?,
        })
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(ATTACKER, 0))?;
        socket.connect(self.address).await
    }

    async fn document(&self, body: String) {
        let url = format!("{}/graphql", self.url);
        let sent = self.http.post(url).header(CONTENT_TYPE, "application/json").body(body).send().await;
        finish(sent).await;
    }

    async fn get(&self, path: &str) {
        let sent = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.tutor).send().await;
        finish(sent).await;
    }
}

/// After an answer that is no success. All tasks of an attack together then ask some thousand times a second: faster, they and the
/// node would share the processors of this machine, which says nothing of what the attack does to a node.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// Reads an answer to its end. Being refused is what attackers must expect: they wait a little, and go on.
async fn finish(sent: reqwest::Result<reqwest::Response>) {
    let refused = match sent {
        Ok(answer) => !answer.status().is_success() | answer.bytes().await.is_err(),
        Err(_) => true,
    };
    if refused {
        tokio::time::sleep(REFUSED_PAUSE).await;
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Attack {
    pub(super) const ALL: &[Self] = &[
        Self::DeepDocuments,
        Self::EndlessBodies,
        Self::LongPolls,
        Self::Fragments,
        Self::Frames,
        Self::Guesses,
        Self::SilentConnections,
        Self::Exports,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::DeepDocuments => "deep GraphQL documents",
            Self::EndlessBodies => "bodies without an end",
            Self::LongPolls => "long-polls",
            Self::Fragments => "GraphQL fragments",
            Self::Frames => "large frames",
            Self::Guesses => "password guesses",
            Self::SilentConnections => "silent connections",
            Self::Exports => "exports",
        }
    }

    /// Begins, and returns once it is in full swing.
    pub(super) async fn begin(self, target: &Target) -> anyhow::Result<Running> {
        let mut tasks = JoinSet::new();
        match self {
            Self::DeepDocuments => deep_documents(target, &mut tasks),
            Self::EndlessBodies => (0..AT_ONCE).for_each(|_| endless_body(target, &mut tasks)),
            Self::LongPolls => long_polls(target, &mut tasks),
            Self::Fragments => fragments(target, &mut tasks),
            Self::Frames => frames(target, &mut tasks).await?,
            Self::Guesses => guesses(target, &mut tasks),
            Self::SilentConnections => silent_connections(target, &mut tasks).await,
            Self::Exports => exports(target, &mut tasks).await?,
        }
        Ok(Running(tasks))
    }
}

fn deep_documents(target: &Target, tasks: &mut JoinSet<()>) {
    let deep = format!("{}{}", "[".repeat(900), "]".repeat(900));
    let document = format!("{{\"query\":\"{{walker(accountId:{deep}){{accountId}}}}\"}}");
    let target = target.clone();
    tasks.spawn(async move {
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        loop {
            pace.tick().await;
            target.document(document.clone()).await;
        }
    });
}

fn endless_body(target: &Target, tasks: &mut JoinSet<()>) {
    let target = target.clone();
    tasks.spawn(async move {
        loop {
            let head = b"POST /v1/sessions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                         content-length: 100\r\n\r\n{";
            let Ok(mut stream) = target.connect().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            if stream.write_all(head).await.is_ok() {
                // Until the node has had enough of it.
                let mut answer = Vec::new();
                if stream.read_to_end(&mut answer).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    });
}

fn long_polls(target: &Target, tasks: &mut JoinSet<()>) {
    let path = format!("/v1/rides/{}/live?since=0&state=in_progress&wait=25", target.ride);
    for _ in 0..AT_ONCE {
        let (target, path) = (target.clone(), path.clone());
        tasks.spawn(async move {
            loop {
                target.get(&path).await;
            }
        });
    }
}

fn fragments(target: &Target, tasks: &mut JoinSet<()>) {
    let mut query = "{...f0}".to_owned();
    for level in 0..20 {
        let spreads = format!("...f{} ", level + 1).repeat(30);
        if write!(query, " fragment f{level} on Query{{{spreads}}}").is_err() {
            return;
        }
    }
    query.push_str(" fragment f20 on Query{__typename}");
    let document = serde_json::json!({ "query": query }).to_string();
    repeat(target, tasks, 4, move |target| {
        let document = document.clone();
        async move { target.document(document).await }
    });
}

fn guesses(target: &Target, tasks: &mut JoinSet<()>) {
    let mut query = "mutation{".to_owned();
    for guess in 0..133 {
        if write!(
            query,
            "a{guess}:logIn(input:{{email:\"a@b.example\",password:\"wrong{guess}\"}}){{accountId}} "
        )
        .is_err()
        {
            return;
        }
    }
    query.push('}');
    let document = serde_json::json!({ "query": query }).to_string();
    repeat(target, tasks, 4, move |target| {
        let document = document.clone();
        async move { target.document(document).await }
    });
    repeat(target, tasks, 8, |target| async move {
        let guess = serde_json::json!({ "email": "a@b.example", "password": "a wrong password" });
        finish(target.http.post(format!("{}/v1/sessions", target.url)).json(&guess).send().await).await;
    });
}

/// So many tasks that do the same again and again.
fn repeat<F, W>(target: &Target, tasks: &mut JoinSet<()>, count: usize, work: F)
where
    F: Fn(Target) -> W + Send + Sync + 'static,
    W: Future<Output = ()> + Send,
{
    let work = Arc::new(work);
    for _ in 0..count {
        let (target, work) = (target.clone(), work.clone());
        tasks.spawn(async move {
            loop {
                work(target.clone()).await;
            }
        });
    }
}

async fn frames(target: &Target, tasks: &mut JoinSet<()>) -> anyhow::Result<()> {
    for _ in 0..2 {
        let mut socket = Socket::open(&target.url, target.ride, "track", &target.walker).await?;
        tasks.spawn(async move {
            let nonsense = Bytes::from(vec![b'['; 250 << 10]);
            while socket.send(nonsense.clone()).await.is_ok() {
                if socket.next().await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(())
}

async fn silent_connections(target: &Target, tasks: &mut JoinSet<()>) {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let mut open = Vec::new();
    for _ in 0..SILENT {
        let Ok(mut stream) = target.connect().await else { break };
        if stream.write_all(preface).await.is_ok() {
            open.push(stream);
        }
    }
    tasks.spawn(async move {
        std::future::pending::<()>().await;
        drop(open);
    });
}

async fn exports(target: &Target, tasks: &mut JoinSet<()>) -> anyhow::Result<()> {
    let mut socket = Socket::open(&target.url, target.ride, "track", &target.walker).await?;
    let start_ms = now().get() - 600_000;
    for first in (1..EXPORTED).step_by(500) {
        socket.send(frame(first, 500, start_ms)?).await?;
        socket.next().await.context("the points of the walk were not stored")?;
    }
    let path = format!("/v1/rides/{}/route.gpx", target.ride);
    repeat(target, tasks, 30, move |target| {
        let path = path.clone();
        async move { target.get(&path).await }
    });
    let aliases: String =
        (0..190).map(|n| format!("a{n}:route(rideId:\"{}\"){{walkedM}} ", target.ride)).collect();
    let document = serde_json::json!({ "query": format!("{{{aliases}}}") }).to_string();
    repeat(target, tasks, 1, move |target| {
        let document = document.clone();
        async move {
            let url = format!("{}/graphql", target.url);
            let request =
                target.http.post(url).bearer_auth(&target.tutor).header(CONTENT_TYPE, "application/json");
            finish(request.body(document).send().await).await;
        }
    });
    Ok(())
}
