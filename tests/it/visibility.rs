//! Who may see a ride: its tutor, its committed walker and operators; and how much of a place others are told.

use std::time::Duration;

use petwalker_tests::{Client, TestNode, config, shared};
use reqwest::Method;
use serde_json::{Value, json};

use crate::live::points;
use crate::rides::{act, until};

const JSON: &str = "petwalker.v1.json";
const METRE: f64 = 1.0 / 111_195.0;
const PHOTO: &[u8] = include_bytes!("../data/photos/photo.jpg");
const MARK: &str = "0197b9a1-7c00-7000-8000-000000000001";
/// Longer than anything here takes, and shorter than a stream of events lasts by itself.
const PATIENCE: Duration = Duration::from_secs(15);

fn path(ride: &Value, rest: &str) -> String {
    format!("/v1/rides/{}{rest}", ride["id"].as_str().expect("an id"))
}

/// Everybody around a ride: who was offered it and what they did with that.
struct Scene {
    ride: Value,
    tutor: Client,
    committed: Client,
    offered: Client,
    declined: Client,
    withdrawn: Client,
    stranger: Client,
    other_tutor: Client,
    operator: Client,
}

impl Scene {
    /// A ride that its second walker has accepted.
    async fn open(lat: f64, lon: f64) -> Self {
        let client = shared().client();
        let mut walkers = Vec::new();
        for _ in 0..3 {
            walkers.push(client.walker_at(lat, lon).await);
        }
        let [offered, declined, withdrawn] = <[Client; 3]>::try_from(walkers).ok().expect("three");
        let (tutor, pet) = client.tutor_with_pet().await;
        let ride = tutor.request_ride(&pet, lat, lon).await;
        act(&declined, &ride, "decline", &json!({})).await.ok();
        act(&withdrawn, &ride, "accept", &json!({})).await.ok();
        // Present only now, so that the next wave is for this one.
        let committed = client.walker_at(lat, lon).await;
        act(&withdrawn, &ride, "cancel", &json!({})).await.ok();
        let ride = act(&committed, &ride, "accept", &json!({})).await.ok();
        Self {
            stranger: client.walker_at(lat, lon).await,
            other_tutor: client.join("tutor").await,
            operator: client.join_as_operator(shared().folder.path()).await,
            ride,
            tutor,
            committed,
            offered,
            declined,
            withdrawn,
        }
    }

    /// The walk begins: points, and a mark with its picture.
    async fn walk(&self, lat: f64, lon: f64) {
        act(&self.committed, &self.ride, "arrive", &json!({})).await.ok();
        let pin = self.tutor.get(&path(&self.ride, "")).await.ok()["pin"].clone();
        act(&self.committed, &self.ride, "start", &json!({ "pin": pin })).await.ok();
        let mut track = self.committed.socket(&path(&self.ride, "/track"), JSON).await.expect("opened");
        track.next().await;
        assert_eq!(track.ask(&points(1, 1..=30)).await["stored"], 30);
        let mark = path(&self.ride, &format!("/marks/{MARK}"));
        let place = json!({ "lat": lat + 900.0 * METRE, "lon": lon });
        let body = json!({ "kind": "photo", "at": 1_780_000_000_000_i64, "place": place });
        self.committed.put(&mark, &body).await.ok();
        let kind = [("content-type", "image/jpeg")];
        let stored = self.committed.raw(Method::PUT, &format!("{mark}/photo"), &kind, PHOTO.to_vec()).await;
        assert_eq!(stored.status, 204, "{}", stored.text);
    }

