//! YandexGPT: the native calls, operations, tokens, and the OpenAI flavour.

mod auth;
mod completion;
mod operations;
mod prompt;
mod refusals;
mod texts;

pub use operations::Operations;
pub use refusals::{failure, refusal};

use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::ids;
use crate::openai::{self, Embedder};
use crate::reply::Reply;
use crate::router::Call;
use crate::site::Site;
use crate::stats::Stats;

const NATIVE: &str = "/yandex/foundationModels/v1/";
const OPERATIONS: &str = "/yandex/operations/";
const OPENAI: &str = "/yandex/v1";

/// What answers say of the model.
const VERSION: &str = "09.02.2025";

/// A reply, or the one that says why there is none.
type Outcome = Result<Reply, Reply>;

pub fn answer(site: &Site, stats: &Stats, call: &Call) -> Reply {
    let outcome = match call.path() {
        "/yandex/iam/v1/tokens" => auth::iam(site, call),
        "/yandex/computeMetadata/v1/instance/service-accounts/default/token" => auth::metadata(site, call),
        path => match (path.strip_prefix(NATIVE), path.strip_prefix(OPERATIONS), path.strip_prefix(OPENAI)) {
            (Some(method), _, _) => native(site, call, method),
            (_, Some(id), _) => auth::check(site, call).and_then(|_| site.yandex_operations.poll(call, id)),
            (_, _, Some(rest)) => compatible(site, stats, call, rest),
            _ => Err(refusal(path, StatusCode::NOT_FOUND, 5, "Not Found")),
        },
    };
    let mut reply = outcome.unwrap_or_else(|refusal| refusal);
    for name in ["x-request-id", "x-server-trace-id"] {
        if let Ok(value) = HeaderValue::from_str(&ids::uuid()) {
            reply.headers_mut().insert(name, value);
        }
    }
    reply
}

fn native(site: &Site, call: &Call, method: &str) -> Outcome {
    let caller = auth::check(site, call)?;
    let body = body(call)?;
    match method {
        "completion" => completion::answer(site, call, &caller, &body),
        "completionAsync" => {
            let answer = completion::unwrapped(site, call, &caller, &body)?;
            Ok(site.yandex_operations.open(site, call, &answer))
        }
        "tokenize" => texts::tokenize(site, call, &caller, &body),
        "tokenizeCompletion" => texts::tokenize_completion(site, call, &caller, &body),
        "textEmbedding" => texts::embedding(site, call, &caller, &body),
        _ => Err(refusal(call.path(), StatusCode::NOT_FOUND, 5, "Not Found")),
    }
}

/// The OpenAI flavour: the same bodies, but the model is a URI with a folder.
fn compatible(site: &Site, stats: &Stats, call: &Call, rest: &str) -> Outcome {
    let caller = auth::check(site, call)?;
    let folder = site.settings.text("yandex.folder");
    if let Some(rest) = rest.strip_prefix("/models") {
        let models = prompt::MODELS.map(|model| format!("gpt://{folder}/{model}/latest"));
        return Ok(openai::models(call, Some(rest), &models));
    }
    let body = body(call)?;
    let named =
        |scheme| auth::check_folder(site, call, &caller, scheme, &serde_json::json!({"modelUri": body["model"]}));
    match rest {
        "/chat/completions" => named("gpt").map(|_| openai::chat_completions(call, stats, 0)),
        "/embeddings" => named("emb").map(|_| openai::embeddings(call, Embedder::Yandex)),
        _ => Err(refusal(call.path(), StatusCode::NOT_FOUND, 5, "Not Found")),
    }
}

/// The JSON body of a POST.
fn body(call: &Call) -> Result<Value, Reply> {
    if !call.is(&Method::POST) {
        return Err(refusal(call.path(), StatusCode::NOT_IMPLEMENTED, 12, "Method Not Allowed"));
    }
    if !openai::is_json(&call.head.headers) {
        return Err(invalid(call, "Content-Type must be application/json"));
    }
    serde_json::from_slice(&call.body)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| invalid(call, "The body is not a JSON object"))
}

fn invalid(call: &Call, message: &str) -> Reply {
    refusal(call.path(), StatusCode::BAD_REQUEST, 3, message)
}
