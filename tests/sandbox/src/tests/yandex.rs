//! YandexGPT: frames, folders, statuses, operations.

use hyper::Method;
use serde_json::{Value, json};

use super::Fixture;
use super::client::{Answer, Client};

const COMPLETION: &str = "/yandex/foundationModels/v1/completion";
const IAM: &str = "/yandex/iam/v1/tokens";

async fn client(fixture: &Fixture) -> Client {
    fixture.client().await.with("content-type", "application/json").with("authorization", "Api-Key sandbox-key")
}

fn hello(stream: bool) -> Value {
    json!({
        "modelUri": "gpt://b1gsandbox/yandexgpt/latest",
        "completionOptions": {"stream": stream, "temperature": 0.3, "maxTokens": "2000"},
        "messages": [{"role": "system", "text": "Будь краток"}, {"role": "user", "text": "раз два"}],
    })
}

fn lines(answer: &Answer) -> Vec<Value> {
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn alternative(line: &Value) -> (&str, &str) {
    let alternative = &line["result"]["alternatives"][0];
    let status = alternative["status"].as_str().unwrap().strip_prefix("ALTERNATIVE_STATUS_").unwrap();
    (alternative["message"]["text"].as_str().unwrap(), status)
}

#[tokio::test]
async fn lines_hold_the_whole_text_so_far() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let answer = client.post(COMPLETION, &hello(true)).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(!answer.header("x-server-trace-id").is_empty());
    let lines = lines(&answer);
    assert_eq!(alternative(&lines[0]), ("Вы ", "PARTIAL"));
    assert_eq!(alternative(&lines[1]), ("Вы сказали: ", "PARTIAL"));
    assert_eq!(alternative(lines.last().unwrap()), ("Вы сказали: раз два", "FINAL"));
    let usage = &lines.last().unwrap()["result"]["usage"];
    assert_eq!((&usage["inputTextTokens"], &usage["totalTokens"]), (&json!("4"), &json!("8")));
    let whole = client.post(COMPLETION, &hello(false)).await;
    assert_eq!(alternative(&whole.json()), ("Вы сказали: раз два", "FINAL"));
}

#[tokio::test]
async fn statuses_say_how_it_ended() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let mut short = hello(true);
    short["completionOptions"]["maxTokens"] = 2.into();
    let answer = client.post(COMPLETION, &short).await;
    assert_eq!(alternative(lines(&answer).last().unwrap()), ("Вы сказали:", "TRUNCATED_FINAL"));
    let answer = client.post(&format!("{COMPLETION}?sandbox=content-filter"), &hello(true)).await;
    let filtered = lines(&answer);
    assert_eq!((filtered.len(), alternative(&filtered[2]).1), (3, "CONTENT_FILTER"));
    assert!(!alternative(&filtered[2]).0.starts_with(alternative(&filtered[1]).0));
    let answer = client.post(&format!("{COMPLETION}?sandbox=error-event=1"), &hello(true)).await;
    assert_eq!(lines(&answer)[1]["error"]["grpcCode"], 13);

    let mut tools = hello(true);
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    tools["tools"] = json!([{"function": {"name": "weather", "parameters": parameters}}]);
    let answer = lines(&client.post(COMPLETION, &tools).await);
    let told = &answer[0]["result"]["alternatives"][0];
    assert_eq!(told["status"], "ALTERNATIVE_STATUS_TOOL_CALLS");
    let call = json!({"functionCall": {"name": "weather", "arguments": {"city": "раз два"}}});
    assert_eq!(told["message"]["toolCallList"]["toolCalls"], json!([call]));
    let results = json!([{"functionResult": {"name": "weather", "content": "тепло"}}]);
    tools["messages"] = json!([{"role": "user", "text": "x"}, told["message"],
        {"role": "user", "toolResultList": {"toolResults": results}}]);
    let answer = lines(&client.post(COMPLETION, &tools).await);
    assert_eq!(alternative(answer.last().unwrap()).0, "Инструмент вернул: тепло");
}

