//! Control calls: settings, armed faults, quotas, counters, and what was received.

use hyper::Method;
use serde_json::json;

use super::Fixture;

const MODELS: &str = "/v1/models";

#[tokio::test]
async fn armed_faults_meet_the_next_requests_of_a_path() {
    let fixture = Fixture::start();
    let mut client = fixture.client().await;
    client.control("arm?path=/v1/models&faults=status=503,retry-after=0.5&count=2").await;
    client.control("arm?path=/v1/models&faults=status=500").await;
    assert_eq!(client.control("arm?path=/gigachat/*&faults=close").await, "armed=4\n");
    assert_eq!(client.get("/v1/models/sandbox-small").await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.get(MODELS).await.status.as_u16());
    }
    assert_eq!(statuses, [503, 503, 500, 200]);
    assert!(client.try_send(Method::GET, "/gigachat/api/v1/models", "").await.is_err());
    assert_eq!(client.counter("armed").await, 0);
    assert_eq!(client.counter("status:/v1/models:503").await, 2);
    let refused = client.send(Method::POST, "/control/arm?path=/v1/models&faults=explode", "").await;
    assert!(refused.status == 400 && refused.text.contains("explode"));
}

#[tokio::test]
async fn settings_are_known_by_name() {
    let fixture = Fixture::start();
    let mut client = fixture.client().await;
    let settings = client.control("set?gigachat.concurrency=3").await;
    assert!(settings.contains("gigachat.concurrency=3\n") && settings.contains("yandex.folder=b1gsandbox\n"));
    for bad in ["nothing=1", "gigachat.concurrency=x"] {
        assert_eq!(client.send(Method::POST, &format!("/control/set?{bad}"), "").await.status, 400);
    }
    client.control("reset").await;
    assert!(client.control("settings").await.contains("gigachat.concurrency=0\n"));
}

#[tokio::test]
async fn a_quota_counts_each_credential() {
    let fixture = Fixture::start();
    let mut client = fixture.client().await.with("authorization", "Bearer a");
    client.control("set?quota=2/3600000").await;
    let first = client.get(MODELS).await;
    let told = |name: &str| first.header(&format!("x-ratelimit-{name}-requests"));
    assert_eq!((told("limit"), told("remaining")), ("2", "1"));
    assert!(told("reset").ends_with('s') && told("reset").contains('m'), "{}", told("reset"));
    assert_eq!(client.get(MODELS).await.header("x-ratelimit-remaining-requests"), "0");
    let refused = client.get(MODELS).await;
    assert_eq!(refused.status, 429);
    let ms: u64 = refused.header("retry-after-ms").parse().unwrap();
    assert!((3_000_000..=3_600_001).contains(&ms) && !refused.header("retry-after").is_empty());
    let mut other = fixture.client().await.with("authorization", "Bearer b");
    assert_eq!(other.get(MODELS).await.status, 200);

    client.control("set?quota-headers=0").await;
    let silent = client.get(MODELS).await;
    assert!(silent.header("x-ratelimit-limit-requests").is_empty() && !silent.header("retry-after").is_empty());
    assert_eq!((client.counter("quota.taken").await, client.counter("quota.refused").await), (3, 2));
    let asked = client.get("/v1/models?sandbox=quota=9/1000").await;
    assert_eq!(asked.header("x-ratelimit-limit-requests"), "9");
}

#[tokio::test]
async fn what_was_received_is_told() {
    let fixture = Fixture::start();
    let mut client = fixture.client().await.with("x-mine", "yes").with("content-type", "application/json");
    client.post("/v1/embeddings?a=1", &json!({"model": "m", "input": "x"})).await;
    client.get(MODELS).await;
    let last = client.get("/control/last").await.json();
    assert_eq!((&last["method"], &last["path"]), (&json!("GET"), &json!(MODELS)));
    let last = client.get("/control/last?path=/v1/embeddings").await.json();
    assert_eq!((&last["headers"]["x-mine"], &last["body"]["input"]), (&json!("yes"), &json!("x")));
    assert_eq!(client.get("/control/last?back=1").await.json()["query"], "a=1");
    assert_eq!(client.get("/control/last?back=2").await.status, 404);
    assert_eq!(client.counter("requests:/v1/models").await, 1);
    assert_eq!(client.counter("openai.connections").await, 1);
}

#[tokio::test]
async fn connections_are_dropped_without_notice() {
    let fixture = Fixture::start();
    let mut client = fixture.client().await;
    assert_eq!(client.get("/v1/models?sandbox=drop-next").await.status, 200);
    assert!(client.try_send(Method::GET, MODELS, "").await.is_err());
    assert_eq!(client.get(MODELS).await.status, 200);
    assert_eq!(client.get("/v1/models?sandbox=drop-idle=0").await.status, 200);
    drop(client);
    fixture.first.stats.connections_open_at_most(0).await;
    let mut client = fixture.client().await;
    client.control("set?keep-alive=15").await;
    assert_eq!(client.get(MODELS).await.header("keep-alive"), "timeout=15");
}

#[test]
fn the_page_names_all_that_can_be_asked_for() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sandbox.md")).unwrap();
    let settings = crate::settings::Settings::default().lines();
    let mut names: Vec<String> = settings.lines().map(|line| line.split_once('=').unwrap().0.to_owned()).collect();
    names.extend(crate::quirks::names().chain(crate::errors::names()).map(str::to_owned));
    for name in names {
        let told = page.contains(&format!("`{name}`")) || page.contains(&format!("`{name}="));
        assert!(told, "docs/sandbox.md does not name {name}");
    }
}
