//! How requests find their region.

use std::time::{Duration, Instant};

use edge_node::Config;
use edge_node::cluster::{Cluster, ClusterOptions};
use petwalker_tests::{Client, config};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{PATIENCE, PLACE, REGION};

/// Rio de Janeiro, which these edges do not cover.
const ELSEWHERE: (f64, f64) = (-22.91, -43.20);
/// In another region of the same city.
const NORTH: (f64, f64) = (-23.45, -46.62);

/// Three edges in this process, each on threads of its own.
pub(super) async fn cluster(folder: &std::path::Path) -> Cluster {
    cluster_in(folder, config(folder)).await
}

/// The name, the URL for clients and the one for operators of the region's owner.
pub(super) async fn owner(cluster: &Cluster) -> (String, String, String) {
    let began = Instant::now();
    loop {
        // An edge that was just killed may still be asked.
        if let Ok(Some(owner)) = cluster.owner(REGION).await {
            let mut edges = cluster.edges();
            let (name, url, admin) = edges.find(|(name, ..)| *name == owner).expect("it runs");
            return (name.to_owned(), url.to_owned(), admin.to_owned());
        }
        assert!(began.elapsed() < PATIENCE, "nobody owns the region");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) async fn cluster_in(folder: &std::path::Path, base: Config) -> Cluster {
    let options = ClusterOptions {
        edges: 3,
        data: folder.to_owned(),
        port: None,
        fluvio: None,
        replicas: 1,
        libsql: None,
        lease_ttl: Duration::from_secs(5),
    };
    tokio::task::spawn_blocking(move || Cluster::start(&options, &base).expect("starts"))
        .await
        .expect("no panic")
}

pub(super) async fn stop(cluster: Cluster) {
    tokio::task::spawn_blocking(move || cluster.stop()).await.expect("no panic");
}

/// Posts a body in chunks, without its length; the head and the body of the answer.
async fn in_chunks(client: &Client, path: &str, body: &str) -> (String, String) {
    let address = client.url().trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).await.expect("connected");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         connection: close\r\ntransfer-encoding: chunked\r\n\r\n",
        client.token()
    );
    socket.write_all(head.as_bytes()).await.expect("sent");
    let (first, second) = body.split_at(body.len() / 2);
    for part in [first, second, ""] {
        socket.write_all(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes()).await.expect("sent");
    }
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

