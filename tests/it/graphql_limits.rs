//! What a GraphQL document may ask for, how often a secret may be guessed, and bodies that are required.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use petwalker_tests::{Answer, Client, TestNode, config, root, shared};
use reqwest::Method;
use serde_json::{Value, json};

use crate::live::Walk;
use crate::rides::act;

const MODERN: (&str, &str) = ("accept", "application/graphql-response+json");
/// Longer than a refusal takes on a busy machine, and far shorter than what the documents would cost.
const AT_ONCE: Duration = Duration::from_secs(5);

fn aliases(times: usize, field: &str) -> String {
    (0..times).fold(String::new(), |mut text, n| {
        write!(text, "a{n}: {field} ").expect("a string takes all");
        text
    })
}

/// Fragments that spread each other: `spreads` to the power of `levels` fields.
fn explosion(levels: usize, spreads: usize) -> String {
    let fragments: String = (0..levels)
        .map(|n| format!("fragment f{n} on Query{{{}}} ", format!("...f{} ", n + 1).repeat(spreads)))
        .collect();
    format!("{{...f0}} {fragments}fragment f{levels} on Query{{__typename}}")
}

/// Documents that were seen to end an instance or to keep it busy for seconds.
fn attacks() -> Vec<String> {
    let lists = |times: usize| {
        format!("{{walker(accountId:{}{}){{accountId}}}}", "[".repeat(times), "]".repeat(times))
    };
    let log_in = "logIn(input:{email:\"nobody@test.example\",password:\"wrong horse!\"}){accountId}";
    let pet = "addPet(input:{name:\"Rex\",species:DOG,weightG:14500,birthDate:\"2021-03-14\",conditions:[],temperament:\"\"}){id}";
    vec![
        lists(900),
        lists(838),
        format!("{{{}{}}}", "...{".repeat(1_014), "}".repeat(1_014)),
        "{".repeat(10_000),
        explosion(20, 30),
        explosion(20, 2),
        explosion(24, 2),
        explosion(7, 10),
        format!("{{{}}}", aliases(50_000, "__typename")),
        format!("{{{}}}", aliases(190, "route(rideId:\"01890a5d-ac96-774b-bcce-b302099a8057\"){distanceM}")),
        format!("{{{}}}", aliases(100, "__schema{types{fields{args{name}}}}")),
        format!("mutation{{{}}}", aliases(133, log_in)),
        format!("mutation{{{}}}", aliases(2, log_in)),
        format!("mutation{{{}}}", aliases(130, pet)),
    ]
}

/// Everything in a query string that is more than a letter or a digit, escaped.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("a string takes all");
        }
        escaped
    })
}

/// A refusal of a document: errors with that code, no data, nothing of the document in it.
#[track_caller]
fn refused(answer: &Answer, code: &str) {
    let error = &answer.json["errors"][0];
    assert_eq!(error["extensions"]["code"], code, "{}", answer.text);
    assert!(answer.json.get("data").is_none(), "{}", answer.text);
    assert!(answer.text.len() < 8_000, "{} bytes", answer.text.len());
    assert!(error["message"].as_str().is_some_and(|m| m.chars().count() <= 301), "{}", answer.text);
}

