//! What cannot be read or is out of range is refused precisely, changes nothing, and the node serves on.

use petwalker_tests::shared;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn bad_bodies_get_precise_errors() {
    let (tutor, pet) = shared().client().tutor_with_pet().await;
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    /// Content type, body, status, code, field.
    type Case = (&'static str, Vec<u8>, u16, &'static str, Option<&'static str>);
    let cases: &[Case] = &[
        ("application/json", b"{".to_vec(), 400, "malformed", None),
        ("application/json", b"\xff\xfe".to_vec(), 400, "malformed", None),
        ("application/json", b"{} {}".to_vec(), 400, "malformed", None),
        ("application/json", deep.into_bytes(), 400, "malformed", None),
        ("application/json", br#"{"pickup":{"lat":"x"}}"#.to_vec(), 400, "malformed", Some("pickup.lat")),
        ("application/json", br#"{"pickup":{"lat":NaN}}"#.to_vec(), 400, "malformed", Some("pickup.lat")),
        ("application/json", br#"{"surprise":1}"#.to_vec(), 400, "malformed", Some("surprise")),
        ("application/msgpack", vec![0xc1], 400, "malformed", None),
        ("application/msgpack", vec![0xdf, 0xff, 0xff, 0xff, 0xff], 400, "malformed", None),
        ("application/msgpack", [vec![0x91; 4_000], vec![0xc0]].concat(), 400, "malformed", None),
        ("text/plain", b"hello".to_vec(), 415, "unsupported-media-type", None),
    ];
    for (kind, body, status, code, field) in cases {
        let answer = tutor.raw(Method::POST, "/v1/quotes", &[("content-type", kind)], body.clone()).await;
        answer.refused(*status, code);
        if let Some(field) = field {
            assert_eq!(answer.json["field"], *field, "{}", answer.text);
        }
    }
    let quote = |lat: f64, lon: f64, minutes: i64| json!({ "pickup": { "lat": lat, "lon": lon }, "duration_min": minutes, "pet_ids": [pet] });
    for (body, status, code, field) in [
        (quote(91.0, 0.0, 30), 422, "invalid", "pickup"),
        (quote(-23.55, 181.0, 30), 422, "invalid", "pickup"),
        (quote(-23.55, -46.63, 14), 422, "invalid", "duration_min"),
        (quote(-23.55, -46.63, -1), 400, "malformed", "duration_min"),
        (quote(-23.55, -46.63, 1 << 40), 400, "malformed", "duration_min"),
    ] {
        let answer = tutor.post("/v1/quotes", &body).await;
        answer.refused(status, code);
        assert_eq!(answer.json["field"], field, "{}", answer.text);
    }
    tutor.post("/v1/quotes", &quote(40.0, 10.0, 30)).await.refused(422, "no-tariff");
    let mut stranger = quote(-23.55, -46.63, 30);
    stranger["pet_ids"] = json!(["01890a5d-ac96-774b-bcce-b302099a8057"]);
    tutor.post("/v1/quotes", &stranger).await.refused(404, "not-found");
    let mut coupon = quote(-23.55, -46.63, 30);
    coupon["coupon"] = json!("'; DROP TABLE coupons; --");
    tutor.post("/v1/quotes", &coupon).await.refused(422, "coupon-refused");
    tutor.post("/v1/quotes", &quote(-23.55, -46.63, 30)).await.ok();
}

#[tokio::test]
async fn absurd_sizes_are_refused() {
    let client = shared().client();
    let body = vec![b' '; 2 << 20];
    let answer =
        client.raw(Method::POST, "/v1/accounts", &[("content-type", "application/json")], body).await;
    assert_eq!(answer.status, 413, "{}", answer.text);
    let long = "x".repeat(60_000);
    let huge_header = reqwest::Client::new()
        .get(format!("{}/v1/hello", shared().url))
        .header("x-long", long)
        .send()
        .await
        .map(|r| r.status().as_u16());
    assert!(matches!(huge_header, Ok(431) | Err(_)), "{huge_header:?}");
    assert_eq!(client.get("/v1/hello").await.status, 200);
}

#[tokio::test]
async fn paths_and_queries_are_read_strictly() {
    let client = shared().client();
    let walker = client.join("walker").await;
    client.get("/v1/nothing").await.refused(404, "not-found");
    client.raw(Method::DELETE, "/v1/pets", &[], Vec::new()).await.refused(405, "method-not-allowed");
    walker.get("/v1/walkers/nearest").await.refused(400, "malformed");
    walker.get("/v1/walkers/nearest?lat=NaN&lon=0").await.refused(422, "invalid");
    walker.get("/v1/walkers/nearest?lat=0&lon=0&limit=51").await.refused(422, "invalid");
    walker.get("/v1/rides?limit=0").await.refused(422, "invalid");
    walker.get("/v1/rides?cursor=x").await.refused(422, "invalid");
    walker.get("/v1/rides/not-an-id").await.refused(404, "not-found");
}