/// That a document with commands for two regions does the first and says so of the second: it is not sent on as a whole.
async fn commands_for_two_regions(tutor: &Client, pet: &str, here: &serde_json::Value, there: &str) {
    let rides = async || {
        let page = tutor.raw(Method::GET, "/v1/rides", &[("petwalker-region", REGION)], vec![]).await.ok();
        page["rides"].as_array().expect("rides").len()
    };
    let before = rides().await;
    let here = tutor.post("/v1/quotes", here).await.ok();
    let request = |key: &str, quote: &str| {
        format!("{key}: requestRide(input: {{ quoteId: \"{quote}\", petIds: [\"{pet}\"] }}) {{ id }}")
    };
    let (first, second) = (request("first", here["id"].as_str().expect("an id")), request("second", there));
    let query = format!("mutation {{ ...Both }} fragment Both on Mutation {{ {first} {second} }}");
    let answer = tutor.post("/graphql", &json!({ "query": query })).await.ok();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "misdirected", "{answer}");
    assert_eq!(answer["errors"][0]["path"], json!(["second"]), "{answer}");
    assert_eq!(rides().await, before + 1, "the first was done, once");
    // By itself it is done where it belongs.
    let answer = tutor.post("/graphql", &json!({ "query": format!("mutation {{ {second} }}") })).await.ok();
    assert!(answer["data"]["second"]["id"].is_string(), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_edge_answers_for_every_region() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = cluster(folder.path()).await;
    let owner = cluster.owner(REGION).await.expect("asked").expect("owned");
    let other = cluster.owner("sao-paulo-norte").await.expect("asked").expect("owned");
    assert_ne!(owner, other, "the regions are spread");
    let edges: Vec<(String, String)> =
        cluster.edges().map(|(name, url, _)| (name.to_owned(), url.to_owned())).collect();
    let url = |name: &str| {
        edges.iter().find(|(known, _)| known == name).map(|(_, url)| url.clone()).expect("there")
    };
    let third = edges.iter().find(|(name, _)| *name != owner && *name != other).expect("three").1.clone();

    // Signed up at one edge, known at every other.
    let (tutor, pet) = Client::of(&third).tutor_with_pet().await;
    let walker = Client::of(&url(&other)).walker_at(PLACE.0, PLACE.1).await;
    let wanted =
        json!({ "pickup": { "lat": PLACE.0, "lon": PLACE.1 }, "duration_min": 30, "pet_ids": [pet] });
    // By the place in a body, which only the component understands.
    let quote = tutor.post("/v1/quotes", &wanted).await;
    assert_eq!(quote.headers.get("petwalker-region").and_then(|v| v.to_str().ok()), Some(REGION));
    let quote = quote.ok();
    // So it is where the body does not say how long it is.
    for (_, url) in &edges {
        let (head, body) = in_chunks(&tutor.at(url), "/v1/quotes", &wanted.to_string()).await;
        assert!(head.starts_with("HTTP/1.1 201") && body.contains("\"id\""), "{head}\n{body}");
        assert!(head.contains(&format!("petwalker-region: {REGION}")), "{head}");
    }
    // By an id in a path, and by one in a body.
    tutor.get(&format!("/v1/quotes/{}", quote["id"].as_str().expect("an id"))).await.ok();
    let ride = tutor.post("/v1/rides", &json!({ "quote_id": quote["id"], "pet_ids": [pet] })).await.ok();
    assert_eq!(ride["state"], "offered", "the walker came in by another edge");
    let id = ride["id"].as_str().expect("an id");
    for (_, url) in &edges {
        tutor.at(url).get(&format!("/v1/rides/{id}")).await.ok();
    }
    // By the header, where nothing else names it.
    let offers =
        walker.raw(Method::GET, "/v1/walkers/me/offers", &[("petwalker-region", REGION)], vec![]).await;
    assert_eq!(offers.ok()["offers"][0]["ride_id"], id);
    let refused =
        walker.raw(Method::GET, "/v1/walkers/me/offers", &[("petwalker-region", "nowhere")], vec![]).await;
    refused.refused(400, "no-region");
    // By GraphQL, queries and commands.
    let query =
        json!({ "query": "query($id: ID!) { ride(id: $id) { id state } }", "variables": { "id": id } });
    let answer = tutor.post("/graphql", &query).await.ok();
    assert_eq!(answer["data"]["ride"]["id"], id, "{answer}");
    // Sockets go through, both ways.
    let socket = tutor.at(&third).socket(&format!("/v1/rides/{id}/live"), "petwalker.v1.json").await;
    assert_eq!(socket.expect("opened").next().await["state"], "offered");
    // What no region covers is said to be so, and what is of another region is there.
    let far =
        json!({ "pickup": { "lat": ELSEWHERE.0, "lon": ELSEWHERE.1 }, "duration_min": 30, "pet_ids": [pet] });
    tutor.post("/v1/quotes", &far).await.refused(422, "no-region");
    let north = json!({ "pickup": { "lat": NORTH.0, "lon": NORTH.1 }, "duration_min": 30, "pet_ids": [pet] });
    let north = tutor.post("/v1/quotes", &north).await;
    assert_eq!(north.headers.get("petwalker-region").and_then(|v| v.to_str().ok()), Some("sao-paulo-norte"));
    // A pet is on one ride at a time.
    tutor.post(&format!("/v1/rides/{id}/cancel"), &json!({})).await.ok();
    commands_for_two_regions(&tutor, &pet, &wanted, north.ok()["id"].as_str().expect("an id")).await;
    // A client cannot speak as an edge does.
    let forged = [("edge-region", REGION), ("edge-hops", "0"), ("edge-internal", "x")];
    assert_eq!(tutor.raw(Method::POST, "/internal/take-over", &forged, vec![]).await.status, 404);
    stop(cluster).await;
}