    /// Who is nobody to the ride.
    fn nobodies(&self) -> [(&'static str, &Client); 5] {
        [
            ("offered", &self.offered),
            ("declined", &self.declined),
            ("withdrawn", &self.withdrawn),
            ("stranger", &self.stranger),
            ("other tutor", &self.other_tutor),
        ]
    }

    fn readers(&self) -> [(&'static str, &Client); 3] {
        [("tutor", &self.tutor), ("committed", &self.committed), ("operator", &self.operator)]
    }

    /// What there is to read with GET.
    fn readings(&self) -> Vec<String> {
        let photo = format!("/marks/{MARK}/photo");
        ["", "/live", "/live?since=0", "/route", "/route.gpx", "/route.geojson", "/route.polylines", "/marks"]
            .into_iter()
            .chain(["/fences", photo.as_str()])
            .map(|rest| path(&self.ride, rest))
            .collect()
    }

    /// What there is to ask of GraphQL.
    fn queries(&self) -> Vec<(&'static str, Value)> {
        let id = &self.ride["id"];
        [
            ("ride", "id", "{ state }"),
            ("route", "rideId", "{ distanceM }"),
            ("marks", "rideId", "{ kind }"),
            ("fences", "rideId", "{ kind }"),
            ("routeGpx", "rideId", ""),
            ("routeGeojson", "rideId", ""),
            ("routePolylines", "rideId", ""),
        ]
        .into_iter()
        .map(|(field, name, rest)| (field, json!({ "query": format!("{{ {field}({name}: {id}) {rest} }}") })))
        .collect()
    }

    /// That nobody else sees anything, in any way.
    async fn is_hidden(&self) {
        for (who, client) in self.nobodies() {
            for reading in self.readings() {
                let answer = client.get(&reading).await;
                assert_eq!(
                    (answer.status, answer.code()),
                    (404, "not-found"),
                    "{who} {reading}: {}",
                    answer.text
                );
            }
            let events = client.events(&path(&self.ride, "/live"), None).await;
            assert_eq!(events.status(), 404, "{who}: events");
            for socket in ["live", "track"] {
                let wanted = json!({ "socket": socket });
                let ticket = client.post(&path(&self.ride, "/tickets"), &wanted).await;
                assert_eq!((ticket.status, ticket.code()), (404, "not-found"), "{who}: {}", ticket.text);
                let refused = client.socket(&path(&self.ride, &format!("/{socket}")), JSON).await.err();
                assert_eq!(refused.expect("refused").0, 404, "{who}: {socket}");
            }
            client.get(&path(&self.ride, "/invoice")).await.refused(404, "not-found");
            for (field, query) in self.queries() {
                let answer = client.post("/graphql", &query).await.ok();
                assert_eq!(answer["errors"][0]["extensions"]["code"], "not-found", "{who} {field}: {answer}");
                assert!(answer["data"].is_null(), "{who} {field}: {answer}");
            }
            let refused = subscribe(client, &self.ride).await;
            assert_eq!(refused.1["type"], "error", "{who}: {}", refused.1);
            assert_eq!(refused.1["payload"][0]["extensions"]["code"], "not-found", "{who}: {}", refused.1);
        }
    }

    /// That those see it whom it concerns.
    async fn is_shown(&self) {
        for (who, client) in self.readers() {
            for reading in self.readings() {
                let answer = client.bytes(&reading).await;
                assert_eq!(answer.status, 200, "{who} {reading}");
            }
            for (field, query) in self.queries() {
                let answer = client.post("/graphql", &query).await.ok();
                assert!(answer["errors"].is_null(), "{who} {field}: {answer}");
            }
            let ticket = client.post(&path(&self.ride, "/tickets"), &json!({ "socket": "live" })).await;
            assert_eq!(ticket.status, 201, "{who}: {}", ticket.text);
            let mut live = client.socket(&path(&self.ride, "/live"), JSON).await.expect("opened");
            assert_eq!(live.next().await["type"], "live", "{who}");
            let (_, first) = subscribe(client, &self.ride).await;
            assert_eq!(first["type"], "next", "{who}: {first}");
        }
    }
}

/// Subscribes to a ride over a socket of GraphQL; the socket and the first message.
async fn subscribe(client: &Client, ride: &Value) -> (petwalker_tests::Socket, Value) {
    let mut socket = client.without_token().socket("/graphql", "graphql-transport-ws").await.expect("opened");
    let authorization = format!("Bearer {}", client.token());
    socket.ask(&json!({ "type": "connection_init", "payload": { "authorization": authorization } })).await;
    let query = format!("subscription {{ live(rideId: {}) {{ cursor state }} }}", ride["id"]);
    let first = socket.ask(&json!({ "id": "1", "type": "subscribe", "payload": { "query": query } })).await;
    (socket, first)
}

#[tokio::test]
async fn a_ride_is_seen_by_its_tutor_its_walker_and_operators_only() {
    let (lat, lon) = (-26.1, -50.1);
    let scene = Scene::open(lat, lon).await;
    scene.is_hidden().await;
    scene.walk(lat, lon).await;
    scene.is_shown().await;
    scene.is_hidden().await;
    act(&scene.committed, &scene.ride, "complete", &json!({})).await.ok();
    until(&scene.tutor, &path(&scene.ride, "/invoice"), |_| true).await;
    for (_, client) in scene.readers() {
        client.get(&path(&scene.ride, "/invoice")).await.ok();
        client.get(&path(&scene.ride, "/route")).await.ok();
    }
    scene.is_hidden().await;
}

#[tokio::test]
async fn an_offer_tells_its_own_view_and_ends_with_it() {
    let client = shared().client();
    let (lat, lon) = (-26.3, -50.3);
    let (first, second) = (client.walker_at(lat, lon).await, client.walker_at(lat + 0.004, lon).await);
    let (tutor, pet) = client.tutor_with_pet().await;
    let ride = tutor.request_ride(&pet, lat, lon).await;
    for walker in [&first, &second] {
        let offers = walker.get("/v1/walkers/me/offers").await.ok();
        let offer = &offers["offers"][0];
        let mut fields: Vec<&str> = offer.as_object().expect("an offer").keys().map(String::as_str).collect();
        fields.sort_unstable();
        let told = [
            "cell",
            "distance_m",
            "duration_min",
            "expires_at",
            "id",
            "pets",
            "price",
            "ride_id",
            "scheduled_for",
            "sizes",
        ];
        assert_eq!(fields, told);
        assert_eq!((&offer["ride_id"], &offer["sizes"]), (&ride["id"], &json!(["medium"])));
        assert_eq!(offer["cell"].as_str().map(str::len), Some(5), "{offer}");
        assert_eq!(offer["distance_m"].as_u64().map(|metres| metres % 500), Some(0), "{offer}");
        let by_id = walker.get(&path(&ride, "")).await;
        assert!(!by_id.headers.contains_key("etag"));
        assert_eq!(&by_id.ok(), offer);
        let query =
            json!({ "query": format!("{{ offer(rideId: {}) {{ cell distanceM sizes }} }}", ride["id"]) });
        let answer = walker.post("/graphql", &query).await.ok();
        assert_eq!(answer["data"]["offer"]["cell"], offer["cell"], "{answer}");
        walker.get(&path(&ride, "/route")).await.refused(404, "not-found");
        // Nothing but an answer to it, either.
        for step in ["arrive", "pause", "cancel", "no-show", "complete", "pin"] {
            act(walker, &ride, step, &json!({})).await.refused(404, "not-found");
        }
    }
    let answer = act(&first, &ride, "decline", &json!({})).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    first.get(&path(&ride, "")).await.refused(404, "not-found");
    assert_eq!(first.get("/v1/walkers/me/offers").await.ok()["offers"], json!([]));
    act(&tutor, &ride, "cancel", &json!({})).await.ok();
    second.get(&path(&ride, "")).await.refused(404, "not-found");
    act(&second, &ride, "accept", &json!({})).await.refused(410, "offer-expired");
}

/// Reads a stream of events to its end.
async fn to_the_end(mut stream: reqwest::Response) {
    while stream.chunk().await.expect("the stream").is_some() {}
}

#[tokio::test]
async fn who_leaves_a_ride_is_told_nothing_more_of_it() {
    let client = shared().client();
    let (lat, lon) = (-26.5, -50.5);
    let (tutor, walker, ride) = crate::rides::accepted_on(&client, lat, lon).await;
    let next = client.walker_at(lat, lon).await;
    let live = path(&ride, "/live");
    let mut theirs = walker.socket(&live, JSON).await.expect("opened");
    let mut tutors = tutor.socket(&live, JSON).await.expect("opened");
    assert_eq!(
        (&theirs.next().await["state"], &tutors.next().await["state"]),
        (&json!("accepted"), &json!("accepted"))
    );
    let (mut operation, first) = subscribe(&walker, &ride).await;
    assert_eq!(first["payload"]["data"]["live"]["state"], "ACCEPTED", "{first}");
    let events = walker.events(&live, None).await;
    assert_eq!(events.status(), 200);
    let waiting = format!("{live}?since=0&state=accepted&wait=25s");
    let (asking, polling) = (walker.clone(), waiting.clone());
    let poll = tokio::spawn(async move { asking.get(&polling).await });
    // A ticket that was issued before is of no use after.
    let ticket = walker.post(&path(&ride, "/tickets"), &json!({ "socket": "live" })).await.ok();

    let body = json!({});
    let cancel = [("idempotency-key", "leaves"), ("content-type", "application/json")];
    walker.post_with(&path(&ride, "/cancel"), &body, &cancel[..1]).await.ok();
    let (code, reason) = theirs.closed().await;
    assert_eq!((code, reason.as_str()), (4403, "this is not yours to watch any more"));
    tokio::time::timeout(PATIENCE, to_the_end(events)).await.expect("the stream ends");
    let answer = tokio::time::timeout(PATIENCE, poll).await.expect("answered").expect("no panic");
    answer.refused(404, "not-found");
    loop {
        let message = operation.next().await;
        if message["type"] == "complete" || message["type"] == "error" {
            break;
        }
        let told = &message["payload"]["data"]["live"]["state"];
        assert!(told.is_null() || told == "ACCEPTED", "{message}");
    }
    let ticket = format!("{live}?ticket={}", ticket["value"].as_str().expect("a ticket"));
    assert_eq!(walker.without_token().socket(&ticket, JSON).await.err().expect("refused").0, 404);

    // The tutor goes on watching, whoever comes.
    act(&next, &ride, "accept", &json!({})).await.ok();
    while tutors.next().await["state"] != "accepted" {}
    let now = client_now();
    let fix = json!({ "at": now, "place": { "lat": lat, "lon": lon }, "accuracy_m": 5.0 });
    next.put(&path(&ride, "/approach"), &fix).await.ok();
    while tutors.next().await["approach"]["at"] != json!(now) {}
    walker.get(&live).await.refused(404, "not-found");
}

/// The clock of a device, UTC milliseconds.
pub fn client_now() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis()).expect("fits")
}

