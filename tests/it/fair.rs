//! What walkers and tutors may ask of each other: nearness, PINs, capacity, pets.

use petwalker_tests::{Client, shared};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rides::{accepted_on, act, until};
use crate::visibility::client_now;

const METRE: f64 = 1.0 / 111_195.0;

fn path(ride: &Value, rest: &str) -> String {
    format!("/v1/rides/{}{rest}", ride["id"].as_str().expect("an id"))
}

/// A walker tells where they are on the way.
async fn tell(walker: &Client, ride: &Value, lat: f64, lon: f64) {
    let fix = json!({ "at": client_now(), "place": { "lat": lat, "lon": lon }, "accuracy_m": 8.0 });
    walker.put(&path(ride, "/approach"), &fix).await.ok();
}

async fn pin(tutor: &Client, ride: &Value) -> String {
    tutor.get(&path(ride, "")).await.ok()["pin"].as_str().expect("a PIN").to_owned()
}

/// Five wrong PINs.
async fn burn(walker: &Client, ride: &Value, right: &str) {
    let wrong = if right == "0000" { "0001" } else { "0000" };
    for _ in 0..5 {
        act(walker, ride, "start", &json!({ "pin": wrong })).await.refused(403, "wrong-pin");
    }
    act(walker, ride, "start", &json!({ "pin": right })).await.refused(429, "too-many-attempts");
}

#[tokio::test]
async fn nobody_arrives_from_a_kilometre_away() {
    let client = shared().client();
    let (lat, lon) = (-27.1, -51.1);
    let walker = client.walker_at(lat + 1_000.0 * METRE, lon).await;
    let (tutor, pet) = client.tutor_with_pet().await;
    let ride = tutor.request_ride(&pet, lat, lon).await;
    act(&walker, &ride, "accept", &json!({})).await.ok();
    let far = act(&walker, &ride, "arrive", &json!({})).await;
    far.refused(409, "not-at-pickup");
    assert!(
        far.json["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("1000 m from the pickup")
                || detail.contains("1001 m from the pickup")),
        "{}",
        far.text
    );
    let ahead =
        json!({ "at": client_now() + 3_600_000, "place": { "lat": lat, "lon": lon }, "accuracy_m": 8.0 });
    let ahead = walker.put(&path(&ride, "/approach"), &ahead).await;
    ahead.refused(422, "invalid");
    assert_eq!(ahead.json["field"], "at");
    tell(&walker, &ride, lat + 400.0 * METRE, lon).await;
    act(&walker, &ride, "arrive", &json!({})).await.refused(409, "not-at-pickup");
    assert_eq!(tutor.get(&path(&ride, "")).await.ok()["state"], "accepted");
    tell(&walker, &ride, lat + 60.0 * METRE, lon).await;
    assert_eq!(act(&walker, &ride, "arrive", &json!({})).await.ok()["state"], "arrived");
    // The same by GraphQL: the newest fix counts, not the presence before it.
    let (_, other, second) = accepted_on(&client, lat + 0.02, lon).await;
    tell(&other, &second, lat + 0.04, lon).await;
    let arrive = json!({ "query": format!("mutation {{ arrive(id: {}) {{ state }} }}", second["id"]) });
    let answer = other.post("/graphql", &arrive).await.ok();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "not-at-pickup", "{answer}");
}