#[tokio::test]
async fn bodies_are_checked() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let wrong = |path: &str, value: Value| {
        let mut request = hello(false);
        *request.pointer_mut(path).unwrap() = value;
        request
    };
    let both = json!({"role": "user", "text": "x", "toolCallList": {}});
    for (request, message) in [
        (wrong("/modelUri", json!("yandexgpt")), "invalid model_uri"),
        (wrong("/modelUri", json!("gpt://b1gsandbox/other/latest")), "invalid model_uri"),
        (wrong("/completionOptions/temperature", json!(1.5)), "temperature must be in [0, 1]"),
        (wrong("/completionOptions/maxTokens", json!("many")), "max_tokens must be greater than zero"),
        (wrong("/messages", json!([])), "messages is empty"),
        (wrong("/messages/0", both), "a message has exactly one of text, tool_call_list and tool_result_list"),
        (
            wrong("/messages/1/text", json!("слово ".repeat(9134))),
            "Number of input tokens must be no more than 8192, got 9136",
        ),
        (
            wrong("/modelUri", json!("gpt://b1gother/yandexgpt/latest")),
            "Specified folder ID 'b1gother' does not match with service account folder ID 'b1gsandbox'",
        ),
    ] {
        let answer = client.post(COMPLETION, &request).await;
        let error =
            json!({"grpcCode": 3, "httpCode": 400, "message": message, "httpStatus": "Bad Request", "details": []});
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &error));
    }
}

#[tokio::test]
async fn callers_have_keys_or_tokens() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await.with("authorization", "Api-Key wrong");
    let refused = client.post(COMPLETION, &hello(false)).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["grpcCode"]), (401, &json!(16)));
    for (body, status) in
        [(json!({"yandexPassportOauthToken": "sandbox"}), 401), (json!({"jwt": "a.b.c"}), 401), (json!({}), 400)]
    {
        let answer = client.post(IAM, &body).await;
        assert!(answer.status == status && answer.json()["message"].is_string(), "{body}");
    }
    let token = client.post(IAM, &json!({"yandexPassportOauthToken": "y0_sandbox"})).await.json();
    assert!(token["expiresAt"].as_str().unwrap().ends_with('Z'));
    let bearer = format!("Bearer {}", token["iamToken"].as_str().unwrap());
    let mut user = client.with("authorization", &bearer);
    assert_eq!(user.post(COMPLETION, &hello(false)).await.status, 200);

    let mut no_folder = hello(false);
    no_folder["modelUri"] = "gpt:///yandexgpt/latest".into();
    assert_eq!(user.post(COMPLETION, &no_folder).await.json()["error"]["message"], "Folder ID is not specified");
    let mut user = user.with("x-folder-id", "b1gsandbox");
    assert_eq!(user.post(COMPLETION, &no_folder).await.status, 200);
    let mut stranger = user.with("x-folder-id", "b1gother");
    assert_eq!(stranger.post(COMPLETION, &no_folder).await.json()["error"]["message"], "Permission denied");
    stranger.control("expire-tokens").await;
    assert_eq!(stranger.post(COMPLETION, &hello(false)).await.json()["error"]["message"], "The token has expired");
}

#[tokio::test]
async fn service_accounts_sign_and_machines_ask() {
    let fixture = Fixture::start();
    let mut client = fixture.client().await.with("content-type", "application/json");
    // {"alg":"PS256"} and {"iss":"a","aud":"b","iat":1,"exp":2}
    let jwt = "eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJhIiwiYXVkIjoiYiIsImlhdCI6MSwiZXhwIjoyfQ.c2ln";
    assert_eq!(client.post(IAM, &json!({"jwt": jwt})).await.status, 200);
    let path = "/yandex/computeMetadata/v1/instance/service-accounts/default/token";
    assert_eq!(client.get(path).await.status, 403);
    let mut client = client.with("metadata-flavor", "Google");
    let token = client.get(path).await.json();
    assert_eq!(token["token_type"], "Bearer");
    assert!((43_000..=43_200).contains(&token["expires_in"].as_i64().unwrap()));
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let mut client = client.with("authorization", &bearer);
    assert_eq!(client.post(COMPLETION, &hello(false)).await.status, 200);
    assert_eq!(client.counter("yandex.tokens").await, 2);
}

