//! Ollama's own protocol.

use hyper::Method;
use serde_json::{Value, json};

use super::Fixture;
use super::client::{Answer, Client};

async fn client(fixture: &Fixture) -> Client {
    fixture.client().await.with("content-type", "application/json")
}

fn lines(answer: &Answer) -> Vec<Value> {
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn lines_hold_pieces_and_the_last_is_done() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let request = json!({"model": "sandbox-small", "messages": [{"role": "user", "content": "one"}]});
    let answer = client.post("/api/chat", &request).await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines = lines(&answer);
    let text: String = lines.iter().map(|line| line["message"]["content"].as_str().unwrap()).collect();
    assert_eq!(text, "You said: one");
    let dones: Vec<bool> = lines.iter().map(|line| line["done"].as_bool().unwrap()).collect();
    assert_eq!(dones, [false, false, false, true]);
    assert_eq!(lines[3]["done_reason"], "stop");
    assert_eq!((&lines[3]["prompt_eval_count"], &lines[3]["eval_count"]), (&json!(1), &json!(3)));
    let error = client.post("/api/chat?sandbox=error-event=1", &request).await;
    assert!(error.text.lines().last().unwrap().starts_with(r#"{"error":"#));
}

#[tokio::test]
async fn tools_have_objects_for_arguments_and_no_ids() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let mut request = json!({"model": "sandbox-small", "messages": [{"role": "user", "content": "x"}], "stream": false,
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]});
    let call = json!({"function": {"name": "weather", "arguments": {"city": "x"}}});
    assert_eq!(client.post("/api/chat", &request).await.json()["message"]["tool_calls"], json!([call]));
    request["messages"] = json!([{"role": "user", "content": "x"}, {"role": "tool", "content": "warm"}]);
    assert_eq!(client.post("/api/chat", &request).await.json()["message"]["content"], "The tool said: warm");
}

#[tokio::test]
async fn generate_and_tags_and_errors() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let request =
        json!({"model": "sandbox-large:latest", "prompt": "one", "stream": false, "options": {"num_predict": 2}});
    let answer = client.post("/api/generate", &request).await.json();
    assert_eq!((&answer["response"], &answer["done_reason"]), (&json!("You said:"), &json!("length")));
    assert_eq!(client.get("/api/tags").await.json()["models"][0]["name"], "sandbox-large:latest");
    let unknown = client.post("/api/generate", &json!({"model": "none", "prompt": "x"})).await;
    assert_eq!((unknown.status.as_u16(), unknown.json()), (404, json!({"error": "model 'none' not found"})));
    assert_eq!(client.send(Method::POST, "/api/chat", "{").await.status, 400);
}