#[tokio::test]
async fn a_burnt_pin_is_the_walkers_own_and_the_tutor_draws_another() {
    let client = shared().client();
    let (lat, lon) = (-27.3, -51.3);
    let (tutor, first, ride) = accepted_on(&client, lat, lon).await;
    act(&first, &ride, "arrive", &json!({})).await.ok();
    let right = pin(&tutor, &ride).await;
    burn(&first, &ride, &right).await;
    // Another walker is not locked out by it.
    let second = client.walker_at(lat, lon).await;
    act(&first, &ride, "cancel", &json!({})).await.ok();
    act(&second, &ride, "accept", &json!({})).await.ok();
    act(&second, &ride, "arrive", &json!({})).await.ok();
    burn(&second, &ride, &right).await;
    act(&second, &ride, "no-show", &json!({})).await.refused(409, "pin-locked");
    // The tutor sets a new one; the walker may not, and sees none.
    act(&second, &ride, "pin", &json!({})).await.refused(403, "forbidden");
    client.join("tutor").await.post(&path(&ride, "/pin"), &json!({})).await.refused(404, "not-found");
    let key = [("idempotency-key", "renew")];
    let renewed = tutor.post_with(&path(&ride, "/pin"), &json!({}), &key).await.ok();
    let new = renewed["pin"].as_str().expect("a PIN").to_owned();
    assert_eq!(tutor.post_with(&path(&ride, "/pin"), &json!({}), &key).await.ok()["pin"], new.as_str());
    assert_eq!(pin(&tutor, &ride).await, new);
    assert_eq!(renewed["version"], json!(tutor.get(&path(&ride, "")).await.ok()["version"]));
    act(&second, &ride, "start", &json!({ "pin": new })).await.ok();
    act(&tutor, &ride, "pin", &json!({})).await.refused(409, "illegal-transition");
    assert!(!events_say(&ride, &new).await, "the PIN stands in an event");
}

