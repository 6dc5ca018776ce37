//! GigaChat: what it refuses, and how it answers.

use hyper::Method;
use serde_json::{Value, json};

use super::Fixture;
use super::client::{Answer, Client};

const UUID: &str = "6f0b1291-c7f3-43c6-bb2e-9f3efb2dc98e";
/// `client:secret`, `other:secret` and `client:wrong` in base64.
const KEY: &str = "Y2xpZW50OnNlY3JldA==";
const WRONG_KEY: &str = "Y2xpZW50Ondyb25n";
const CHAT: &str = "/gigachat/api/v1/chat/completions";
const CHAT2: &str = "/gigachat/api/v2/chat/completions";

async fn oauth_client(fixture: &Fixture) -> Client {
    let client = fixture.client().await.with("user-agent", "test").with("rquid", UUID);
    client.with("authorization", &format!("Basic {KEY}")).with("content-type", "application/x-www-form-urlencoded")
}

async fn token(fixture: &Fixture, scope: &str) -> Value {
    let mut client = oauth_client(fixture).await;
    client.send(Method::POST, "/gigachat/oauth", &format!("scope={scope}")).await.json()
}

/// A client with a token.
async fn signed_in(fixture: &Fixture, scope: &str) -> Client {
    let token = token(fixture, scope).await;
    let client = fixture.client().await.with("user-agent", "test").with("content-type", "application/json");
    client.with("authorization", &format!("Bearer {}", token["access_token"].as_str().unwrap()))
}

fn hello(stream: bool) -> Value {
    json!({"model": "GigaChat-2-Max", "messages": [{"role": "user", "content": "раз два"}], "stream": stream})
}

fn says(answer: &Answer, status: u16, body: &Value) {
    assert_eq!((answer.status.as_u16(), &answer.json()), (status, body));
}

#[tokio::test]
async fn oauth_takes_nothing_less_than_the_whole() {
    let fixture = Fixture::start();
    let scope = "scope=GIGACHAT_API_PERS";
    for (header, value, body, status, code) in [
        ("rquid", "", scope, 400, 3),
        ("rquid", "6f0b1291-c7f3-13c6-bb2e-9f3efb2dc98e", scope, 400, 3),
        ("content-type", "application/json", scope, 400, 1),
        ("authorization", "Basic ?", scope, 400, 4),
        ("authorization", "Bearer x", scope, 400, 4),
        ("x-plain", "", "", 400, 5),
        ("x-plain", "", "scope=EVERYTHING", 400, 1),
    ] {
        let mut client = oauth_client(&fixture).await.with(header, value);
        let answer = client.send(Method::POST, "/gigachat/oauth", body).await;
        assert_eq!((answer.status.as_u16(), answer.json()["code"].as_u64()), (status, Some(code)), "{header}: {value}");
    }
    let mut client = oauth_client(&fixture).await.with("authorization", &format!("Basic {WRONG_KEY}"));
    let answer = client.send(Method::POST, "/gigachat/oauth", scope).await;
    says(&answer, 401, &json!({"code": 6, "message": "credentials doesn't match db data"}));
    client.control("set?gigachat.scope=GIGACHAT_API_CORP").await;
    let mut client = oauth_client(&fixture).await;
    assert_eq!(client.send(Method::POST, "/gigachat/oauth", scope).await.json()["code"], 7);
    assert_eq!(client.counter("gigachat.tokens").await, 0);
    assert_eq!(client.counter("gigachat.token_calls").await, 9);
    assert_eq!(client.counter("status:/gigachat/oauth:401").await, 1);
}

#[tokio::test]
async fn nobody_without_a_user_agent() {
    let fixture = Fixture::start();
    let mut client = oauth_client(&fixture).await;
    client.headers.retain(|(name, _)| name != "user-agent");
    for path in ["/gigachat/oauth", CHAT] {
        says(
            &client.send(Method::POST, path, "scope=GIGACHAT_API_PERS").await,
            403,
            &json!({"message": "Unauthorized"}),
        );
    }
}