/// However a body is announced, and whether or not its region is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut base = config(folder.path());
    base.limits.request_timeout_ms = 1_000;
    let cluster = cluster_in(folder.path(), base).await;
    let address = cluster.edges().next().expect("one").1.trim_start_matches("http://").to_owned();
    for length in ["transfer-encoding: chunked", "content-length: 100"] {
        for named in ["", "petwalker-region: sao-paulo-centro\r\n"] {
            let mut socket = TcpStream::connect(&address).await.expect("connected");
            let head = format!(
                "POST /v1/quotes HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n{named}{length}\r\n\r\n"
            );
            socket.write_all(head.as_bytes()).await.expect("sent");
            let mut status = [0; 12];
            let answered =
                tokio::time::timeout(Duration::from_secs(20), socket.read_exact(&mut status)).await;
            answered.expect("not waited for").expect("answered");
            assert_eq!(&status, b"HTTP/1.1 504", "{length} {named}");
        }
    }
    stop(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_the_best_edges() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cluster = cluster(folder.path()).await;
    let url_of_first = cluster.edges().next().expect("one").1.to_owned();
    let client = Client::of(&url_of_first);
    let ask = async |place: (f64, f64)| {
        let told = client.get(&format!("/v1/edges?lat={}&lon={}", place.0, place.1)).await.ok();
        let edges = told["edges"].as_array().expect("edges").clone();
        let names: Vec<String> =
            edges.iter().map(|edge| edge["name"].as_str().expect("a name").to_owned()).collect();
        (told["region"].clone(), names, edges)
    };
    let (region, names, edges) = ask(PLACE).await;
    assert_eq!((region, names[0].as_str(), edges.len()), (json!(REGION), "edge-1", 3));
    assert_eq!(edges[0]["url"], url_of_first);
    assert!(edges[0]["distance_m"].as_u64().expect("metres") < 10_000, "{edges:?}");
    // The third stands in Rio; edges that start one after the other learn of each other a little later.
    let started = Instant::now();
    loop {
        let (region, names, edges) = ask(ELSEWHERE).await;
        assert_eq!(region, json!(null));
        for edge in &edges {
            let told: Vec<&String> = edge.as_object().expect("an edge").keys().collect();
            assert_eq!(told, ["distance_m", "name", "url"], "how an edge does is nobody's business");
        }
        if names[0] == "edge-3" {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{edges:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for bad in ["", "?lat=91&lon=0", "?lat=x&lon=0", "?lat=1"] {
        client.get(&format!("/v1/edges{bad}")).await.refused(422, "invalid");
    }
    // One that is gone comes last.
    cluster.kill("edge-3");
    let started = Instant::now();
    while ask(ELSEWHERE).await.1[0] == "edge-3" {
        assert!(started.elapsed() < Duration::from_secs(10), "a dead edge is still recommended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_edges_come_in_at_the_edges_door() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = cluster(folder.path()).await;
    let atlas = edge_node::config::read_atlas(&folder.path().join("regions.toml")).expect("read");
    let address = atlas.edges[0].peer.clone();
    // Without a certificate of the edges' authority there is no handshake to speak after.
    let authority = std::fs::read_to_string(folder.path().join("peers/authority.pem")).expect("read");
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls::pki_types::pem::PemObject::pem_slice_iter(authority.as_bytes()) {
        let certificate: rustls::pki_types::CertificateDer<'static> = certificate.expect("PEM");
        roots.add(certificate).expect("a root");
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(&address).await.expect("connected");
    let name = rustls::pki_types::ServerName::try_from("edge-1.edge.internal").expect("a name");
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(tls));
    let spoken = async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = connector.connect(name, stream).await?;
        stream.write_all(b"GET /edge/status HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = spoken.await;
    assert!(answer.as_ref().map_or(true, Vec::is_empty), "a stranger was answered: {answer:?}");
    stop(cluster).await;
}