/// Whether a text stands in an event of the ride, but for the command's own digest.
async fn events_say(ride: &Value, text: &str) -> bool {
    let file = shared().folder.path().join("region.db");
    let database = libsql::Builder::new_local(file).build().await.expect("built");
    let connection = database.connect().expect("connected");
    let sql = "SELECT record FROM events WHERE stream_id = ?1 AND type = 'ride.pin-renewed'";
    let mut rows = connection.query(sql, [ride["id"].as_str().expect("an id")]).await.expect("asked");
    let mut found = 0;
    while let Some(row) = rows.next().await.expect("read") {
        found += 1;
        let record: Vec<u8> = row.get(0).expect("bytes");
        // As MessagePack writes a short text: its length, then its characters.
        let written = [&[0xa0 | u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
        if record.windows(written.len()).any(|part| part == written) {
            return true;
        }
    }
    assert!(found > 0, "the PIN was renewed");
    false
}

#[tokio::test]
async fn while_the_pin_is_locked_calling_off_costs_nothing_and_an_operator_helps() {
    let client = shared().client();
    let operator = client.join_as_operator(shared().folder.path()).await;
    let (tutor, walker, ride) = accepted_on(&client, -27.5, -51.5).await;
    act(&walker, &ride, "arrive", &json!({})).await.ok();
    burn(&walker, &ride, &pin(&tutor, &ride).await).await;
    let cancelled = act(&tutor, &ride, "cancel", &json!({})).await.ok();
    assert_eq!(cancelled["fee"]["minor"], 0, "{cancelled}");

    let (tutor, walker, ride) = accepted_on(&client, -27.7, -51.7).await;
    act(&walker, &ride, "arrive", &json!({})).await.ok();
    let before = pin(&tutor, &ride).await;
    burn(&walker, &ride, &before).await;
    let renew = json!({ "query": format!("mutation {{ renewPin(id: {}) {{ pin version }} }}", ride["id"]) });
    let answer = operator.post("/graphql", &renew).await.ok();
    assert_eq!(answer["data"]["renewPin"]["pin"], Value::Null, "operators see no PIN: {answer}");
    let after = pin(&tutor, &ride).await;
    act(&walker, &ride, "start", &json!({ "pin": after })).await.ok();
}

/// A walker who walks one pet at a time, present at a place.
async fn walker_of_one(client: &Client, lat: f64, lon: f64) -> Client {
    let walker = client.walker_at(lat, lon).await;
    let place = json!({ "lat": lat, "lon": lon });
    let profile = json!({
        "area_centre": place, "area_radius_m": 8_000, "capacity": 1, "weekly": [],
        "accepted_sizes": ["medium"], "time_zone": "America/Sao_Paulo",
    });
    walker.put("/v1/walkers/me", &profile).await.ok();
    walker.put("/v1/walkers/me/presence", &place).await.ok();
    walker
}

#[tokio::test]
async fn nobody_accepts_more_pets_than_there_is_room_for() {
    let client = shared().client();
    let (lat, lon) = (-27.9, -51.9);
    let walker = walker_of_one(&client, lat, lon).await;
    let mut rides = Vec::new();
    for _ in 0..4 {
        let (tutor, pet) = client.tutor_with_pet().await;
        rides.push((tutor.request_ride(&pet, lat, lon).await, tutor));
    }
    act(&walker, &rides[0].0, "accept", &json!({})).await.ok();
    for (ride, tutor) in &rides[1..] {
        let full = act(&walker, ride, "accept", &json!({})).await;
        full.refused(409, "no-capacity");
        assert_eq!(tutor.get(&path(ride, "")).await.ok()["state"], "offered");
    }
    // All at once it is one as well.
    act(&walker, &rides[0].0, "cancel", &json!({})).await.ok();
    let nothing = json!({});
    let tries = rides[1..].iter().map(|(ride, _)| act(&walker, ride, "accept", &nothing));
    let answers = futures::future::join_all(tries).await;
    let accepted = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(accepted, 1, "{:?}", answers.iter().map(|a| (a.status, a.code())).collect::<Vec<_>>());
}

#[tokio::test]
async fn pets_are_named_once_and_walked_once_at_a_time() {
    let client = shared().client();
    let (lat, lon) = (-28.1, -52.1);
    let (tutor, pet) = client.tutor_with_pet().await;
    let quote = |pets: Vec<&str>| json!({ "pickup": { "lat": lat, "lon": lon }, "duration_min": 30, "pet_ids": pets });
    for pets in [vec![], vec![pet.as_str(); 2], vec![pet.as_str(); 20_000]] {
        let refused = tutor.post("/v1/quotes", &quote(pets)).await;
        refused.refused(422, "invalid");
        assert_eq!(refused.json["field"], "pet_ids", "{}", refused.text);
    }
    let first = tutor.request_ride(&pet, lat, lon).await;
    let again = tutor.post("/v1/quotes", &quote(vec![&pet])).await.ok();
    let wanted = json!({ "quote_id": again["id"], "pet_ids": [pet, pet] });
    let twice = tutor.post("/v1/rides", &wanted).await;
    twice.refused(422, "invalid");
    let wanted = json!({ "quote_id": again["id"], "pet_ids": [pet] });
    tutor.post("/v1/rides", &wanted).await.refused(409, "pet-busy");
    // Nothing was changed: once the first is over the quote is good.
    act(&tutor, &first, "cancel", &json!({})).await.ok();
    tutor.post("/v1/rides", &wanted).await.ok();
}

#[tokio::test]
async fn one_tutor_does_not_raise_anothers_price() {
    let client = shared().client();
    let (lat, lon) = (-28.3, -52.3);
    let walker = client.walker_at(lat, lon).await;
    let (other, their_pet) = client.tutor_with_pet().await;
    let quote = json!({ "pickup": { "lat": lat, "lon": lon }, "duration_min": 30, "pet_ids": [their_pet] });
    let before = other.post("/v1/quotes", &quote).await.ok()["total"].clone();
    let tutor = client.join("tutor").await;
    for number in 0..20 {
        let pet = tutor.add_pet(&format!("Rex {number}")).await;
        tutor.request_ride(&pet, lat, lon).await;
    }
    assert_eq!(other.post("/v1/quotes", &quote).await.ok()["total"], before);
    let pet = tutor.add_pet("One more").await;
    let quote = json!({ "pickup": { "lat": lat, "lon": lon }, "duration_min": 30, "pet_ids": [pet] });
    let quote = tutor.post("/v1/quotes", &quote).await.ok();
    let more = tutor.post("/v1/rides", &json!({ "quote_id": quote["id"], "pet_ids": [pet] })).await;
    more.refused(409, "too-many-rides");
    until(&walker, "/v1/walkers/me/offers", |offers| {
        offers["offers"].as_array().is_some_and(|offers| offers.len() <= 20)
    })
    .await;
    let all = tutor.raw(Method::GET, "/v1/rides?limit=100", &[], Vec::new()).await.ok();
    assert_eq!(all["rides"].as_array().map(Vec::len), Some(20));
}
