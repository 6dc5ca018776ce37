//! What a refusal means where a provider has nothing of its own to say: by status, and by the codes that many use.

use std::time::Duration;

use super::json;
use super::service::RefusalInfo;
use crate::body::reply::{Problem, in_body};
use crate::error::{Detail, Error, Status};
use crate::request::provider::{Again, Refusal};
use http::StatusCode;

/// As much is kept of a provider's words, and of its code.
const MOST_TEXT: usize = 4096;
const MOST_CODE: usize = 256;

/// Words in a code, or in what is said, that no waiting mends.
const QUOTA: [&str; 8] = [
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "credit_balance_too_low",
    "exceeded_current_quota_error",
    "insufficient_balance",
    "insufficient balance",
    "billing account is not active",
];
const OVERFLOW: [&str; 5] = [
    "context_length_exceeded",
    "exceed_context_size",
    "maximum context length",
    "number of input tokens must be no more than",
    "prompt is too long",
];
const FILTER: [&str; 3] = ["content_filter", "content_policy_violation", "responsibleaipolicyviolation"];

/// What the provider said, in whatever form.
pub fn problem(body: &[u8]) -> Problem {
    let parsed = json::parse(body).ok();
    let plain = || Problem { code: String::new(), text: String::from_utf8_lossy(body).trim().to_owned() };
    cut(parsed.as_ref().and_then(json::problem).unwrap_or_else(plain))
}

