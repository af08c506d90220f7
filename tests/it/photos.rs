//! Photos of a walk: stored without what they tell, told by their content, gone with the route.

use petwalker_tests::{Answer, TestNode, config};
use reqwest::Method;
use serde_json::json;

use crate::live::Walk;
use crate::rides::act;
use crate::stores::foreign_store;

const JPEG: &[u8] = include_bytes!("../data/photos/photo.jpg");
const WEBP: &[u8] = include_bytes!("../data/photos/photo.webp");

fn holds(bytes: &[u8], words: &str) -> bool {
    bytes.windows(words.len()).any(|part| part == words.as_bytes())
}

async fn put(who: &petwalker_tests::Client, path: &str, kind: &str, bytes: &[u8]) -> Answer {
    who.raw(Method::PUT, path, &[("content-type", kind)], bytes.to_vec()).await
}

/// Goes through a photo's life; `kept` counts what the store holds.
async fn a_photos_life(node: &TestNode, kept: impl Fn() -> usize) {
    let (lat, lon) = (-23.36, -46.36);
    let walk = Walk::begin_on(&node.client(), lat, lon).await;
    let mark = |id: u32| walk.path(&format!("/marks/0197b9a1-7c00-7000-8000-{id:012}"));
    let photo = |id: u32| format!("{}/photo", mark(id));
    for (id, kind, north) in [(1, "photo", 0.01), (2, "photo", 0.0), (3, "pee", 0.01)] {
        let body =
            json!({ "kind": kind, "at": 1_780_000_000_000_i64, "place": { "lat": lat + north, "lon": lon } });
        walk.walker.put(&mark(id), &body).await.ok();
    }
    walk.tutor.get(&photo(1)).await.refused(404, "not-found");
    // The content decides, not what it is called.
    for (id, bytes) in [(1, JPEG), (1, JPEG), (2, WEBP)] {
        assert_eq!(put(&walk.walker, &photo(id), "application/octet-stream", bytes).await.status, 204);
    }
    assert_eq!(kept(), 2);
    put(&walk.walker, &photo(3), "image/jpeg", JPEG).await.refused(404, "not-found");
    put(&walk.walker, &photo(9), "image/jpeg", JPEG).await.refused(404, "not-found");
    put(&walk.tutor, &photo(1), "image/jpeg", JPEG).await.refused(403, "forbidden");
    put(&walk.walker, &photo(1), "image/jpeg", b"<svg/>").await.refused(415, "unsupported-media-type");
    put(&walk.walker, &photo(1), "image/jpeg", &JPEG[..300]).await.refused(422, "invalid");
    // A camera's remarks may be longer than any other request may be.
    let remarks = [&[0xff, 0xfe, 0xff, 0xff][..], &[b'x'; 0xfffd]].concat().repeat(40);
    let long = [&JPEG[..2], &remarks, &JPEG[2..]].concat();
    assert!(long.len() > 2 << 20);
    assert_eq!(put(&walk.walker, &photo(1), "image/jpeg", &long).await.status, 204);
    for (id, kind, sent) in [(1, "image/jpeg", JPEG), (2, "image/webp", WEBP)] {
        let seen = walk.tutor.bytes(&photo(id)).await;
        assert_eq!((seen.status, seen.headers["content-type"].to_str().expect("text")), (200, kind));
        assert_eq!(seen.headers["x-content-type-options"], "nosniff");
        assert!(holds(sent, "of Ana") && !holds(&seen.bytes, "of Ana"), "where it was taken was told");
        assert!(seen.bytes.len() > sent.len() / 4);
    }
    walk.tutor.join("tutor").await.get(&photo(1)).await.refused(404, "not-found");
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    put(&walk.walker, &photo(1), "image/jpeg", JPEG).await.refused(409, "not-active");
    walk.walker.get(&photo(2)).await.refused(404, "not-found");
    assert_eq!(walk.walker.bytes(&photo(1)).await.status, 200, "away from the home the walker sees it still");
    assert_eq!(walk.tutor.delete(&walk.path("/route")).await.status, 204);
    walk.tutor.get(&photo(1)).await.refused(404, "not-found");
    assert_eq!(kept(), 0, "the photos went with the route");
}

fn files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_are_kept_in_a_folder_where_nothing_else_is_set() {
    let node = TestNode::start(config).await;
    let folder = node.folder.path().join("objects");
    a_photos_life(&node, || files(&folder)).await;
    node.stop().await;
}