fn lat_lon(place: &Value) -> (f64, f64) {
    (place["lat"].as_f64().expect("a number"), place["lon"].as_f64().expect("a number"))
}

fn metres(a: (f64, f64), b: (f64, f64)) -> f64 {
    ((a.0 - b.0) / METRE).hypot((a.1 - b.1) / METRE * a.0.to_radians().cos())
}

#[tokio::test]
async fn nearest_tells_no_place_closer_than_500_m() {
    let client = shared().client();
    let truth = (-26.7, -50.7);
    let walker = client.walker_at(truth.0, truth.1).await;
    let id = walker.get("/v1/me").await.ok()["id"].clone();
    let asker = client.join("tutor").await;
    let mut answers = Vec::new();
    for ring in 1..=6_u32 {
        for part in 0..12_u32 {
            let angle = f64::from(part) * std::f64::consts::TAU / 12.0;
            let away = 600.0 * f64::from(ring) * METRE;
            let from =
                (truth.0 + away * angle.cos(), truth.1 + away * angle.sin() / truth.0.to_radians().cos());
            let question = format!("/v1/walkers/nearest?lat={}&lon={}&limit=50", from.0, from.1);
            let found = asker.get(&question).await.ok();
            let all = found["walkers"].as_array().expect("walkers");
            assert!(all.iter().all(|w| w["distance_m"].as_u64().is_some_and(|m| m % 500 == 0)), "{found}");
            let told = all.iter().find(|w| w["walker_id"] == id).expect("found")["distance_m"].clone();
            answers.push((from, told.as_f64().expect("a number")));
        }
    }
    // The place that fits the answers best, each of them a band of 500 m.
    let off = |at: (f64, f64)| -> f64 {
        answers.iter().map(|(from, told)| ((metres(*from, at) - told).abs() - 250.0).max(0.0)).sum()
    };
    let steps = || (-40..=40).map(|step| f64::from(step) * 50.0 * METRE);
    let places = steps().flat_map(|north| {
        steps().map(move |east| (truth.0 + north, truth.1 + east / truth.0.to_radians().cos()))
    });
    let best = places.min_by(|a, b| off(*a).total_cmp(&off(*b))).expect("many");
    // The search steps by 50 m.
    assert!(metres(best, truth) >= 450.0, "found to {:.0} m", metres(best, truth));
    assert!(off(truth) > 0.0);
}

