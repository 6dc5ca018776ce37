//! OpenAI-compatible answers beyond the plain chat.

use serde_json::{Value, json};

use super::Fixture;
use super::client::Client;

const CHAT: &str = "/v1/chat/completions";

async fn client(fixture: &Fixture) -> Client {
    fixture.client().await.with("content-type", "application/json")
}

fn with_tools(stream: bool) -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}});
    json!({
        "model": "sandbox-small",
        "messages": [{"role": "user", "content": "Погода"}],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": parameters}}],
        "stream": stream,
    })
}

fn asked(fault: &str) -> String {
    format!("{CHAT}?sandbox={fault}")
}

#[tokio::test]
async fn tools_are_called_and_their_results_told() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let answer = client.post(CHAT, &with_tools(false)).await.json();
    let choice = &answer["choices"][0];
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&json!("tool_calls"), &Value::Null));
    assert_eq!(call["function"]["arguments"], r#"{"city":"Погода","days":7}"#);
    assert!(call["id"].as_str().unwrap().starts_with("call_"));

    let mut request = with_tools(false);
    request["messages"] = json!([{"role": "user", "content": "x"}, choice["message"],
        {"role": "tool", "tool_call_id": call["id"], "content": "тепло"}]);
    let answer = client.post(CHAT, &request).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "The tool said: тепло");
    request = with_tools(false);
    request["tool_choice"] = "none".into();
    assert_eq!(client.post(CHAT, &request).await.json()["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn calls_stream_in_fragments_by_index() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let answer = client.post(&asked("tool-calls=2"), &with_tools(true)).await;
    let mut arguments = [String::new(), String::new()];
    let mut ids = 0;
    for event in answer.events() {
        for call in event["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let at = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            arguments[at] += call["function"]["arguments"].as_str().unwrap();
            ids += usize::from(call["id"].is_string());
        }
    }
    assert_eq!(arguments, [r#"{"city":"Погода","days":7}"#; 2]);
    assert_eq!(ids, 2);
    let answer = client.post(&asked("no-tool-id"), &with_tools(false)).await.json();
    assert!(answer["choices"][0]["message"]["tool_calls"][0].get("id").is_none());
}

#[tokio::test]
async fn streams_depart_from_the_plain_course() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let hello = json!({"model": "m", "messages": [{"role": "user", "content": "Привет"}], "stream": true});
    let comments = client.post(&asked("comments"), &hello).await;
    assert!(comments.text.starts_with(": keep-alive\n\ndata: "));
    let thought = client.post(&asked("reasoning"), &hello).await;
    assert_eq!(thought.events()[1]["choices"][0]["delta"], json!({"reasoning_content": "The "}));
    let finish = client.post(&asked("finish=tired,usage-in-finish"), &hello).await.events();
    assert_eq!(finish.last().unwrap()["choices"][0]["finish_reason"], "tired");
    assert_eq!(finish.last().unwrap()["usage"]["completion_tokens"], 3);
    let error = client.post(&asked("error-event=2"), &hello).await;
    assert_eq!(error.events()[2]["error"]["code"], 502);
    let short = client.post(&asked("end-after=2"), &hello).await;
    assert!(short.whole && short.data().len() == 2);
    assert!(client.post(&asked("crlf"), &hello).await.text.contains("\r\n\r\ndata: "));
    assert!(client.post(&asked("bom"), &hello).await.text.starts_with("\u{feff}data: "));
    let big = client.post(&asked("answer-size=10000000"), &hello).await;
    assert!(big.data().iter().any(|data| data.len() > 10_000_000));
}

#[tokio::test]
async fn a_stream_ends_at_every_byte() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let hello = json!({"model": "m", "messages": [{"role": "user", "content": "ё"}], "stream": true});
    let whole = client.post(&asked("model=m"), &hello).await.text.len();
    for at in [0, 1, 10, whole / 2, whole - 1, whole] {
        let answer = client.post(&asked(&format!("end-at={at}")), &hello).await;
        assert!(answer.whole && answer.frames.concat().len() == at, "{at}");
        let answer = client.post(&asked(&format!("truncate={at}")), &hello).await;
        assert!(!answer.whole && answer.frames.concat().len() == at, "{at}");
    }
    let answer = client.post(&asked("split=1"), &hello).await;
    assert!(answer.text.contains("ё") && answer.whole);
}

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let hello = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    let blank = client.post(&asked("leading-blank=3"), &hello).await;
    assert!(blank.text.starts_with("\n\n\n{") && blank.json()["object"] == "chat.completion");
    let cut = client.post(&asked("cut-json"), &hello).await;
    assert!(cut.whole && serde_json::from_str::<Value>(&cut.text).is_err());
    let typed = client.post(&asked("content-type=text/plain"), &hello).await;
    assert_eq!(typed.header("content-type"), "text/plain");
    let page = client.post(&asked("html"), &hello).await;
    assert!(page.status == 200 && page.text.starts_with("<html>"));
}

#[tokio::test]
async fn refusals_and_when_to_come_again() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let hello = json!({"model": "m", "messages": [{"role": "user", "content": "one two three"}]});
    for (fault, status, text) in [
        ("error=openai-insufficient-quota", 429, "insufficient_quota"),
        ("error=openai-context", 400, "context_length_exceeded"),
        ("error=llama-context", 400, "exceed_context_size_error"),
        ("error=llama-loading", 503, "Loading model"),
        ("error=deepseek-payment", 402, "Insufficient Balance"),
        ("error=fastapi-detail", 400, r#"{"detail":"#),
    ] {
        let answer = client.post(&asked(fault), &hello).await;
        assert!(answer.status == status && answer.text.contains(text), "{}", answer.text);
    }
    for (fault, header, value) in [
        ("retry-after=1.5", "retry-after", "1.5"),
        ("retry-after-ms=1500", "retry-after-ms", "1500"),
        ("retry-after-date=60", "retry-after", " GMT"),
        ("header=x-should-retry:false", "x-should-retry", "false"),
    ] {
        let answer = client.post(&asked(&format!("status=429,{fault}")), &hello).await;
        assert!(answer.status == 429 && answer.header(header).ends_with(value), "{fault}");
    }
    client.control("set?openai.context=2&openai.api-key=k").await;
    assert_eq!(client.post(CHAT, &hello).await.json()["error"]["code"], "invalid_api_key");
    let mut client = client.with("authorization", "Bearer k");
    assert_eq!(client.post(CHAT, &hello).await.json()["error"]["code"], "context_length_exceeded");
}

#[tokio::test]
async fn embeddings_come_as_numbers_and_as_base64() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let mut request = json!({"model": "m", "input": ["раз", "два"], "dimensions": 2});
    let numbers = client.post("/v1/embeddings", &request).await.json();
    assert_eq!(numbers["data"][1]["embedding"].as_array().unwrap().len(), 2);
    request["encoding_format"] = "base64".into();
    let text = client.post("/v1/embeddings", &request).await.json();
    assert_eq!(text["data"][1]["embedding"].as_str().unwrap().len(), 12);
    request["input"] = 1.into();
    assert_eq!(client.post("/v1/embeddings", &request).await.status, 400);
    assert_eq!(client.get("/v1/models/sandbox-small").await.json()["id"], "sandbox-small");
    assert_eq!(client.get("/v1/models/none").await.status, 404);
}
