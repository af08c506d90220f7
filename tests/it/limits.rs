//! A component that traps, loops or eats memory costs its own request and no more.

use petwalker_tests::{TestNode, misbehave_config};

#[tokio::test(flavor = "multi_thread")]
async fn misbehaviour_stays_where_it_is() {
    let node = TestNode::start(misbehave_config).await;
    let client = node.client();
    assert_eq!(client.get("/fine").await.text, "fine");
    for _ in 0..3 {
        client.get("/trap").await.refused(500, "component-failed");
        assert_eq!(client.get("/fine").await.text, "fine");
    }
    client.get("/eat").await.refused(500, "component-failed");
    assert_eq!(client.get("/fine").await.text, "fine");
    let (looping, fine) = tokio::join!(client.get("/loop"), async {
        let mut answers = 0;
        for _ in 0..50 {
            answers += u32::from(client.get("/fine").await.status == 200);
        }
        answers
    });
    assert!(matches!(looping.status, 500 | 504), "{}", looping.text);
    // Requests that the looping instance had taken may go down with it; the node answers the others.
    assert!(fine >= 40, "only {fine} of 50 were answered beside a loop");
    assert_eq!(client.get("/fine").await.text, "fine");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_gets_what_its_manifest_grants() {
    let node = TestNode::start(misbehave_config).await;
    let client = node.client();
    let sql = client.get("/sql").await;
    assert_eq!(sql.text, "200 rows, last 200, changed 1");
    assert_eq!(client.get("/undone").await.text, "Some(0)");
    assert!(client.get("/other-database").await.text.contains("AccessDenied"));
    assert_eq!(client.get("/key-value").await.text, "false Some([50])");
    assert_eq!(client.get("/variable").await.text, "hello, world");
    assert!(client.get("/no-variable").await.text.contains("Undefined"));
    for (url, expected) in [
        ("http://example.com/", "HttpRequestDenied"),
        ("http://127.0.0.1:1/", "DestinationIpProhibited"),
        ("https://not-a-host.invalid/", "HttpRequestDenied"),
    ] {
        let answer = client.get(&format!("/fetch?{url}")).await;
        assert!(answer.text.contains(expected), "{url}: {}", answer.text);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_component_says_so() {
    let node = TestNode::start(|data| {
        let mut config = misbehave_config(data);
        config.limits.concurrent_requests = 1;
        config
    })
    .await;
    // Sent at once, one is taken and loops until its time is over; the others come while it does.
    let mut sent = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let client = node.client();
        sent.spawn(async move { client.get("/loop").await });
    }
    let answers = sent.join_all().await;
    let refused: Vec<_> = answers.iter().filter(|a| a.status == 503).collect();
    assert!((1..8).contains(&refused.len()), "{} of 8 were refused", refused.len());
    for answer in refused {
        answer.refused(503, "overloaded");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    assert_eq!(node.client().get("/fine").await.text, "fine");
    node.stop().await;
}