#[tokio::test]
async fn a_profile_tells_others_the_areas_cell() {
    let client = shared().client();
    let (lat, lon) = (-26.9, -50.9);
    let walker = client.walker_at(lat, lon).await;
    let id = walker.get("/v1/me").await.ok()["id"].as_str().expect("an id").to_owned();
    let profile = format!("/v1/walkers/{id}");
    let own = walker.get(&profile).await.ok();
    assert_eq!(lat_lon(&own["details"]["area_centre"]), (lat, lon), "{own}");
    let other = client.join("tutor").await;
    let seen = other.get(&profile).await.ok();
    assert_eq!(seen["area_cell"], own["area_cell"]);
    let centre = lat_lon(&seen["details"]["area_centre"]);
    assert!(metres(centre, (lat, lon)) >= 300.0, "the test's place is not in the middle of its cell");
    // Whoever lives in the cell is shown the same.
    let neighbour = client.walker_at(lat + 200.0 * METRE, lon).await;
    let theirs = neighbour.get("/v1/me").await.ok()["id"].as_str().expect("an id").to_owned();
    let theirs = other.get(&format!("/v1/walkers/{theirs}")).await.ok();
    assert_eq!(theirs["area_cell"], seen["area_cell"], "choose another place for the test");
    assert_eq!(theirs["details"]["area_centre"], seen["details"]["area_centre"]);
    let query = json!({ "query": format!("{{ walker(accountId: \"{id}\") {{ details {{ areaCentre {{ lat lon }} }} }} }}") });
    let answer = other.post("/graphql", &query).await.ok();
    assert_eq!(lat_lon(&answer["data"]["walker"]["details"]["areaCentre"]), centre, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_ends_without_a_sign() {
    let node = TestNode::start(config).await;
    let client = node.client();
    let (lat, lon) = (-23.461, -46.461);
    let (silent, heard) = (client.walker_at(lat, lon).await, client.walker_at(lat, lon).await);
    let id = async |walker: &Client| walker.get("/v1/me").await.ok()["id"].clone();
    let (silent_id, heard_id) = (id(&silent).await, id(&heard).await);
    let (tutor, pet) = client.tutor_with_pet().await;
    let nearest = format!("/v1/walkers/nearest?lat={lat}&lon={lon}");
    assert_eq!(tutor.get(&nearest).await.ok()["walkers"].as_array().map(Vec::len), Some(2));
    // A quarter of an hour passes for one of them.
    let database = libsql::Builder::new_local(node.folder.path().join("region.db")).build().await;
    let connection = database.expect("built").connect().expect("connected");
    connection.execute("PRAGMA busy_timeout = 5000", ()).await.ok();
    let aged = "UPDATE presence SET seen_at_ms = seen_at_ms - 900001 WHERE walker_id = ?1";
    connection.execute(aged, [silent_id.as_str().expect("an id")]).await.expect("aged");
    let found = until(&tutor, &nearest, |found| found["walkers"].as_array().map(Vec::len) == Some(1)).await;
    assert_eq!(found["walkers"][0]["walker_id"], heard_id);
    let ride = tutor.request_ride(&pet, lat, lon).await;
    assert_eq!(ride["state"], "offered");
    assert_eq!(silent.get("/v1/walkers/me/offers").await.ok()["offers"], json!([]));
    assert_eq!(heard.get("/v1/walkers/me/offers").await.ok()["offers"][0]["ride_id"], ride["id"]);
    // Whoever gives a sign again is there again.
    silent.put("/v1/walkers/me/presence", &json!({ "lat": lat, "lon": lon })).await.ok();
    assert_eq!(tutor.get(&nearest).await.ok()["walkers"].as_array().map(Vec::len), Some(2));
    node.stop().await;
}