#[tokio::test]
async fn tokens_come_in_two_forms_and_end() {
    let fixture = Fixture::start();
    let token = token(&fixture, "GIGACHAT_API_PERS").await;
    let left = token["expires_at"].as_i64().unwrap() - crate::ids::unix_ms();
    assert!((1_700_000..=1_800_000).contains(&left), "{left}");
    assert!(token["access_token"].as_str().unwrap().len() > 1000);

    let mut client = oauth_client(&fixture).await;
    client.control("set?gigachat.token-form=tok&gigachat.token-lifetime=-1000").await;
    let token = client.send(Method::POST, "/gigachat/oauth", "scope=GIGACHAT_API_PERS").await.json();
    assert!(token["exp"].as_i64().unwrap() < crate::ids::unix_time());
    let bearer = format!("Bearer {}", token["tok"].as_str().unwrap());
    let mut client = client.with("authorization", &bearer).with("content-type", "application/json");
    says(&client.post(CHAT, &hello(false)).await, 401, &json!({"status": 401, "message": "Token has expired"}));
    let mut client = client.with("authorization", "Bearer stranger");
    says(&client.post(CHAT, &hello(false)).await, 401, &json!({"status": 401, "message": "Unauthorized"}));

    client.control("reset").await;
    let mut client = signed_in(&fixture, "GIGACHAT_API_PERS").await;
    assert_eq!(client.post(CHAT, &hello(false)).await.status, 200);
    assert_eq!(client.control("expire-tokens").await, "expired=1\n");
    assert_eq!(client.post(CHAT, &hello(false)).await.status, 401);
    let mut client = client.with("authorization", "Bearer sandbox-static-token");
    assert_eq!(client.post(CHAT, &hello(false)).await.status, 200);
}

#[tokio::test]
async fn a_user_and_a_password_make_a_token() {
    let fixture = Fixture::start();
    let mut client = fixture.client().await.with("user-agent", "t").with("authorization", &format!("Basic {KEY}"));
    let token = client.send(Method::POST, "/gigachat/api/v1/token", "").await.json();
    assert!(token["tok"].is_string() && token["exp"].as_i64().unwrap() < 100_000_000_000);
    assert_eq!(client.send(Method::POST, "/gigachat/api/v1/token", "x").await.status, 400);
}

#[tokio::test]
async fn chat_has_no_id_and_a_version() {
    let fixture = Fixture::start();
    let mut client = signed_in(&fixture, "GIGACHAT_API_PERS").await.with("x-session-id", "my session");
    let answer = client.post(CHAT, &hello(false)).await;
    let body = answer.json();
    assert_eq!(body["choices"][0]["message"]["content"], "Вы сказали: раз два");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["model"], "GigaChat-2-Max:2.0.28.2");
    assert_eq!(
        body["usage"],
        json!({"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6, "precached_prompt_tokens": 2})
    );
    assert!(body.get("id").is_none());
    assert_eq!(answer.header("x-session-id"), "my session");
    assert_eq!(answer.header("x-request-id").len(), 36);

    let mut short = hello(false);
    short["max_tokens"] = 2.into();
    let body = client.post(CHAT, &short).await.json();
    assert_eq!(body["choices"][0]["message"]["content"], "Вы сказали:");
    assert_eq!(body["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn streams_tell_the_role_once_and_the_usage_last() {
    let fixture = Fixture::start();
    let mut client = signed_in(&fixture, "GIGACHAT_API_PERS").await;
    let answer = client.post(CHAT, &hello(true)).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let events = answer.events();
    let delta = |at: usize| &events[at]["choices"][0]["delta"];
    assert_eq!(*delta(0), json!({"content": "Вы ", "role": "assistant"}));
    assert_eq!(*delta(1), json!({"content": "сказали: "}));
    assert!(events.iter().all(|event| event["object"] == "chat.completion" && event.get("id").is_none()));
    let last = events.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["usage"]["total_tokens"], 6);
    assert_eq!(events.iter().filter(|event| event.get("usage").is_some()).count(), 1);
    assert_eq!(answer.data().last(), Some(&"[DONE]"));
}

#[tokio::test]
async fn chat_refuses_what_the_service_refuses() {
    let fixture = Fixture::start();
    let mut client = signed_in(&fixture, "GIGACHAT_API_PERS").await;
    let late = json!([{"role": "user", "content": "x"}, {"role": "system", "content": "y"}]);
    let number = json!([{"role": "user", "content": 1}]);
    let returned = json!([{"role": "function", "name": "f", "content": "not JSON"}]);
    for (model, messages, status, message) in [
        ("GigaChat", late, 422, "Invalid params: system message must be the first message"),
        ("GigaChat", json!([]), 422, "Invalid params: messages must be a nonempty array"),
        ("GigaChat", number, 422, "Invalid params: messages[0].content must be a string"),
        ("GigaChat", returned, 422, "Invalid params: messages[0].content of a function must be valid JSON"),
        ("gpt-4", json!([{"role": "user", "content": "x"}]), 404, "No such model"),
    ] {
        let answer = client.post(CHAT, &json!({"model": model, "messages": messages})).await;
        says(&answer, status, &json!({"status": status, "message": message}));
    }
    let mut client = client.with("content-type", "text/plain");
    assert_eq!(client.post(CHAT, &hello(false)).await.status, 400);
    let page = client.get("/gigachat/v1/models").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (404, "text/html; charset=utf-8"));
}

#[tokio::test]
async fn functions_are_called_with_an_object() {
    let fixture = Fixture::start();
    let mut client = signed_in(&fixture, "GIGACHAT_API_PERS").await;
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let mut request = hello(false);
    request["functions"] = json!([{"name": "weather", "parameters": parameters}]);
    let answer = client.post(CHAT, &request).await.json();
    let message = answer["choices"][0]["message"].clone();
    assert_eq!(message["function_call"], json!({"name": "weather", "arguments": {"city": "раз два"}}));
    assert!(message["functions_state_id"].is_string());
    assert_eq!(answer["choices"][0]["finish_reason"], "function_call");

    request["messages"] = json!([
        {"role": "user", "content": "раз два"}, message, {"role": "function", "name": "weather", "content": "{\"t\":1}"}
    ]);
    request["stream"] = true.into();
    let answer = client.post(CHAT, &request).await;
    let text: String = answer
        .events()
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(text, "Функция вернула: {\"t\":1}");

    request["messages"] = json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": "",
        "function_call": {"name": "weather", "arguments": "{}"}}]);
    assert_eq!(client.post(CHAT, &request).await.status, 422);
}