/// A node whose photos go to a foreign store.
async fn with_store(address: std::net::SocketAddr, secret_key: &str) -> TestNode {
    TestNode::start(|data| {
        let mut config = config(data);
        let variables = [
            ("media_endpoint", format!("http://{address}")),
            ("media_bucket", "bucket".to_owned()),
            ("media_region", "sa-east-1".to_owned()),
            ("media_access_key", "walker".to_owned()),
            ("media_secret_key", secret_key.to_owned()),
        ];
        config.variables.extend(variables.map(|(name, value)| (name.to_owned(), value)));
        config
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_are_kept_in_an_s3_compatible_store_where_one_is_set() {
    let root = tempfile::tempdir().expect("a folder");
    let address = foreign_store(root.path()).await;
    let node = with_store(address, "correct horse").await;
    a_photos_life(&node, || files(&root.path().join("bucket"))).await;
    assert_eq!(files(&node.folder.path().join("objects")), 0);
    node.stop().await;
    let node = with_store(address, "wrong horse").await;
    let walk = Walk::begin_on(&node.client(), -23.38, -46.38).await;
    let path = walk.path("/marks/0197b9a1-7c00-7000-8000-000000000001");
    let body =
        json!({ "kind": "photo", "at": 1_780_000_000_000_i64, "place": { "lat": -23.38, "lon": -46.38 } });
    walk.walker.put(&path, &body).await.ok();
    put(&walk.walker, &format!("{path}/photo"), "image/jpeg", JPEG).await.refused(503, "unavailable");
    assert_eq!(files(&root.path().join("bucket")), 0, "a wrong signature stores nothing");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_refuses_photos_and_nothing_else() {
    let node = TestNode::start(|data| {
        let mut config = config(data);
        config.variables.insert("media_endpoint".to_owned(), "http://127.0.0.1:9".to_owned());
        config
    })
    .await;
    let walk = Walk::begin_on(&node.client(), -23.37, -46.37).await;
    let path = walk.path("/marks/0197b9a1-7c00-7000-8000-000000000001");
    let body =
        json!({ "kind": "photo", "at": 1_780_000_000_000_i64, "place": { "lat": -23.37, "lon": -46.37 } });
    walk.walker.put(&path, &body).await.ok();
    let refused = put(&walk.walker, &format!("{path}/photo"), "image/jpeg", JPEG).await;
    refused.refused(503, "unavailable");
    assert!(!refused.text.contains("127.0.0.1"), "{}", refused.text);
    assert_eq!(walk.tutor.get(&walk.path("/marks")).await.ok()["marks"][0]["kind"], "photo");
    node.stop().await;
}

/// A PNG that says how large it is, and no more.
fn png(width: u32, height: u32) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], contents: &[u8]| {
        let mut bytes = u32::try_from(contents.len()).expect("short").to_be_bytes().to_vec();
        bytes.extend_from_slice(kind);
        bytes.extend_from_slice(contents);
        bytes.extend_from_slice(&crc(&bytes[4..]).to_be_bytes());
        bytes
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n", &chunk(b"IHDR", &header)[..], &chunk(b"IDAT", b"x"), &chunk(b"IEND", b"")].concat()
}

/// The checksum of a PNG's chunk (W3C PNG, annex D).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte),
            |sum, _| if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 },
        )
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_photo_is_left_behind_and_none_is_a_bomb() {
    let node = TestNode::start(config).await;
    let folder = node.folder.path().join("objects");
    let (lat, lon) = (-23.39, -46.39);
    let walk = Walk::begin_on(&node.client(), lat, lon).await;
    let mark = |id: u32| walk.path(&format!("/marks/0197b9a1-7c00-7000-8000-{id:012}"));
    let body = |kind: &str| json!({ "kind": kind, "at": 1_780_000_000_000_i64, "place": { "lat": lat, "lon": lon } });
    for id in [1, 2] {
        walk.walker.put(&mark(id), &body("photo")).await.ok();
        assert_eq!(put(&walk.walker, &format!("{}/photo", mark(id)), "image/jpeg", JPEG).await.status, 204);
    }
    // A photo does not become something else, by whichever door.
    walk.walker.put(&mark(1), &body("pee")).await.refused(422, "invalid");
    let query = json!({ "query": format!(
        "mutation {{ putMark(rideId: {}, id: \"0197b9a1-7c00-7000-8000-000000000001\", input: \
         {{ kind: PEE, at: 1780000000000, place: {{ lat: {lat}, lon: {lon} }} }}) {{ id }} }}", walk.ride["id"]
    ) });
    let refused = walk.walker.post("/graphql", &query).await;
    assert_eq!(refused.json["errors"][0]["extensions"]["code"], "invalid", "{}", refused.text);
    assert_eq!(walk.walker.delete(&mark(2)).await.status, 204);
    assert_eq!(files(&folder), 1, "a photo goes with its mark");
    // What says that it is larger than anybody can show is not taken.
    for (width, height) in [(60_000, 60_000), (20_000, 1), (7_072, 7_072)] {
        let photo = format!("{}/photo", mark(1));
        put(&walk.walker, &photo, "image/png", &png(width, height)).await.refused(422, "invalid");
    }
    assert_eq!(
        put(&walk.walker, &format!("{}/photo", mark(1)), "image/png", &png(7_000, 7_000)).await.status,
        204
    );
    // A photo that nothing leads to, as was possible before, goes with the route as well; another ride's stays.
    let ride = walk.ride["id"].as_str().expect("an id");
    let stored = folder.join("walks/photos").join(ride);
    let other = folder.join("walks/photos/0197b9a1-7c00-7000-8000-000000000009");
    std::fs::create_dir_all(&other).expect("made");
    for path in [stored.join("0197b9a1-7c00-7000-8000-000000000077"), other.join("a")] {
        std::fs::write(path, JPEG).expect("written");
    }
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    assert_eq!(walk.tutor.delete(&walk.path("/route")).await.status, 204);
    assert_eq!((files(&stored), files(&other)), (0, 1));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_has_so_many_photos() {
    let node = TestNode::start(config).await;
    let walk = Walk::begin_on(&node.client(), -23.40, -46.40).await;
    let body =
        json!({ "kind": "photo", "at": 1_780_000_000_000_i64, "place": { "lat": -23.40, "lon": -46.40 } });
    let mark = |id: u32| walk.path(&format!("/marks/0197b9a1-7c00-7000-8000-{id:012}"));
    for id in 0..50 {
        walk.walker.put(&mark(id), &body).await.ok();
    }
    walk.walker.put(&mark(50), &body).await.refused(409, "limit-reached");
    node.stop().await;
}
