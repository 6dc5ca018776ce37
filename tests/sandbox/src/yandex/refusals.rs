//! Errors in the three frames that the methods have.

use hyper::StatusCode;
use serde_json::json;

use crate::reply::{self, Reply};

/// The status that was asked for, with the gRPC code that goes with it.
pub fn failure(path: &str, status: StatusCode, message: &str) -> Reply {
    let grpc = match status.as_u16() {
        400 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        429 => 8,
        501 => 12,
        503 => 14,
        504 => 4,
        _ => 13,
    };
    refusal(path, status, grpc, message)
}

/// The method that streams wraps its error, those that do not give it bare, the OpenAI flavour has its own.
pub fn refusal(path: &str, status: StatusCode, grpc: u16, message: &str) -> Reply {
    let code = status.as_u16();
    let reason = status.canonical_reason().unwrap_or_default();
    let body = if path.ends_with("/foundationModels/v1/completion") {
        json!({"error": framed(grpc, code, message, reason)})
    } else if path.starts_with("/yandex/v1/") {
        json!({"error": {"message": message, "type": reason, "param": null, "code": code}})
    } else {
        json!({"code": grpc, "message": message, "details": []})
    };
    reply::json(status, &body)
}

pub fn framed(grpc: u16, code: u16, message: &str, reason: &str) -> serde_json::Value {
    json!({"grpcCode": grpc, "httpCode": code, "message": message, "httpStatus": reason, "details": []})
}