async fn instances_that_failed(node: &TestNode) -> Vec<String> {
    let metrics = node.metrics().await;
    metrics
        .lines()
        .filter(|line| line.starts_with("component_instance_failures"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_ask_for_too_much_are_refused_at_once_and_nobody_else_notices() {
    let node = TestNode::start(config).await;
    let client = node.client();
    let stranger = client.clone();
    let mut walks = Vec::new();
    for n in 0..5_u32 {
        walks.push(Walk::begin_on(&client, -23.40, -46.40 - f64::from(n) / 10.0).await);
    }
    let mut polls = tokio::task::JoinSet::new();
    for walk in &walks {
        for who in [&walk.tutor, &walk.tutor, &walk.walker, &walk.walker] {
            let (who, path) = (who.clone(), walk.path("/live?since=0&wait=25s&state=started"));
            polls.spawn(async move { who.get(&path).await });
        }
    }
    let failed = instances_that_failed(&node).await;
    for document in attacks() {
        let shown: String = document.chars().take(60).collect();
        let began = Instant::now();
        let body = json!({ "query": document });
        let answer = stranger.post_with("/graphql", &body, &[MODERN]).await;
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text);
        refused(&answer, "too-complex");
        assert!(began.elapsed() < AT_ONCE, "{shown} took {:?}", began.elapsed());
        let query = escaped(&document);
        if query.len() < 20_000 {
            let answer = stranger.get(&format!("/graphql?query={query}")).await;
            assert_eq!(answer.status, 200, "{shown}: {}", answer.text);
            refused(&answer, "too-complex");
        }
    }
    assert_eq!(instances_that_failed(&node).await, failed, "no instance ended");
    for walk in &walks {
        act(&walk.walker, &walk.ride, "pause", &json!({})).await.ok();
    }
    let answers = polls.join_all().await;
    assert_eq!(answers.len(), 20);
    for answer in answers {
        assert_eq!((answer.status, &answer.json["state"]), (200, &json!("paused")), "{}", answer.text);
    }
    node.stop().await;
}

#[tokio::test]
async fn tools_read_the_schema_as_they_do_everywhere() {
    let query = std::fs::read_to_string(root().join("tests/data/introspection.graphql")).expect("there");
    let client = shared().client();
    let body = json!({ "query": query, "operationName": "IntrospectionQuery" });
    let mut answers = Vec::new();
    for _ in 0..3 {
        let answer = client.post_with("/graphql", &body, &[MODERN]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.json.get("errors").is_none(), "{}", answer.json["errors"]);
        answers.push(answer.json);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    let types = answers[0]["data"]["__schema"]["types"].as_array().expect("types");
    let named = |name: &str| types.iter().find(|t| t["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    assert!(types.len() > 60, "{}", types.len());
    let ride = named("Query")["fields"].as_array().expect("fields").iter().find(|f| f["name"] == "ride");
    assert_eq!(ride.expect("a ride")["type"]["ofType"]["name"], "Ride");
    // The same by GET, with other names and a part of it.
    let name = json!({ "name": "Ride" }).to_string();
    let part = escaped("query($name: String!) { __type(name: $name) { name fields { name } } }");
    let answer = client.get(&format!("/graphql?query={part}&variables={}", escaped(&name))).await.ok();
    assert_eq!(answer["data"]["__type"]["name"], "Ride", "{answer}");
    let other = escaped(&json!({ "name": "Pet" }).to_string());
    let answer = client.get(&format!("/graphql?query={part}&variables={other}")).await.ok();
    assert_eq!(answer["data"]["__type"]["name"], "Pet", "{answer}");
}

#[tokio::test]
async fn what_cannot_be_read_or_does_not_fit_is_told_without_repeating_it() {
    let client = shared().client();
    let long = "0123456789".repeat(5_000);
    for (query, code) in [
        ("{".to_owned(), "malformed"),
        ("{ me { } }".to_owned(), "malformed"),
        (format!("{{ me(id: \"{long}\" \"{long}\") {{ id }} }}"), "too-complex"),
        (format!("{{ me(id: \"{}\" \"\") {{ id }} }}", &long[..30_000]), "malformed"),
        (format!("# {}\n{{ me {{", &long[..30_000]), "malformed"),
        ("{ ...f } fragment f on Query { ...f }".to_owned(), "malformed"),
        ("{ nothing }".to_owned(), "invalid"),
        (format!("{{ {} }}", aliases(15, "nothing")), "invalid"),
        (format!("{{ ride(id: [\"{}\"]) {{ id }} }}", &long[..30_000]), "invalid"),
        ("query a { me { id } } query b { me { id } }".to_owned(), "invalid"),
    ] {
        let shown: String = query.chars().take(60).collect();
        let answer = client.post_with("/graphql", &json!({ "query": query }), &[MODERN]).await;
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text);
        refused(&answer, code);
        assert!(!answer.text.contains("01234567890123456789"), "{shown}: {}", answer.text);
        assert!(answer.json["errors"].as_array().is_some_and(|errors| errors.len() <= 10), "{}", answer.text);
    }
    let place = client.post("/graphql", &json!({ "query": "{\n  me { }\n}" })).await.ok();
    assert_eq!(place["errors"][0]["locations"], json!([{ "line": 2, "column": 8 }]), "{place}");
    let missing = json!({ "query": "query($n: String!) { ride(id: $n) { id } }" });
    let missing = client.join("tutor").await.post("/graphql", &missing).await.ok();
    assert_eq!(missing["errors"][0]["extensions"]["code"], "invalid", "{missing}");
    // Other readers do not repeat what they read, either.
    let body = json!({ "email": "a@test.example", "password": { "x": long } }).to_string();
    let json_kind = [("content-type", "application/json")];
    for body in [body, json!({ (long.as_str()): 1 }).to_string(), json!({ "query": [long] }).to_string()] {
        for path in ["/v1/sessions", "/graphql"] {
            let answer = client.raw(Method::POST, path, &json_kind, body.clone().into_bytes()).await;
            // A document that was not executed is 200 with errors and no data, for those who read GraphQL of old.
            let refused = (400..500).contains(&answer.status) || answer.json["errors"].is_array();
            assert!(refused && answer.json.get("data").is_none(), "{path}: {}", answer.text);
            assert!(answer.text.len() < 2_000, "{path}: {}", answer.text.len());
        }
    }
}

#[tokio::test]
async fn what_is_nested_in_variables_and_bodies_ends_no_instance() {
    let client = shared().client().join("tutor").await;
    let query = "query($i: AdviceBody!) { advice(petId: \"01890a5d-ac96-774b-bcce-b302099a8057\", input: $i) { summary } }";
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [60, 120, 127, 5_000, 100_000] {
            let nested = format!("{}0{}", open.repeat(depth), close.repeat(depth));
            let graphql = format!("{{\"query\":{},\"variables\":{{\"i\":{nested}}}}}", json!(query));
            for (path, body) in [("/graphql", graphql), ("/v1/quotes", nested.clone())] {
                let answer = client
                    .raw(Method::POST, path, &[("content-type", "application/json")], body.into_bytes())
                    .await;
                assert!(answer.status < 500, "{path} {depth}: {} {}", answer.status, answer.text);
            }
            if depth < 1_000 {
                let path = format!(
                    "/graphql?query={}&variables={}",
                    escaped(query),
                    escaped(&format!("{{\"i\":{nested}}}"))
                );
                let answer = client.get(&path).await;
                assert!(answer.status < 500, "{depth}: {} {}", answer.status, answer.text);
            }
        }
    }
    for (open, depth) in [(0x91, 63), (0x91, 4_000), (0x81, 500_000)] {
        let packed = [vec![open; depth], vec![0xc0]].concat();
        let answer =
            client.raw(Method::POST, "/v1/quotes", &[("content-type", "application/msgpack")], packed).await;
        answer.refused(400, "malformed");
    }
}

fn log_in(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password })
}

/// Signs somebody up; the address.
async fn address(client: &Client, name: &str) -> String {
    let email = format!("{name}@guesses.example");
    let body = json!({ "email": email, "password": "correct horse", "display_name": name, "role": "tutor" });
    client.post("/v1/accounts", &body).await.ok();
    email
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_counted_by_account_whether_it_exists_or_not() {
    let client = shared().client();
    let known = address(&client, "counted").await;
    for email in [known.as_str(), "nobody@guesses.example"] {
        for _ in 0..10 {
            client.post("/v1/sessions", &log_in(email, "wrong horse!")).await.refused(401, "bad-credentials");
        }
        for (spelling, password) in
            [(email.to_owned(), "correct horse"), (email.to_uppercase(), "wrong horse!")]
        {
            let answer = client.post("/v1/sessions", &log_in(&spelling, password)).await;
            answer.refused(429, "too-many-requests");
            let seconds = answer.headers["retry-after"].to_str().ok().and_then(|s| s.parse::<u32>().ok());
            assert!(seconds.is_some_and(|s| (1..=60).contains(&s)), "{seconds:?}");
        }
    }
    let query = "mutation($i: LogIn!) { logIn(input: $i) { accountId } }";
    let body = json!({ "query": query, "variables": { "i": log_in(&known, "correct horse") } });
    let answer = client.post("/graphql", &body).await;
    assert_eq!(answer.json["errors"][0]["extensions"]["code"], "too-many-requests", "{}", answer.text);
    let seconds = answer.json["errors"][0]["extensions"]["retryAfter"].as_u64().expect("seconds");
    assert_eq!(answer.headers["retry-after"], seconds.to_string().as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_beside_each_other_are_no_more() {
    let client = shared().client();
    let email = address(&client, "parallel").await;
    let mut guesses = tokio::task::JoinSet::new();
    for _ in 0..24 {
        let (client, body) = (client.clone(), log_in(&email, "wrong horse!"));
        guesses.spawn(async move { client.post("/v1/sessions", &body).await });
    }
    let answers = guesses.join_all().await;
    let judged = answers.iter().filter(|answer| answer.status == 401).count();
    let late = answers.iter().filter(|answer| answer.status == 429).count();
    let told: Vec<&str> = answers.iter().map(|answer| &*answer.text).collect();
    assert_eq!((judged, late), (10, 14), "{told:#?}");
}

#[tokio::test]
async fn the_right_password_clears_and_long_ones_are_not_hashed() {
    let client = shared().client();
    let email = address(&client, "cleared").await;
    for _ in 0..2 {
        for _ in 0..9 {
            client
                .post("/v1/sessions", &log_in(&email, "wrong horse!"))
                .await
                .refused(401, "bad-credentials");
        }
        client.post("/v1/sessions", &log_in(&email, "correct horse")).await.ok();
    }
    let long = client.post("/v1/sessions", &log_in(&email, &"x".repeat(1_025))).await;
    long.refused(422, "invalid");
    assert_eq!(long.json["field"], "password");
    let taken = json!({ "email": email, "password": "correct horse", "display_name": "x", "role": "tutor" });
    for _ in 0..5 {
        client.post("/v1/accounts", &taken).await.refused(409, "email-taken");
    }
    client.post("/v1/accounts", &taken).await.refused(429, "too-many-requests");
}

#[tokio::test]
async fn a_new_password_ends_what_the_old_one_opened() {
    let client = shared().client();
    let email = address(&client, "changed").await;
    let tokens = client.post("/v1/sessions", &log_in(&email, "correct horse")).await.ok();
    let stolen = client.post("/v1/sessions", &log_in(&email, "correct horse")).await.ok();
    let owner = client.with_token(tokens["access_token"].as_str().expect("a token"));
    let change = |current: &str, new: &str| json!({ "current": current, "new": new });
    client
        .put("/v1/me/password", &change("correct horse", "battery staple"))
        .await
        .refused(401, "unauthenticated");
    let wrong = owner.put("/v1/me/password", &change("wrong horse!", "battery staple")).await;
    wrong.refused(422, "invalid");
    assert_eq!(wrong.json["field"], "current");
    let own = owner.put("/v1/me/password", &change("correct horse", "battery staple")).await.ok();
    let refresh = |tokens: &Value| json!({ "refresh_token": tokens["refresh_token"] });
    for old in [&tokens, &stolen] {
        client.post("/v1/sessions/refresh", &refresh(old)).await.refused(401, "bad-token");
    }
    client.post("/v1/sessions", &log_in(&email, "correct horse")).await.refused(401, "bad-credentials");
    let own = client.post("/v1/sessions/refresh", &refresh(&own)).await.ok();
    // The tokens of before change nothing any more.
    owner.delete("/v1/me/sessions").await.refused(401, "bad-token");
    let owner = client.with_token(own["access_token"].as_str().expect("a token"));
    let body = json!({ "query": "mutation { endSessions }" });
    let ended = owner.post("/graphql", &body).await.ok();
    assert_eq!(ended["data"]["endSessions"], true, "{ended}");
    client.post("/v1/sessions/refresh", &refresh(&own)).await.refused(401, "bad-token");
    let newest = client.post("/v1/sessions", &log_in(&email, "battery staple")).await.ok();
    let owner = client.with_token(newest["access_token"].as_str().expect("a token"));
    assert_eq!(owner.delete("/v1/me/sessions").await.status, 204);
    client.post("/v1/sessions/refresh", &refresh(&newest)).await.refused(401, "bad-token");
    client.post("/v1/sessions", &log_in(&email, "battery staple")).await.ok();
}

#[tokio::test]
async fn a_session_is_refreshed_so_often_and_no_more() {
    let client = shared().client();
    let email = address(&client, "refreshed").await;
    let mut tokens = client.post("/v1/sessions", &log_in(&email, "correct horse")).await.ok();
    for _ in 0..60 {
        let refresh = json!({ "refresh_token": tokens["refresh_token"] });
        tokens = client.post("/v1/sessions/refresh", &refresh).await.ok();
    }
    let refresh = json!({ "refresh_token": tokens["refresh_token"] });
    // Too early it is refused, and is no second use.
    for _ in 0..2 {
        client.post("/v1/sessions/refresh", &refresh).await.refused(429, "too-many-requests");
    }
}

#[tokio::test]
async fn a_body_that_is_required_must_be_there() {
    let walk = Walk::begin(-23.41, -46.91).await;
    let circle = json!({ "centre": { "lat": -23.41, "lon": -46.91 }, "radius_m": 200.0 });
    let fences = walk.path("/fences");
    let set = walk.tutor.put(&fences, &json!({ "home": circle, "area": circle })).await.ok();
    let api = walk.tutor.get("/openapi.json").await.json;
    let mut checked = 0;
    for (path, operations) in api["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            if operation["requestBody"]["required"] != true {
                continue;
            }
            let id = walk.ride["id"].as_str().expect("an id");
            let path = path.replace("{id}", id).replace("{mark}", "01890a5d-ac96-774b-bcce-b302099a8057");
            let method: Method = method.to_uppercase().parse().expect("a method");
            for headers in
                [&[][..], &[("content-type", "application/json")], &[("content-type", "application/msgpack")]]
            {
                walk.tutor.raw(method.clone(), &path, headers, Vec::new()).await.refused(400, "malformed");
            }
            checked += 1;
        }
    }
    assert!(checked >= 20, "only {checked} operations need a body");
    assert_eq!(walk.tutor.get(&fences).await.ok(), set, "nothing was changed");
    // Where there is nothing to say, nothing need be said.
    let pause = walk.path("/pause");
    walk.walker.raw(Method::POST, &pause, &[], Vec::new()).await.ok();
    let resume = walk.path("/resume");
    walk.walker
        .raw(Method::POST, &resume, &[("content-type", "application/json")], b"{}".to_vec())
        .await
        .ok();
}

#[tokio::test]
async fn a_list_of_pets_is_counted_before_any_is_looked_up() {
    let (tutor, pet) = shared().client().tutor_with_pet().await;
    let quote = json!({ "pickup": { "lat": -23.55, "lon": -46.63 }, "duration_min": 30, "pet_ids": vec![pet; 5_000] });
    let answer = tutor.post("/v1/quotes", &quote).await;
    answer.refused(422, "invalid");
    assert_eq!(answer.json["field"], "pet_ids", "{}", answer.text);
}
