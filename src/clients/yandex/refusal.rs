//! What YandexGPT's refusals mean: codes of gRPC, and limits that only the words tell apart.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::body::reply::{ReplyBuilder, in_body};
use crate::clients::json::{member, number};
use crate::clients::refusal;
use crate::clients::service::RefusalInfo;
use crate::error::{Detail, Error, Status};
use crate::request::provider::{Again, Refusal};

/// A slot of the account may be free so soon: it is a matter of other requests' ends.
const SLOT: Duration = Duration::from_millis(250);
/// A rate by the second is over then.
const SECOND: Duration = Duration::from_secs(1);

/// What a refusal says.
pub fn classify(refusal: &Refusal<'_>) -> RefusalInfo {
    let told = refusal::classify(refusal);
    if refusal.status == StatusCode::NOT_IMPLEMENTED {
        return RefusalInfo { again: Again::Never, ..told };
    }
    if told.status != Status::RateLimited {
        return told;
    }
    let said = told.problem.text.to_lowercase();
    let allowed = allowed(&said);
    if allowed == Some(0) {
        // It is not for this account, and waiting changes nothing.
        return RefusalInfo { status: Status::Quota, again: Again::Never, ..told };
    }
    if said.contains("gauge") {
        return RefusalInfo { detail: Detail::Concurrency, at_most: allowed, again: Again::Surely(Some(SLOT)), ..told };
    }
    let cool = said.contains("persecond").then_some(SECOND);
    RefusalInfo { cool, ..told }
}

