//! What is kept of people, and for how long: digests and outcomes of commands, and every file of a node.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_node::Config;
use edge_node::backup::{Credentials, Place, make};
use petwalker_tests::{Client, TestNode, config, shared};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::live::Walk;
use crate::rides::{act, until};

/// A home, and how to find it.
pub const HOME: (f64, f64) = (-23.550_513, -46.633_391);
pub const NOTES: &str = "the blue gate at Rua das Acácias 412";
pub const PASSWORD: &str = "correct horse";

/// Every file under a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The names of the files under a folder that hold some bytes.
pub fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let holds =
        |path: &PathBuf| std::fs::read(path).expect("read").windows(bytes.len()).any(|part| part == bytes);
    let name = |path: PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    let mut found: Vec<String> = files(folder).into_iter().filter(holds).map(name).collect();
    found.sort();
    found.dedup();
    found
}

/// The digest that commands used to be kept with, which tells what it is of to whoever guesses.
fn plain_digest(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for part in [method.as_bytes(), path.as_bytes(), body] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_vec()
}

/// That bytes, and what people write them as, are in no file.
pub fn nowhere(folder: &Path, what: &str, bytes: &[u8]) {
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    for (form, bytes) in [("bytes", bytes), ("hexadecimal", hex.as_bytes())] {
        let found = holding(folder, bytes);
        assert!(found.is_empty(), "{what} is in {found:?} as {form}");
    }
}

/// A digest of a guess, with and without what stands around it, is in no file.
pub fn no_guess_matches(folder: &Path, what: &str, path: &str, body: &Value) {
    let body = body.to_string();
    nowhere(folder, what, &plain_digest("POST", path, body.as_bytes()));
    nowhere(folder, what, &Sha256::digest(body.as_bytes()));
}

async fn sql(file: &Path, statement: &str) -> Vec<Vec<libsql::Value>> {
    let path = file.to_str().expect("UTF-8");
    let connection =
        libsql::Builder::new_local(path).build().await.expect("built").connect().expect("connected");
    connection.busy_timeout(Duration::from_secs(5)).expect("set");
    let mut rows = connection.query(statement, ()).await.expect("asked");
    let mut all = Vec::new();
    while let Some(row) = rows.next().await.expect("read") {
        all.push((0..row.column_count()).map(|column| row.get_value(column).expect("a value")).collect());
    }
    all
}

pub async fn count(file: &Path, table: &str) -> i64 {
    match sql(file, &format!("SELECT count(*) FROM {table}")).await[0][0] {
        libsql::Value::Integer(n) => n,
        _ => panic!("a count"),
    }
}