#[tokio::test]
async fn the_second_version_names_its_events() {
    let fixture = Fixture::start();
    let mut client = signed_in(&fixture, "GIGACHAT_API_B2B").await;
    let messages = json!([{"role": "user", "content": [{"text": "раз"}]}]);
    let mut request = json!({"model": "GigaChat-3-Ultra", "messages": messages, "stream": true});
    let answer = client.post(CHAT2, &request).await;
    let names: Vec<&str> = answer.text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names[..2], ["response.message.delta"; 2]);
    assert_eq!(names.last(), Some(&"response.message.done"));
    assert!(!answer.text.contains("[DONE]"));
    let events = answer.events();
    assert_eq!(events[0]["messages"][0]["content"][0]["text"], "Вы ");
    assert_eq!(events.last().unwrap()["usage"]["output_tokens"], 3);

    request["stream"] = false.into();
    request["tools"] = json!([{"functions": {"specifications": [{"name": "f", "parameters": {"type": "object"}}]}}]);
    let answer = client.post(CHAT2, &request).await.json();
    let message = &answer["messages"][0];
    assert_eq!(message["content"][0]["function_call"], json!({"name": "f", "arguments": {}}));
    assert!(message["tool_state_id"].is_string() && message.get("tools_state_id").is_none());
    assert_eq!(answer["finish_reason"], "function_call");

    let result = json!([{"function_result": {"name": "f", "result": {"ok": true}}}]);
    for (member, status) in [("tool_state_id", 422), ("tools_state_id", 200)] {
        request["messages"] = json!([{"role": "tool", member: UUID, "content": result}]);
        assert_eq!(client.post(CHAT2, &request).await.status, status, "{member}");
    }
    request["messages"] = json!([{"role": "user", "content": "a bare text"}]);
    assert_eq!(client.post(CHAT2, &request).await.status, 422);
}

#[tokio::test]
async fn a_person_has_one_chat_at_a_time_until_its_end() {
    let fixture = Fixture::start();
    for (scope, limit) in [("GIGACHAT_API_PERS", 1), ("GIGACHAT_API_CORP", 10)] {
        let mut control = fixture.client().await;
        control.control("reset").await;
        let client = signed_in(&fixture, scope).await;
        let headers = client.headers.clone();
        let mut held = Vec::new();
        for _ in 0..limit {
            let mut client = fixture.client().await.with("x-sandbox", "hold=end");
            client.headers.extend(headers.clone());
            held.push(tokio::spawn(async move { client.post(CHAT, &hello(true)).await.status }));
        }
        control.control(&format!("wait-held/end?count={limit}")).await;
        let mut client = client;
        says(&client.post(CHAT, &hello(false)).await, 429, &json!({"status": 429, "message": "Too Many Requests"}));
        control.control("release/end").await;
        for held in held {
            assert_eq!(held.await.unwrap(), 200);
        }
        assert_eq!(client.post(CHAT, &hello(false)).await.status, 200);
        assert_eq!(control.counter("permits_max:gigachat/client").await, limit);
        assert_eq!(control.counter("permits:gigachat/client").await, 0);
        assert_eq!(control.counter("gigachat.running").await, 0);
        assert!(control.counter("gigachat.running_max").await > limit);
    }
}

