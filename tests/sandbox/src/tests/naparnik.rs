//! 1C:Naparnik: headers, shapes, turns, tools.

use hyper::Method;
use serde_json::{Value, json};

use super::Fixture;
use super::client::{Answer, Client};

const CREATE: &str = "/naparnik/chat_api/v1/conversations/";

async fn client(fixture: &Fixture) -> Client {
    fixture.client().await.with("content-type", "application/json").with("authorization", "sandbox-token")
}

/// The path of a new conversation's messages, and its root.
async fn conversation(client: &mut Client, skill: &str) -> (String, Value) {
    let answer = client.post(CREATE, &json!({"skill_name": skill, "is_chat": true})).await.json();
    (format!("{CREATE}{}/messages", answer["uuid"].as_str().unwrap()), answer["root_message_uuid"].clone())
}

fn says(parent: &Value, instruction: &str) -> Value {
    json!({"parent_uuid": parent, "role": "user", "content": {"content": {"instruction": instruction}, "tools": []}})
}

fn returns(parent: &Value, content: &Value) -> Value {
    json!({"parent_uuid": parent, "role": "tool", "content": content})
}

/// The last finished message of the assistant.
fn finished(answer: &Answer) -> Value {
    let is_end = |event: &Value| event["role"] == "assistant" && event["finished"] == true;
    answer.events().into_iter().rfind(is_end).unwrap_or_else(|| panic!("{} {}", answer.status, answer.text))
}

fn message(answer: &Answer) -> String {
    answer.json()["error"][0]["msg"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn headers_are_taken_to_the_letter() {
    let fixture = Fixture::start();
    let create = json!({"skill_name": "custom", "is_chat": true});
    for (header, value, status) in [
        ("content-type", "application/json; charset=utf-8", 400),
        ("authorization", "Bearer sandbox-token", 401),
        ("authorization", "stranger", 401),
        ("authorization", "sandbox-token-2", 200),
    ] {
        let mut client = client(&fixture).await.with(header, value);
        let answer = client.post(CREATE, &create).await;
        assert_eq!(answer.status, status, "{value}");
        assert!(status != 400 || answer.text == "error parsing the body");
    }
    let mut client = client(&fixture).await;
    assert_eq!(client.post(CREATE.trim_end_matches('/'), &create).await.status, 404);
    assert_eq!(client.send(Method::POST, CREATE, "{").await.text, "error parsing the body");
    assert_eq!(client.post(CREATE, &json!({"skill_name": "none", "is_chat": true})).await.status, 422);
}

#[tokio::test]
async fn an_answer_tells_the_turn_so_a_lost_history_shows() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let (path, root) = conversation(&mut client, "raw").await;
    let first = client.post(&path, &says(&root, "привет")).await;
    assert!(first.text.starts_with(": heartbeat "));
    let events = first.events();
    assert_eq!((&events[0]["role"], &events[0]["finished"]), (&json!("user"), &json!(true)));
    assert_eq!((&events[1]["role"], &events[1]["content"]), (&json!("assistant"), &Value::Null));
    assert_eq!(events[2]["content_delta"]["content"], "Ход ");
    let end = finished(&first);
    assert_eq!(end["content"]["content"], "Ход 1. Вы сказали: привет");
    assert_eq!(end["details"]["finish_reason"], "stop");
    assert!(end["details"]["max_context_length"].is_u64());

    let second = client.post(&path, &says(&end["uuid"], "ещё")).await;
    assert_eq!(finished(&second)["content"]["content"], "Ход 2. Вы сказали: ещё");
    let lost = client.post(&path, &says(&Value::Null, "ещё")).await;
    assert_eq!(finished(&lost)["content"]["content"], "Ход 1. Вы сказали: ещё");
    assert_eq!(client.post(&path, &says(&json!("none"), "ещё")).await.status, 422);
    let mut other = client.with("authorization", "sandbox-token-2");
    assert_eq!(other.post(&path, &says(&root, "привет")).await.status, 404);
}

#[tokio::test]
async fn shapes_depend_on_the_role() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let (path, root) = conversation(&mut client, "raw").await;
    let text = json!({"parent_uuid": root, "role": "user", "content": "привет"});
    assert_eq!(message(&client.post(&path, &text).await), "Value error, content of a user's message must be an object");
    let object = returns(&root, &json!({"tool_call_id": "x", "status": "ok", "content": "y"}));
    assert_eq!(message(&client.post(&path, &object).await), "Value error, content of a tool's message must be a list");
    let nested = json!({"role": "user", "content": {"content": {"instruction": "x"}, "tools": [{"function": {}}]}});
    assert!(message(&client.post(&path, &nested).await).contains("name, description and parameters"));
    let none = returns(&root, &json!([{"tool_call_id": "x", "status": "accepted", "content": null}]));
    let answer = client.post(&path, &none).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.json()["error"], "No tool calls found in the previous assistant message");
}