/// A provider's words as far as they are kept.
pub fn cut(mut problem: Problem) -> Problem {
    for (text, most) in [(&mut problem.code, MOST_CODE), (&mut problem.text, MOST_TEXT)] {
        let mut end = most.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    problem
}

/// What a refusal means by its status and the common codes.
pub fn classify(refusal: &Refusal<'_>) -> RefusalInfo {
    let problem = problem(refusal.body);
    let is_html = refusal.body.trim_ascii_start().first() == Some(&b'<');
    let (status, detail) = class(refusal.status, &problem, is_html);
    let number = refusal.status.as_u16();
    RefusalInfo {
        again: match (status, number) {
            // An answer to the request itself; the others may be the server's passing trouble.
            (Status::Quota, _) | (_, 400..=404 | 413 | 422) => Again::Never,
            _ if matches!(detail, Detail::ContextOverflow | Detail::ContentFilter) => Again::Never,
            (_, 408 | 409 | 500 | 502 | 504) => Again::Surely(None),
            _ => Again::Perhaps(None),
        },
        token: number == 401,
        cool: None,
        at_most: None,
        status,
        detail,
        problem,
    }
}

fn class(status: StatusCode, problem: &Problem, is_html: bool) -> (Status, Detail) {
    let said = said(problem);
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    match status.as_u16() {
        200..=299 => (Status::Provider, Detail::NotJson),
        401 => (Status::Auth, Detail::None),
        402 => (Status::Quota, Detail::None),
        403 | 429 if says(&QUOTA) => (Status::Quota, Detail::None),
        _ if says(&OVERFLOW) => (Status::Provider, Detail::ContextOverflow),
        _ if says(&FILTER) => (Status::Provider, Detail::ContentFilter),
        403 | 404 if is_html => (Status::Provider, Detail::NotFound),
        403 => (Status::Provider, Detail::Permission),
        404 => (Status::Provider, Detail::NotFound),
        413 => (Status::Provider, Detail::ContextOverflow),
        429 => (Status::RateLimited, Detail::None),
        503 | 529 => (Status::Provider, Detail::Overloaded),
        500.. => (Status::Provider, Detail::ServerError),
        _ => (Status::Provider, Detail::BadRequest),
    }
}

fn said(problem: &Problem) -> String {
    format!("{} {}", problem.code, problem.text).to_lowercase()
}

/// A failure inside an answer that began well: there is no status but in the words.
pub fn within(problem: &Problem) -> Error {
    let number = problem.code.parse().ok().and_then(|number| StatusCode::from_u16(number).ok());
    let said = said(problem);
    let by_words = if said.contains("rate_limit") || said.contains("rate limit") {
        StatusCode::TOO_MANY_REQUESTS
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let status = number.filter(|number| number.as_u16() >= 400).unwrap_or(by_words);
    let (status, detail) = class(status, problem, false);
    in_body(status, "response: the provider broke its answer off with an error; its words are in the reply")
        .detail(detail)
}

/// The message of a refusal: the class and the mend. The provider's words are not in it, for they may quote the request.
pub fn message(told: &RefusalInfo, status: StatusCode) -> String {
    let number = status.as_u16();
    let what = match (told.status, told.detail) {
        (Status::Auth, _) => "does not accept the credential; check it",
        (Status::Quota, _) => "says that a quota or balance is used up; waiting does not mend that",
        (Status::RateLimited, Detail::Concurrency) => "takes no more requests at once; lower max_concurrency or wait",
        (Status::RateLimited, _) => "says that requests come too fast; wait as long as retry_after_ms says",
        (_, Detail::BadRequest) => "says that the request is wrong",
        (_, Detail::Permission) => "does not allow that to this credential",
        (_, Detail::NotFound) => "does not know the model or the address; check model and base_url",
        (_, Detail::ContextOverflow) => "says that the prompt is too long; shorten it",
        (_, Detail::ContentFilter) => "refused by its content filter",
        (_, Detail::NotJson) => {
            "answered with something else than its format promises; check base_url and read the body"
        }
        (_, Detail::Overloaded) => "has no room now; try again later",
        _ => "failed; try again later",
    };
    format!("provider: HTTP {number}: it {what}; its words are in the reply")
}

/// Seconds that a text names: "Try again in 123 seconds".
pub fn seconds_named(text: &str) -> Option<Duration> {
    let lower = text.to_lowercase();
    let rest = lower.split_once("try again in ")?.1;
    let digits = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let rest = rest[digits.len()..].trim_start();
    let unit = if rest.starts_with("ms") || rest.starts_with("millisecond") { 0.001 } else { 1.0 };
    Duration::try_from_secs_f64(digits.parse::<f64>().ok()? * unit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn of(status: u16, body: &str) -> (Status, Detail, String, String) {
        let headers = HeaderMap::new();
        let status = StatusCode::from_u16(status).unwrap();
        let RefusalInfo { status, detail, problem, .. } =
            classify(&Refusal { status, headers: &headers, body: body.as_bytes(), renewed: false });
        (status, detail, problem.code, problem.text)
    }

    #[test]
    fn every_form_of_error_is_understood() {
        let rows = [
            (400, r#"{"error":{"message":"m","type":"t","param":null,"code":"c"}}"#, Detail::BadRequest, "c", "m"),
            (404, r#"{"error":"model 'x' not found"}"#, Detail::NotFound, "", "model 'x' not found"),
            (
                400,
                r#"{"object":"error","message":"m","type":"BadRequestError","code":400}"#,
                Detail::BadRequest,
                "BadRequestError",
                "m",
            ),
            (
                422,
                r#"{"detail":[{"loc":["body"],"msg":"m"}]}"#,
                Detail::BadRequest,
                "",
                r#"[{"loc":["body"],"msg":"m"}]"#,
            ),
            (
                503,
                r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
                Detail::Overloaded,
                "unavailable_error",
                "Loading model",
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"m","type":"exceed_context_size_error","n_ctx":1}}"#,
                Detail::ContextOverflow,
                "exceed_context_size_error",
                "m",
            ),
            (403, "<html>no</html>", Detail::NotFound, "", "<html>no</html>"),
            (500, "", Detail::ServerError, "", ""),
        ];
        for (status, body, detail, code, text) in rows {
            assert_eq!(of(status, body), (Status::Provider, detail, code.into(), text.into()), "{body}");
        }
    }

    #[test]
    fn quota_rate_and_credential_are_told_apart() {
        assert_eq!(of(429, r#"{"error":{"message":"m","code":"insufficient_quota"}}"#).0, Status::Quota);
        assert_eq!(of(429, r#"{"error":{"message":"m","code":"rate_limit_exceeded"}}"#).0, Status::RateLimited);
        assert_eq!(of(402, "{}").0, Status::Quota);
        assert_eq!(of(401, "{}").0, Status::Auth);
        assert_eq!(of(403, r#"{"message":"Billing account is not active"}"#).0, Status::Quota);
    }

    #[test]
    fn seconds_are_found_in_words() {
        let text = "Rate limit exceeded for message creation. Try again in 123 seconds.";
        assert_eq!(seconds_named(text), Some(Duration::from_secs(123)));
        assert_eq!(seconds_named("please try again in 20ms"), Some(Duration::from_millis(20)));
        assert_eq!(seconds_named("try again in a while"), None);
        assert_eq!(seconds_named("later"), None);
    }
}