#[tokio::test]
async fn a_dropped_stream_gives_its_place_back() {
    let fixture = Fixture::start();
    let mut client = signed_in(&fixture, "GIGACHAT_API_PERS").await;
    let cut = client.send(Method::POST, &format!("{CHAT}?sandbox=cut-after=1"), &hello(true).to_string()).await;
    assert!(!cut.whole);
    assert_eq!(client.post(CHAT, &hello(false)).await.status, 200);
}

#[tokio::test]
async fn the_small_calls() {
    let fixture = Fixture::start();
    let mut client = signed_in(&fixture, "GIGACHAT_API_PERS").await;
    let models = client.get("/gigachat/api/v1/models").await.json();
    assert_eq!(
        models["data"][0],
        json!({"id": "GigaChat", "object": "model", "owned_by": "salutedevices", "type": "chat"})
    );
    assert_eq!(client.get("/gigachat/api/v1/models/Embeddings").await.json()["type"], "embedder");
    assert_eq!(client.get("/gigachat/api/v1/models/none").await.status, 404);
    let counts =
        client.post("/gigachat/api/v1/tokens/count", &json!({"model": "GigaChat", "input": ["раз два"]})).await;
    assert_eq!(counts.json(), json!([{"object": "tokens", "tokens": 2, "characters": 7}]));
    let request = json!({"model": "Embeddings", "input": ["a", "b c"]});
    let embeddings = client.post("/gigachat/api/v1/embeddings", &request).await.json();
    assert_eq!(embeddings["data"][1]["usage"]["prompt_tokens"], 2);
    assert_eq!(embeddings["data"][1]["embedding"].as_array().unwrap().len(), 16);
    assert_eq!(client.get("/gigachat/api/v1/balance").await.json()["balance"][0]["usage"], "GigaChat");
    let mut company = signed_in(&fixture, "GIGACHAT_API_CORP").await;
    assert_eq!(company.get("/gigachat/api/v1/balance").await.status, 403);
}

#[tokio::test]
async fn files_come_and_go() {
    let fixture = Fixture::start();
    let client = signed_in(&fixture, "GIGACHAT_API_PERS").await;
    let form = "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\ngeneral\r\n--b\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nтекст\r\n--b--\r\n";
    let mut client = client.with("content-type", "multipart/form-data; boundary=b");
    let file = client.send(Method::POST, "/gigachat/api/v1/files", form).await.json();
    assert_eq!((&file["filename"], &file["bytes"], &file["purpose"]), (&json!("a.txt"), &json!(10), &json!("general")));
    let path = format!("/gigachat/api/v1/files/{}", file["id"].as_str().unwrap());
    assert_eq!(client.get(&path).await.json(), file);
    assert_eq!(client.get(&format!("{path}/content")).await.text, "текст");
    assert_eq!(client.get("/gigachat/api/v1/files").await.json()["data"], json!([file]));
    assert_eq!(client.send(Method::POST, &format!("{path}/delete"), "").await.json()["deleted"], true);
    assert_eq!(client.get(&path).await.status, 404);
    let bad = form.replace("general", "fun");
    assert_eq!(client.send(Method::POST, "/gigachat/api/v1/files", &bad).await.status, 400);
    assert_eq!(client.send(Method::POST, "/gigachat/api/v1/files", "{}").await.status, 400);
}

#[tokio::test]
async fn known_errors_are_had_by_name() {
    let fixture = Fixture::start();
    let mut client = signed_in(&fixture, "GIGACHAT_API_PERS").await;
    for (fault, status, text) in [
        ("error=gigachat-payment", 402, "Payment Required"),
        ("error=gigachat-html-403", 403, "<html>"),
        ("error=gigachat-too-large", 413, "Payload too large"),
        ("status=503", 503, r#"{"status":503,"message":"Service Unavailable"}"#),
    ] {
        let answer = client.post(&format!("{CHAT}?sandbox={fault}"), &hello(false)).await;
        assert!(answer.status == status && answer.text.contains(text), "{}", answer.text);
    }
    let answer = client.post(&format!("{CHAT}?sandbox=error-event=1"), &hello(true)).await;
    assert_eq!(answer.events()[1], json!({"status": 500, "message": "Internal Server Error"}));
    assert_eq!(answer.events().len(), 2);
}