#[tokio::test]
async fn the_service_searches_when_it_may() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let (path, root) = conversation(&mut client, "custom").await;
    let asked = finished(&client.post(&path, &says(&root, "search стандарт")).await);
    assert_eq!(asked["details"]["finish_reason"], "tool_calls");
    let call = &asked["content"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "mcp__knowledge-hub__Search_ITS");
    assert_eq!(call["function"]["arguments"], r#"{"query":"search стандарт"}"#);
    let result =
        |status: &str, content: Value| json!([{"tool_call_id": call["id"], "status": status, "content": content}]);
    let refused = client.post(&path, &returns(&asked["uuid"], &result("accepted", json!("text")))).await;
    assert_eq!(message(&refused), "Value error, content must be null when the status is 'accepted'");
    let refused = client.post(&path, &returns(&asked["uuid"], &result("ok", json!("text")))).await;
    assert!(message(&refused).contains("Server tools can only have"));

    let accepted = returns(&asked["uuid"], &result("accepted", Value::Null));
    let answer = client.post(&path, &accepted).await;
    assert!(answer.events().iter().any(|event| event["role"] == "tool" && event["finished"] == true));
    assert_eq!(finished(&answer)["content"]["content"], "Ход 1. Инструмент вернул: Найдено 10 результатов");
    assert_eq!(client.post(&path, &accepted).await.status, 422);
    let (path, root) = conversation(&mut client, "raw").await;
    let plain = finished(&client.post(&path, &says(&root, "search стандарт")).await);
    assert_eq!(plain["details"]["finish_reason"], "stop");
}

#[tokio::test]
async fn the_callers_tools_return_texts() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let (path, root) = conversation(&mut client, "custom").await;
    let parameters = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let mut request = says(&root, "опиши");
    request["content"]["tools"] = json!([{"name": "Describe", "description": "d", "parameters": parameters}]);
    let asked = finished(&client.post(&format!("{path}?sandbox=tool-calls=2"), &request).await);
    let ids: Vec<&Value> = asked["content"]["tool_calls"].as_array().unwrap().iter().map(|call| &call["id"]).collect();
    assert_eq!(asked["content"]["tool_calls"][0]["function"]["arguments"], r#"{"name":"опиши"}"#);
    let result = |id: &Value, status: &str| json!({"tool_call_id": id, "status": status, "content": "готово"});
    let accepted = returns(&asked["uuid"], &json!([result(ids[0], "accepted"), result(ids[1], "ok")]));
    assert_eq!(
        message(&client.post(&path, &accepted).await),
        "Value error, Client tools can only have 'ok', 'rejected', 'error', or 'timeout' status, got 'accepted'"
    );
    let one = returns(&asked["uuid"], &json!([result(ids[0], "ok")]));
    assert!(message(&client.post(&path, &one).await).contains("must be answered"));
    let both = returns(&asked["uuid"], &json!([result(ids[0], "ok"), result(ids[1], "timeout")]));
    let answer = finished(&client.post(&path, &both).await);
    assert_eq!(answer["content"]["content"], "Ход 1. Инструмент вернул: готово, готово");
}

#[tokio::test]
async fn one_message_at_a_time() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let (path, root) = conversation(&mut client, "raw").await;
    let held = {
        let mut client = self::client(&fixture).await;
        let (path, root) = (format!("{path}?sandbox=hold=answer"), root.clone());
        tokio::spawn(async move { client.post(&path, &says(&root, "раз")).await.status })
    };
    client.control("wait-held/answer").await;
    assert_eq!(client.post(&path, &says(&root, "два")).await.status, 423);
    client.control("release/answer").await;
    assert_eq!(held.await.unwrap(), 200);
    assert_eq!(client.post(&path, &says(&root, "два")).await.status, 200);
}

#[tokio::test]
async fn streams_have_their_oddities() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let (path, root) = conversation(&mut client, "raw").await;
    let asked = |fault: &str| format!("{path}?sandbox={fault}");
    let two = client.post(&asked("two-messages"), &says(&root, "x")).await;
    let ends: Vec<Value> = two.events().into_iter().filter(|event| event["details"].is_object()).collect();
    assert_eq!((ends.len(), &ends[0]["content"]["content"]), (2, &json!("'Search_ITS' is unknown tool.")));
    let delta = client.post(&asked("delta-string"), &says(&root, "x")).await;
    assert_eq!(delta.events()[2]["content_delta"], "Ход ");
    let repeated = finished(&client.post(&asked("repeat-delta"), &says(&root, "x")).await);
    assert_eq!(repeated["content_delta"]["content"], "x");
    let thought = finished(&client.post(&asked("think"), &says(&root, "x")).await);
    assert!(thought["content"]["content"].as_str().unwrap().starts_with("<think>"));
    let done = client.post(&asked("done"), &says(&root, "x")).await;
    assert_eq!(done.data().last(), Some(&"[DONE]"));
    let beats = client.post(&asked("heartbeats=1,truncate=200"), &says(&root, "x")).await;
    assert!(!beats.whole && beats.data().is_empty() && beats.text.starts_with(": heartbeat "));
    let rate = client.post(&asked("error=naparnik-rate,seconds=7"), &says(&root, "x")).await;
    assert_eq!(rate.status, 429);
    assert_eq!(rate.json()["error"], "Rate limit exceeded for message creation. Try again in 7 seconds.");
}