/// Waits until a table is empty.
pub async fn none_left(file: &Path, table: &str) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while count(file, table).await > 0 {
        assert!(tokio::time::Instant::now() < deadline, "{table} is not empty");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A node whose tokens outlive its data folder.
pub fn node(data: &Path) -> Config {
    let mut config = config(data);
    config.variables.insert("token_seed".to_owned(), "cd".repeat(32));
    config
}

/// Somebody who signed up with a key, and what they sent.
async fn sign_up(client: &Client, email: &str, role: &str) -> (Client, Value) {
    let body = json!({ "email": email, "password": PASSWORD, "display_name": "Ana", "role": role });
    client.post_with("/v1/accounts", &body, &[("idempotency-key", "sign-up-1")]).await.ok();
    let tokens = client.post("/v1/sessions", &json!({ "email": email, "password": PASSWORD })).await.ok();
    (client.with_token(tokens["access_token"].as_str().expect("a token")), body)
}

/// A walk from sign-up to its start, every command with a key.
pub async fn walk_with_keys(client: &Client, email: &str, home: (f64, f64)) -> (Walk, Value) {
    let (tutor, signed_up) = sign_up(client, email, "tutor").await;
    // The walker's own place is another, near enough to arrive from.
    let walker = client.walker_at(home.0 + 0.000_5, home.1 + 0.000_5).await;
    let rex = json!({ "name": "Rex", "species": "dog", "weight_g": 14_500, "birth_date": "2021-03-14",
                      "conditions": [], "temperament": "" });
    let pet = tutor.post("/v1/pets", &rex).await.ok();
    let wanted =
        json!({ "pickup": { "lat": home.0, "lon": home.1 }, "duration_min": 30, "pet_ids": [pet["id"]] });
    let quote = tutor.post_with("/v1/quotes", &wanted, &[("idempotency-key", "quote-1")]).await.ok();
    let body = json!({ "quote_id": quote["id"], "pet_ids": [pet["id"]], "notes": NOTES });
    let ride = tutor.post_with("/v1/rides", &body, &[("idempotency-key", "ride-1")]).await.ok();
    let walk = Walk { tutor, walker, ride };
    for (step, body) in
        [("accept", json!({})), ("arrive", json!({})), ("start", json!({ "pin": walk.ride["pin"] }))]
    {
        let key = format!("{step}-1");
        walk.walker
            .post_with(&walk.path(&format!("/{step}")), &body, &[("idempotency-key", &key)])
            .await
            .ok();
    }
    (walk, signed_up)
}

pub async fn complete(walk: &Walk) {
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    until(&walk.tutor, &walk.path("/invoice"), |invoice| invoice["payment"] == "captured").await;
}

/// What no file may hold at any time.
pub fn tells_no_secret(folder: &Path, walk: &Walk, signed_up: &Value) {
    nowhere(folder, "the password", PASSWORD.as_bytes());
    no_guess_matches(folder, "the sign-up", "/v1/accounts", signed_up);
    let pin = walk.ride["pin"].as_str().expect("a PIN");
    no_guess_matches(folder, "the PIN", &walk.path("/start"), &json!({ "pin": pin }));
}

/// Moves everything in a region's file so many days into the past, as if it had been left alone for so long.
async fn age(data: &Path, days: i64) {
    let ms = days * 86_400_000;
    for statement in [
        format!("UPDATE commands SET at_ms = at_ms - {ms}"),
        format!("UPDATE quotes SET expires_at_ms = expires_at_ms - {ms}"),
        format!("UPDATE offers SET expires_at_ms = expires_at_ms - {ms}"),
        format!("UPDATE rides SET ended_at_ms = ended_at_ms - {ms}"),
        format!("UPDATE tickets SET expires_at_ms = expires_at_ms - {ms}"),
        format!("UPDATE daily_counts SET day = day - {days}"),
    ] {
        sql(&data.join("region.db"), &statement).await;
    }
    for statement in [
        format!("UPDATE commands SET at_ms = at_ms - {ms}"),
        format!("UPDATE notifications SET at_ms = at_ms - {ms}"),
        format!("UPDATE sessions SET expires_at_ms = expires_at_ms - {ms}"),
        format!("UPDATE daily_counts SET day = day - {days}"),
    ] {
        sql(&data.join("global.db"), &statement).await;
    }
}

/// The latitude as SQLite, MessagePack and this machine write it, and as people do.
pub fn spellings(latitude: f64) -> [Vec<u8>; 3] {
    [latitude.to_be_bytes().to_vec(), latitude.to_le_bytes().to_vec(), latitude.to_string().into_bytes()]
}

/// That nothing tells where somebody lives who was erased, nor how to reach them.
pub fn tells_nothing_of(folder: &Path, email: Option<&str>, home: (f64, f64)) {
    nowhere(folder, "the notes", NOTES.as_bytes());
    for latitude in spellings(home.0) {
        nowhere(folder, "the place", &latitude);
    }
    if let Some(email) = email {
        nowhere(folder, "the address", email.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_tells_a_secret_and_what_was_erased_is_in_none() {
    let (kept, root) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let data = root.path().join("data");
    let first = TestNode::start(|_| node(&data)).await;
    let email = "ana.secret@test.example";
    let (walk, signed_up) = walk_with_keys(&first.client(), email, HOME).await;
    complete(&walk).await;
    tells_no_secret(&data, &walk, &signed_up);
    // An address is where accounts are; it stands for nobody in commands.
    let of_databases = |found: Vec<String>| {
        found
            .into_iter()
            .map(|name| name.split(".db").next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let mut where_email = of_databases(holding(&data, email.as_bytes()));
    where_email.dedup();
    assert_eq!(where_email, ["global"]);
    for row in sql(&data.join("global.db"), "SELECT actor, outcome FROM commands").await {
        let text = format!("{row:?}");
        assert!(!text.contains("@test.example"), "{text}");
    }
    // What is kept of outcomes has neither place, nor notes, nor PIN; a quote's body has no place.
    let region = data.join("region.db");
    for statement in ["SELECT outcome FROM commands", "SELECT body FROM quotes", "SELECT record FROM events"]
    {
        for row in sql(&region, statement).await {
            let libsql::Value::Blob(bytes) = &row[0] else { panic!("bytes") };
            let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
            assert!(!spellings(HOME.0).iter().any(|latitude| holds(latitude)), "{statement} tells the place");
            assert!(!holds(NOTES.as_bytes()), "{statement} tells the notes");
        }
    }
    // A backup holds what the databases do.
    let place = Place::parse(kept.path().to_str().expect("UTF-8"), &Credentials::default()).expect("a place");
    make(&node(&data), &place, None, |_, _| {}).await.expect("made");
    tells_no_secret(kept.path(), &walk, &signed_up);

    // Once the tutor has erased the route, and details are kept no longer, nothing tells where they live.
    assert_eq!(walk.tutor.delete(&walk.path("/route")).await.status, 204);
    first.stop().await;
    age(&data, 100).await;
    let second = TestNode::start(|_| node(&data)).await;
    for table in ["ride_details", "quotes"] {
        none_left(&region, table).await;
    }
    second.stop().await;
    tells_no_secret(&data, &walk, &signed_up);
    tells_nothing_of(&data, None, HOME);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_was_erased_is_in_no_file() {
    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("data");
    let first = TestNode::start(|_| node(&data)).await;
    let email = "gone.person@test.example";
    let (walk, signed_up) = walk_with_keys(&first.client(), email, HOME).await;
    complete(&walk).await;
    let body = |password: &str| json!({ "password": password });
    walk.tutor.post("/v1/me/erasure", &body("wrong horse!")).await.refused(401, "bad-credentials");
    assert_eq!(walk.tutor.post("/v1/me/erasure", &body(PASSWORD)).await.status, 204);
    // At once: nobody acts as them, and their address is nobody's.
    let log_in = json!({ "email": email, "password": PASSWORD });
    first.client().post("/v1/sessions", &log_in).await.refused(401, "bad-credentials");
    walk.tutor.put("/v1/me/payment-method", &json!({ "token": "test_ok" })).await.refused(401, "bad-token");
    let (region, global) = (data.join("region.db"), data.join("global.db"));
    // What regions keep goes with their timer.
    let forgotten = [
        (&region, "ride_details"),
        (&region, "tracks"),
        (&region, "track_chunks"),
        (&global, "payment_methods"),
        (&global, "carts"),
        (&global, "pets"),
        (&global, "erasures JOIN account_keys USING (account_id) WHERE seal_key IS NOT NULL"),
    ];
    for (file, table) in forgotten {
        none_left(file, table).await;
    }
    // The books are kept.
    assert_eq!(count(&global, "invoices").await, 1);
    first.stop().await;
    tells_no_secret(&data, &walk, &signed_up);
    tells_nothing_of(&data, Some(email), HOME);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_long_enough_is_removed_and_counted() {
    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("data");
    let first = TestNode::start(|_| node(&data)).await;
    let (walk, _) = walk_with_keys(&first.client(), "purge@test.example", HOME).await;
    walk.tutor.post(&walk.path("/tickets"), &json!({ "socket": "live" })).await.ok();
    complete(&walk).await;
    // A quote of a ride goes with the ride's details; one that was not booked, by itself.
    let pets = walk.tutor.get("/v1/pets").await.ok();
    let unused = json!({
        "pickup": { "lat": HOME.0, "lon": HOME.1 }, "duration_min": 30, "pet_ids": [pets["pets"][0]["id"]],
    });
    walk.tutor.post("/v1/quotes", &unused).await.ok();
    until(&walk.tutor, "/v1/notifications", |inbox| {
        inbox["notifications"].as_array().is_some_and(|all| all.len() >= 3)
    })
    .await;
    first.stop().await;
    let (region, global) = (data.join("region.db"), data.join("global.db"));
    let tables = [
        (&region, "commands"),
        (&region, "quotes"),
        (&region, "offers"),
        (&region, "ride_details"),
        (&region, "tickets"),
        (&region, "daily_counts"),
        (&global, "commands"),
        (&global, "daily_counts"),
        (&global, "notifications"),
        (&global, "sessions"),
        (&global, "refresh_tokens"),
    ];
    for (file, table) in tables {
        assert!(count(file, table).await > 0, "{table} is empty before");
    }
    age(&data, 100).await;
    let second = TestNode::start(|_| node(&data)).await;
    for (file, table) in tables {
        none_left(file, table).await;
    }
    // The ride and its invoice are there, and the node tells how much it removed.
    assert_eq!(count(&region, "rides").await, 1);
    assert_eq!(count(&global, "invoices").await, 1);
    for what in ["commands", "ride_details", "quotes", "offers", "tickets", "sessions", "notifications"] {
        let figure = format!("application_tick_total{{what=\"purged_{what}\"}}");
        until_told(&second, &figure).await;
    }
    second.stop().await;
}

async fn until_told(node: &TestNode, figure: &str) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let metrics = node.metrics().await;
        if metrics.contains(figure) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{figure} is not in\n{metrics}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_without_a_key_leaves_no_row() {
    let first = TestNode::start(config).await;
    let walk = Walk::begin_on(&first.client(), HOME.0, HOME.1).await;
    complete(&walk).await;
    let data = first.folder.path();
    for file in ["region.db", "global.db"] {
        assert_eq!(count(&data.join(file), "commands").await, 0, "{file}");
    }
    first.stop().await;
}

fn now_ms() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis()).expect("a time")
}

#[tokio::test]
async fn a_repeat_is_answered_as_the_first_time_whatever_has_changed() {
    let client = shared().client();
    let (tutor, pet) = client.tutor_with_pet().await;
    let key = [("idempotency-key", "soon")];
    // A start that is past when the repeat comes.
    let starts = now_ms() + 800;
    let wanted = json!({ "pickup": { "lat": -23.1, "lon": -46.9 }, "duration_min": 60, "pet_ids": [pet],
                         "scheduled_for": starts });
    let first = tutor.post_with("/v1/quotes", &wanted, &key).await.ok();
    while now_ms() <= starts {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let again = tutor.post_with("/v1/quotes", &wanted, &key).await;
    assert_eq!(again.status, 201, "{}", again.text);
    assert_eq!(again.json, first);
    tutor.post("/v1/quotes", &wanted).await.refused(422, "invalid");
    // Said in another order it is the same; another request is not.
    let text = format!(
        r#"{{"pet_ids": ["{pet}"], "scheduled_for": {starts}, "duration_min": 60, "pickup": {{"lon": -46.9, "lat": -23.1}}}}"#
    );
    let headers = [("content-type", "application/json"), key[0]];
    let said = tutor.raw(Method::POST, "/v1/quotes", &headers, text.into_bytes()).await.ok();
    assert_eq!(said["id"], first["id"]);
    let mut other = wanted.clone();
    other["duration_min"] = json!(45);
    tutor.post_with("/v1/quotes", &other, &key).await.refused(422, "key-reused");
}

#[tokio::test]
async fn secrets_are_no_part_of_what_a_repeat_is_compared_by() {
    let client = shared().client();
    let key = [("idempotency-key", "k-1")];
    // A password that is not the account's is another request; the right one is a repeat.
    let mut body =
        json!({ "email": "repeat@test.example", "password": PASSWORD, "display_name": "R", "role": "tutor" });
    let first = client.post_with("/v1/accounts", &body, &key).await.ok();
    assert_eq!(client.post_with("/v1/accounts", &body, &key).await.ok()["id"], first["id"]);
    body["password"] = json!("battery staple");
    client.post_with("/v1/accounts", &body, &key).await.refused(422, "key-reused");
    body["display_name"] = json!("S");
    client.post_with("/v1/accounts", &body, &key).await.refused(422, "key-reused");
    // Another's key is another's.
    body["email"] = json!("repeat-2@test.example");
    client.post_with("/v1/accounts", &body, &key).await.ok();

    let (tutor, pet) = client.tutor_with_pet().await;
    let method = async |token: &str| {
        let body = json!({ "token": token }).to_string().into_bytes();
        let headers = [("content-type", "application/json"), ("idempotency-key", "pay-1")];
        tutor.raw(Method::PUT, "/v1/me/payment-method", &headers, body).await
    };
    assert_eq!(method("test_one").await.status, 204);
    assert_eq!(method("test_one").await.status, 204);
    method("test_two").await.refused(422, "key-reused");

    // A walk that was started with the right PIN is started, whatever the repeat says.
    let (lat, lon) = (-23.15, -46.95);
    let walker = client.walker_at(lat, lon).await;
    let ride = tutor.request_ride(&pet, lat, lon).await;
    for step in ["accept", "arrive"] {
        act(&walker, &ride, step, &json!({})).await.ok();
    }
    let path = format!("/v1/rides/{}/start", ride["id"].as_str().expect("an id"));
    let wrong = if ride["pin"] == "0000" { "0001" } else { "0000" };
    walker.post_with(&path, &json!({ "pin": wrong }), &key).await.refused(403, "wrong-pin");
    let started = walker.post_with(&path, &json!({ "pin": ride["pin"] }), &key).await.ok();
    let again = walker.post_with(&path, &json!({ "pin": wrong }), &key).await.ok();
    assert_eq!(again, started);
}

#[tokio::test]
async fn graphql_commands_are_told_apart_by_what_they_ask_for() {
    let (tutor, _) = shared().client().tutor_with_pet().await;
    let key = [("idempotency-key", "graphql-pets")];
    let add = async |around: &str, name: &str| {
        let input = format!(
            "{{ name: \"{name}\", species: DOG, weightG: 9000, birthDate: \"2020-01-02\", conditions: [], temperament: \"\" }}"
        );
        let query = format!("mutation {{ {around} first: addPet(input: {input}) {{ id }} }}");
        tutor.post_with("/graphql", &json!({ "query": query }), &key).await.ok()
    };
    let first = add("", "Bo").await;
    assert!(first["data"]["first"]["id"].is_string(), "{first}");
    // The rest of the document is not what this command asks for.
    assert_eq!(add("__typename", "Bo").await["data"]["first"], first["data"]["first"]);
    let other = add("", "Bu").await;
    assert_eq!(other["errors"][0]["extensions"]["code"], "key-reused", "{other}");
}
