//! Operations that are done after so many looks.

use std::collections::HashMap;
use std::sync::Mutex;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Outcome, refusal};
use crate::ids;
use crate::lock::lock;
use crate::reply::{self, Reply};
use crate::router::Call;
use crate::site::Site;

#[derive(Default)]
pub struct Operations(Mutex<HashMap<String, Operation>>);

struct Operation {
    created_at: String,
    unavailable: u64,
    looks: u64,
    end: (&'static str, Value),
    /// Whether the end is told before the operation says that it is done.
    early: bool,
}

impl Operations {
    /// A new operation, which will end in that answer.
    pub fn open(&self, site: &Site, call: &Call, answer: &Value) -> Reply {
        let early = call.on("operation-error-early");
        let end = if early || call.on("operation-error") {
            ("error", json!({"code": 13, "message": "Internal error", "details": []}))
        } else {
            let mut response =
                json!({"@type": "type.googleapis.com/yandex.cloud.ai.foundation_models.v1.CompletionResponse"});
            for name in ["alternatives", "usage", "modelVersion"] {
                response[name] = answer[name].clone();
            }
            ("response", response)
        };
        let operation = Operation {
            created_at: ids::rfc3339(ids::unix_ms()),
            unavailable: site.settings.count("yandex.poll-503"),
            looks: site.settings.count("yandex.polls"),
            end,
            early,
        };
        let id = format!("d7q{}", ids::hex(17));
        let told = operation.told(&id, false);
        lock(&self.0).insert(id, operation);
        reply::json(StatusCode::OK, &told)
    }

    /// A look at an operation, or its end when the id is followed by `:cancel`.
    pub fn poll(&self, call: &Call, rest: &str) -> Outcome {
        if !call.is(&Method::GET) {
            return Err(refusal(call.path(), StatusCode::NOT_IMPLEMENTED, 12, "Method Not Allowed"));
        }
        let (id, cancel) = rest.strip_suffix(":cancel").map_or((rest, false), |id| (id, true));
        let mut operations = lock(&self.0);
        let operation = operations.get_mut(id);
        let operation =
            operation.ok_or_else(|| refusal(call.path(), StatusCode::NOT_FOUND, 5, "Operation not found"))?;
        if cancel {
            operation.end = ("error", json!({"code": 1, "message": "Operation is cancelled", "details": []}));
            (operation.looks, operation.unavailable) = (0, 0);
        }
        if operation.unavailable > 0 {
            operation.unavailable -= 1;
            return Err(refusal(call.path(), StatusCode::SERVICE_UNAVAILABLE, 14, "Service is unavailable"));
        }
        let done = operation.looks == 0;
        operation.looks = operation.looks.saturating_sub(1);
        Ok(reply::json(StatusCode::OK, &operation.told(id, done)))
    }

    pub fn reset(&self) {
        lock(&self.0).clear();
    }
}

impl Operation {
    fn told(&self, id: &str, done: bool) -> Value {
        let mut told = json!({
            "id": id, "description": "Async GPT Completion", "createdAt": self.created_at, "createdBy": "sandbox",
            "modifiedAt": self.created_at, "done": done && !self.early, "metadata": null,
        });
        if done {
            told[self.end.0] = self.end.1.clone();
        }
        told
    }
}