/// `... quota limit exceed: allowed 10 requests`.
fn allowed(said: &str) -> Option<usize> {
    let rest = said.split_once("allowed ")?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A failure inside an answer that began well, told by its code.
pub fn broken(answer: &Value, builder: &mut ReplyBuilder) -> Error {
    let what = "response: the provider broke its answer off with an error; its words are in the reply";
    failure(answer, builder, what)
}

/// A failure of a job.
pub fn job_failed(operation: &Value, builder: &mut ReplyBuilder) -> Error {
    failure(operation, builder, "job: it failed; the provider's words are in the reply")
}

fn failure(answer: &Value, builder: &mut ReplyBuilder, what: &str) -> Error {
    let (headers, body) = (HeaderMap::new(), answer.to_string());
    let status = status(member(answer, "error").unwrap_or(answer));
    let told = classify(&Refusal { status, headers: &headers, body: body.as_bytes(), renewed: false });
    builder.reply.problem = told.problem;
    in_body(told.status, what).detail(told.detail)
}

/// The status of HTTP, told or by the code of gRPC.
fn status(problem: &Value) -> StatusCode {
    let http = number(problem, "httpCode");
    let code = [number(problem, "grpcCode"), number(problem, "code")].into_iter().find(|code| *code > 0).unwrap_or(-1);
    let of_grpc = match code {
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        // Some write the status of HTTP there.
        400..=599 => code,
        _ => 500,
    };
    let told = if (400..=599).contains(&http) { http } else { of_grpc };
    u16::try_from(told)
        .ok()
        .and_then(|told| StatusCode::from_u16(told).ok())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(status: u16, body: &str) -> RefusalInfo {
        let headers = HeaderMap::new();
        let status = StatusCode::from_u16(status).unwrap();
        classify(&Refusal { status, headers: &headers, body: body.as_bytes(), renewed: false })
    }

    /// Both shapes of one refusal.
    fn shapes(status: u16, grpc: u16, message: &str) -> [String; 3] {
        [
            json!({"error": {"grpcCode": grpc, "httpCode": status, "message": message, "httpStatus": "x", "details": []}}),
            json!({"code": grpc, "message": message, "details": []}),
            json!({"error": message, "code": grpc}),
        ]
        .map(|body| body.to_string())
    }

    #[test]
    fn each_refusal_is_classed() {
        let rows = [
            (
                400,
                3,
                "Specified folder ID 'x' does not match with service account folder ID 'y'",
                Status::Provider,
                Detail::BadRequest,
            ),
            (400, 3, "invalid model_uri", Status::Provider, Detail::BadRequest),
            (
                400,
                3,
                "Number of input tokens must be no more than 8192, got 9136",
                Status::Provider,
                Detail::ContextOverflow,
            ),
            (401, 16, "Unknown api key 'AQ'", Status::Auth, Detail::None),
            (401, 16, "The token is invalid", Status::Auth, Detail::None),
            (403, 7, "Permission denied to x", Status::Provider, Detail::Permission),
            (403, 7, "Billing account is not active", Status::Quota, Detail::None),
            (404, 5, "Model not found", Status::Provider, Detail::NotFound),
            (
                429,
                8,
                "ai.textGenerationCompletionSessionsCount.count gauge quota limit exceed: allowed 10 requests",
                Status::RateLimited,
                Detail::Concurrency,
            ),
            (
                429,
                8,
                "ai.textGenerationCompletionRequestsPerHour.rate rate quota limit exceed: allowed 100 requests",
                Status::RateLimited,
                Detail::None,
            ),
            (429, 8, "Quota limit ai.languageModels.requestCount.rate exceeded", Status::RateLimited, Detail::None),
            (429, 8, "x.count gauge quota limit exceed: allowed 0 requests", Status::Quota, Detail::None),
            (500, 13, "INTERNAL", Status::Provider, Detail::ServerError),
            (501, 12, "UNIMPLEMENTED", Status::Provider, Detail::ServerError),
            (503, 14, "UNAVAILABLE", Status::Provider, Detail::Overloaded),
            (504, 4, "DEADLINE_EXCEEDED", Status::Provider, Detail::ServerError),
        ];
        for (http, grpc, message, status, detail) in rows {
            for body in shapes(http, grpc, message) {
                let told = of(http, &body);
                assert_eq!((told.status, told.detail), (status, detail), "{body}");
                assert_eq!((told.problem.code, told.problem.text), (grpc.to_string(), message.to_owned()), "{body}");
                // The same inside an answer, where there is no status but the code.
                let mut builder = ReplyBuilder::default();
                let error = broken(&serde_json::from_str(&body).unwrap(), &mut builder);
                if !body.starts_with(r#"{"error":""#) {
                    assert_eq!((error.status, error.detail), (status, detail), "{body}");
                }
                assert_eq!(builder.reply.problem.text, message);
                assert!(!error.message.contains(message));
            }
        }
    }

    #[test]
    fn what_may_do_better_is_tried_again() {
        let rows = [
            (400, "x", Again::Never),
            (401, "x", Again::Never),
            (403, "x", Again::Never),
            (404, "x", Again::Never),
            (429, "x.count gauge quota limit exceed: allowed 10 requests", Again::Surely(Some(SLOT))),
            (429, "x.rate rate quota limit exceed: allowed 10 requests", Again::Perhaps(None)),
            (429, "x.count gauge quota limit exceed: allowed 0 requests", Again::Never),
            (500, "x", Again::Surely(None)),
            (501, "x", Again::Never),
            (503, "x", Again::Perhaps(None)),
            (504, "x", Again::Surely(None)),
        ];
        for (status, message, again) in rows {
            assert_eq!(of(status, &json!({"message": message}).to_string()).again, again, "{status} {message}");
        }
    }

    #[test]
    fn a_gauge_tells_how_many_and_a_rate_how_long() {
        let gauge = of(429, r#"{"message":"x.count gauge quota limit exceed: allowed 10 requests"}"#);
        assert_eq!((gauge.at_most, gauge.cool), (Some(10), None));
        let rate = of(
            429,
            r#"{"message":"ai.embeddingsTextEmbeddingRequestsPerSecond.rate rate quota limit exceed: allowed 10 requests"}"#,
        );
        assert_eq!((rate.at_most, rate.cool), (None, Some(SECOND)));
        let vague = of(429, r#"{"message":"Quota limit ai.languageModels.requestCount.rate exceeded"}"#);
        assert_eq!((vague.at_most, vague.cool), (None, None));
    }

    #[test]
    fn a_token_is_given_up_for_401_alone() {
        assert!(of(401, "{}").token);
        assert!(!of(403, r#"{"code":16,"message":"x"}"#).token);
    }

    #[test]
    fn a_body_without_structure_is_kept() {
        assert_eq!(of(503, "no healthy upstream").problem.text, "no healthy upstream");
        assert_eq!(of(429, "").status, Status::RateLimited);
    }
}