#[tokio::test]
async fn the_gauge_is_no_rate() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    client.control("set?yandex.concurrency=0").await;
    let gauge = client.post(COMPLETION, &hello(false)).await;
    let message = "ai.textGenerationCompletionSessionsCount.count gauge quota limit exceed: allowed 0 requests";
    assert_eq!((gauge.status.as_u16(), &gauge.json()["error"]["message"]), (429, &json!(message)));
    let rate = client.post(&format!("{COMPLETION}?sandbox=error=yandex-rate"), &hello(false)).await;
    assert!(rate.status == 429 && rate.json()["error"]["message"].as_str().unwrap().contains(".rate rate quota"));
    let bare = client.post("/yandex/foundationModels/v1/tokenize?sandbox=error=yandex-quota", &json!({})).await;
    assert_eq!((bare.status.as_u16(), &bare.json()["code"]), (429, &json!(8)));
}

#[tokio::test]
async fn operations_are_done_after_so_many_looks() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    client.control("set?yandex.polls=2&yandex.poll-503=1").await;
    let submit = "/yandex/foundationModels/v1/completionAsync";
    let operation = client.post(submit, &hello(false)).await.json();
    assert_eq!((&operation["done"], operation.get("response")), (&json!(false), None));
    let path = format!("/yandex/operations/{}", operation["id"].as_str().unwrap());
    let unavailable = client.get(&path).await;
    assert_eq!((unavailable.status.as_u16(), &unavailable.json()["code"]), (503, &json!(14)));
    for _ in 0..2 {
        assert_eq!(client.get(&path).await.json()["done"], false);
    }
    let done = client.get(&path).await.json();
    assert_eq!(done["response"]["alternatives"][0]["message"]["text"], "Вы сказали: раз два");
    assert!(done["done"] == true && done.get("error").is_none());

    client.control("set?yandex.polls=0&yandex.poll-503=0").await;
    for (fault, end) in [("operation-error", true), ("operation-error-early", false)] {
        let operation = client.post(&format!("{submit}?sandbox={fault}"), &hello(false)).await.json();
        let failed = client.get(&format!("/yandex/operations/{}", operation["id"].as_str().unwrap())).await.json();
        assert_eq!((&failed["error"]["code"], &failed["done"]), (&json!(13), &json!(end)));
    }
    assert_eq!(client.get(&format!("{path}:cancel")).await.json()["error"]["code"], 1);
    let unknown = client.get("/yandex/operations/none").await;
    assert_eq!((unknown.status.as_u16(), &unknown.json()["code"]), (404, &json!(5)));
}

#[tokio::test]
async fn unary_methods_have_no_frame() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await;
    let request = json!({"modelUri": "emb://b1gsandbox/text-search-doc/latest", "text": "раз два", "dim": "4"});
    let embedding = client.post("/yandex/foundationModels/v1/textEmbedding", &request).await.json();
    assert_eq!((embedding["embedding"].as_array().unwrap().len(), &embedding["numTokens"]), (4, &json!("2")));
    let request = json!({"modelUri": "gpt://b1gsandbox/yandexgpt/latest", "text": "раз два"});
    let tokens = client.post("/yandex/foundationModels/v1/tokenize", &request).await.json();
    assert_eq!(tokens["tokens"][1], json!({"id": "2", "text": "два", "special": false}));
    let tokens = client.post("/yandex/foundationModels/v1/tokenizeCompletion", &hello(false)).await.json();
    assert_eq!(tokens["tokens"].as_array().unwrap().len(), 4);
    assert_eq!(client.send(Method::GET, COMPLETION, "").await.status, 501);
}

#[tokio::test]
async fn the_openai_flavour_has_folders_too() {
    let fixture = Fixture::start();
    let mut client = client(&fixture).await.with("authorization", "Bearer sandbox-key-2");
    let mut request =
        json!({"model": "gpt://b1gsandbox/yandexgpt/latest", "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(client.post("/yandex/v1/chat/completions", &request).await.json()["object"], "chat.completion");
    request["model"] = "yandexgpt".into();
    assert_eq!(
        client.post("/yandex/v1/chat/completions", &request).await.json()["error"]["message"],
        "invalid model_uri"
    );
    let models = client.get("/yandex/v1/models").await.json();
    assert_eq!(models["data"][0]["id"], "gpt://b1gsandbox/yandexgpt/latest");
    let mut request = json!({"model": "emb://b1gsandbox/text-search-doc/latest", "input": "x"});
    assert_eq!(client.post("/yandex/v1/embeddings", &request).await.json()["data"][0]["index"], 0);
    request["input"] = json!(["x"]);
    assert_eq!(client.post("/yandex/v1/embeddings", &request).await.status, 400);
}
