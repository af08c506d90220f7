//! What people are told of, and what the figures say, from the same events.

use petwalker_tests::{Client, TestNode, config};
use serde_json::{Value, json};

use crate::live::Walk;
use crate::rides::{act, until};

async fn kinds(client: &Client) -> Vec<String> {
    let page = client.get("/v1/notifications").await.ok();
    let told = page["notifications"].as_array().expect("a list").iter();
    told.map(|told| told["kind"].as_str().expect("a kind").to_owned()).collect()
}

fn told_of(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |page| page["notifications"][0]["kind"] == kind
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_told_once_and_the_figures_count_once() {
    let node = TestNode::start(config).await;
    let client = node.client();
    let walk = Walk::begin_on(&client, -23.11, -46.11).await;
    act(&walk.walker, &walk.ride, "complete", &json!({})).await.ok();
    let (tutor, pet) = client.tutor_with_pet().await;
    let ride = tutor.request_ride(&pet, -23.11, -46.11).await;
    act(&walk.walker, &ride, "accept", &json!({})).await.ok();
    act(&tutor, &ride, "cancel", &json!({})).await.ok();
    until(&walk.tutor, "/v1/notifications", told_of("ride-completed")).await;
    until(&walk.walker, "/v1/notifications", told_of("ride-cancelled")).await;
    // Once more from the beginning: nothing is told or counted again.
    let node = node.restart(config).await;
    let at = |who: &Client| who.at(&node.url);
    let story = ["ride-completed", "ride-started", "walker-arrived", "ride-accepted"];
    assert_eq!(kinds(&at(&walk.tutor)).await, story);
    let theirs = ["ride-cancelled", "ride-offered", "ride-completed", "ride-offered"];
    assert_eq!(kinds(&at(&walk.walker)).await, theirs);
    assert_eq!(kinds(&at(&tutor)).await, ["ride-accepted"]);

    let reader = at(&walk.tutor);
    let page = reader.get("/v1/notifications?limit=2&locale=en-GB").await.ok();
    assert_eq!(
        (&page["unread"], &page["notifications"][0]["title"]),
        (&json!(4), &json!("The walk is done"))
    );
    assert_eq!(page["notifications"][0]["ride_id"], walk.ride["id"]);
    let rest = format!("/v1/notifications?cursor={}", page["next"].as_str().expect("more"));
    let rest = reader.get(&rest).await.ok();
    assert_eq!(rest["notifications"][0]["title"], "O passeador chegou");
    let up_to = json!({ "up_to": rest["notifications"][0]["id"] });
    for _ in 0..2 {
        assert_eq!(reader.put("/v1/notifications/read", &up_to).await.ok()["unread"], 2);
    }
    reader.get("/v1/notifications?limit=0").await.refused(422, "invalid");
    reader.put("/v1/notifications/read", &json!({ "up_to": "x" })).await.refused(422, "invalid");
    let query = "query { notifications(limit: 1, locale: \"en\") { unread notifications { kind read } } }";
    let told = reader.post("/graphql", &json!({ "query": query })).await.ok();
    assert_eq!(told["data"]["notifications"]["unread"], 2, "{told}");
    let all = format!("mutation {{ markNotificationsRead(upTo: {}) }}", page["notifications"][0]["id"]);
    let read = reader.post("/graphql", &json!({ "query": all })).await.ok();
    assert_eq!(read["data"]["markNotificationsRead"], 0, "{read}");

    let operator = node.client().join_as_operator(node.folder.path()).await;
    let today = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    let yesterday = today.yesterday().expect("a day");
    let days = format!("/v1/insights/days?since={yesterday}&until={today}&region=sao-paulo-centro");
    let days = operator.get(&days).await.ok();
    let sum = |figure: &str| {
        let days = days["days"].as_array().expect("days").iter();
        days.map(|day| day[figure].as_u64().expect("a figure")).sum::<u64>()
    };
    let figures = ["requested", "offers", "accepted", "completed", "cancelled", "expired"].map(sum);
    assert_eq!(figures, [2, 2, 2, 1, 1, 0], "{days}");
    reader.get(&format!("/v1/insights/days?since={today}&until={today}")).await.refused(403, "forbidden");
    operator.get(&format!("/v1/insights/days?since={today}&until={yesterday}")).await.refused(422, "invalid");
    let query =
        format!("query {{ insightDays(since: \"{yesterday}\", until: \"{today}\") {{ region completed }} }}");
    let told = operator.post("/graphql", &json!({ "query": query })).await.ok();
    assert!(told["data"]["insightDays"].as_array().is_some_and(|days| !days.is_empty()), "{told}");
    node.stop().await;
}
