//! Errors that services are known for, by name.

use hyper::StatusCode;

use crate::body::Content;
use crate::reply::{self, Reply};
use crate::yandex;

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

/// Name, status, content type, body.
const PLAIN: &[(&str, u16, &str, &str)] = &[
    (
        "openai-rate",
        429,
        JSON,
        r#"{"error":{"message":"Rate limit reached for requests","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
    ),
    (
        "openai-insufficient-quota",
        429,
        JSON,
        r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
    ),
    (
        "openai-context",
        400,
        JSON,
        r#"{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9136 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
    ),
    (
        "openai-auth",
        401,
        JSON,
        r#"{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
    ),
    (
        "openai-overloaded",
        503,
        JSON,
        r#"{"error":{"message":"The engine is currently overloaded, please try again later","type":"server_error","param":null,"code":null}}"#,
    ),
    (
        "deepseek-payment",
        402,
        JSON,
        r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}"#,
    ),
    (
        "openrouter-payment",
        402,
        JSON,
        r#"{"error":{"code":402,"message":"Insufficient credits","metadata":{"provider_name":"sandbox"}}}"#,
    ),
    (
        "llama-context",
        400,
        JSON,
        r#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9136,"n_ctx":8192}}"#,
    ),
    ("llama-loading", 503, JSON, r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#),
    ("fastapi-detail", 400, JSON, r#"{"detail":"The prompt is empty"}"#),
    (
        "fastapi-validation",
        422,
        JSON,
        r#"{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required","input":{}}]}"#,
    ),
    (
        "vllm-error",
        400,
        JSON,
        r#"{"object":"error","message":"The model does not exist","type":"NotFoundError","param":null,"code":404}"#,
    ),
    ("ollama-error", 500, JSON, r#"{"error":"llama runner process has terminated"}"#),
    ("gigachat-rate", 429, JSON, r#"{"status":429,"message":"Too Many Requests"}"#),
    ("gigachat-payment", 402, JSON, r#"{"status":402,"message":"Payment Required"}"#),
    ("gigachat-permission", 403, JSON, r#"{"status":403,"message":"Permission denied"}"#),
    ("gigachat-unauthorized", 401, JSON, r#"{"status":401,"message":"Unauthorized"}"#),
    ("gigachat-expired", 401, JSON, r#"{"status":401,"message":"Token has expired"}"#),
    ("gigachat-too-large", 413, JSON, r#"{"status":413,"message":"Payload too large"}"#),
    ("gigachat-functions", 422, JSON, r#"{"status":422,"message":"Requested model does not support functions"}"#),
    ("gigachat-server", 500, JSON, r#"{"status":500,"message":"Internal Server Error"}"#),
    ("gigachat-oauth-scope", 400, JSON, r#"{"code":7,"message":"scope from db not fully includes consumed scope"}"#),
    ("gigachat-oauth-rate", 429, JSON, r#"{"code":429,"message":"Too Many Requests"}"#),
    (
        "gigachat-html-403",
        403,
        HTML,
        "<html><head><title>403 Forbidden</title></head><body><h1>403 Forbidden</h1></body></html>\n",
    ),
    (
        "gigachat-html-404",
        404,
        HTML,
        "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>\n",
    ),
    (
        "naparnik-rate",
        429,
        JSON,
        r#"{"error":"Rate limit exceeded for message creation. Try again in 123 seconds.","error_type":"rate_limit_exceeded"}"#,
    ),
    ("naparnik-locked", 423, JSON, r#"{"detail":"Conversation is locked"}"#),
    ("naparnik-unauthorized", 401, JSON, r#"{"detail":"Invalid token"}"#),
    ("naparnik-body", 400, "text/plain; charset=utf-8", "error parsing the body"),
    ("naparnik-closed-call", 422, JSON, r#"{"error":"No tool calls found in the previous assistant message"}"#),
    (
        "html-502",
        502,
        HTML,
        "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n",
    ),
];

/// Name, HTTP status, gRPC code, message: the frame depends on the method.
const YANDEX: &[(&str, u16, u16, &str)] = &[
    (
        "yandex-gauge",
        429,
        8,
        "ai.textGenerationCompletionSessionsCount.count gauge quota limit exceed: allowed 10 requests",
    ),
    (
        "yandex-rate",
        429,
        8,
        "ai.textGenerationCompletionRequestsPerHour.rate rate quota limit exceed: allowed 100 requests",
    ),
    (
        "yandex-rate-embeddings",
        429,
        8,
        "ai.embeddingsTextEmbeddingRequestsPerSecond.rate rate quota limit exceed: allowed 10 requests",
    ),
    ("yandex-quota", 429, 8, "Quota limit ai.languageModels.requestCount.rate exceeded"),
    ("yandex-billing", 403, 7, "Billing account is not active"),
    ("yandex-permission", 403, 7, "Permission denied"),
    ("yandex-context", 400, 3, "Number of input tokens must be no more than 8192, got 9136"),
    ("yandex-key-expired", 401, 16, "The apikey has expired"),
    ("yandex-token", 401, 16, "The token is invalid"),
    ("yandex-internal", 500, 13, "Internal error"),
    ("yandex-unavailable", 503, 14, "Service is unavailable"),
    ("yandex-deadline", 504, 4, "Deadline exceeded"),
];

/// The names of all errors.
#[cfg(test)]
pub fn names() -> impl Iterator<Item = &'static str> {
    PLAIN.iter().map(|error| error.0).chain(YANDEX.iter().map(|error| error.0))
}

pub fn is_known(name: &str) -> bool {
    PLAIN.iter().any(|error| error.0 == name) || YANDEX.iter().any(|error| error.0 == name)
}

/// The error of that name; `seconds` stands where a text tells a time.
pub fn named(name: &str, path: &str, seconds: Option<usize>) -> Reply {
    if let Some((_, status, grpc, message)) = YANDEX.iter().find(|error| error.0 == name) {
        return yandex::refusal(path, http(*status), *grpc, message);
    }
    let Some((_, status, content_type, body)) = PLAIN.iter().find(|error| error.0 == name) else {
        return reply::not_found(path);
    };
    let body = seconds.map_or((*body).to_owned(), |seconds| body.replace("123", &seconds.to_string()));
    reply::reply(http(*status), content_type, Content::Whole(body.into()))
}

/// A page where an answer was expected.
pub fn html(status: StatusCode) -> Reply {
    let page = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n");
    reply::reply(status, HTML, Content::Whole(page.into()))
}

fn http(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
