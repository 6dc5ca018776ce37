//! What refusals mean: most say so by their status, and a page of HTML is a wrong address, whatever its status.

use http::StatusCode;
use serde_json::Value;

use crate::body::reply::Problem;
use crate::clients::json::{member, number, problem};
use crate::clients::refusal;
use crate::clients::service::RefusalInfo;
use crate::error::{Detail, Status};
use crate::request::provider::{Again, Refusal};

/// What a refusal means.
pub fn classify(refusal: &Refusal<'_>) -> RefusalInfo {
    let told = refusal::classify(refusal);
    let is_html = refusal.body.trim_ascii_start().first() == Some(&b'<');
    match refusal.status.as_u16() {
        // The page of a front end knows nothing of the token.
        401 | 403 | 404 if is_html => RefusalInfo {
            status: Status::Provider,
            detail: Detail::NotFound,
            again: Again::Never,
            token: false,
            ..told
        },
        // As many at once as allowed: a slot that gets free mends it, so the others are not slowed down.
        429 if told.status == Status::RateLimited => RefusalInfo { detail: Detail::Concurrency, ..told },
        // A success that is none says its status inside.
        200..=299 => within(&told.problem).map_or(told, |status| classify(&Refusal { status, ..*refusal })),
        _ => told,
    }
}

fn within(problem: &Problem) -> Option<StatusCode> {
    let status = problem.code.parse().ok().and_then(|code| StatusCode::from_u16(code).ok())?;
    (status.as_u16() >= 400).then_some(status)
}

/// The failure that an event of a stream says: `{"status": 500, "message": ...}`.
pub fn in_event(event: &Value) -> Option<Problem> {
    let named = member(event, "error").is_some() || number(event, "status") >= 400 || number(event, "code") >= 0;
    if named { problem(event) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn of(status: u16, body: &str) -> RefusalInfo {
        let headers = HeaderMap::new();
        classify(&Refusal {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &headers,
            body: body.as_bytes(),
            renewed: false,
        })
    }

    #[test]
    fn every_row_of_the_table_means_what_it_says() {
        let page = "\r\n<html>no</html>";
        let provider = Status::Provider;
        let perhaps = Again::Perhaps(None);
        for (http, body, status, detail, again, token) in [
            (400, r#"{"status":400,"message":"Invalid params: x"}"#, provider, Detail::BadRequest, Again::Never, false),
            (401, r#"{"status":401,"message":"Unauthorized"}"#, Status::Auth, Detail::None, Again::Never, true),
            (401, r#"{"status":401,"message":"Token has expired"}"#, Status::Auth, Detail::None, Again::Never, true),
            (402, r#"{"status":402,"message":"Payment Required"}"#, Status::Quota, Detail::None, Again::Never, false),
            (403, r#"{"status":403,"message":"Permission denied"}"#, provider, Detail::Permission, Again::Never, false),
            (403, r#"{"message":"Unauthorized"}"#, provider, Detail::Permission, Again::Never, false),
            (404, r#"{"status":404,"message":"No such model"}"#, provider, Detail::NotFound, Again::Never, false),
            (
                413,
                r#"{"status":413,"message":"Payload too large"}"#,
                provider,
                Detail::ContextOverflow,
                Again::Never,
                false,
            ),
            (422, r#"{"status":422,"message":"Invalid params: x"}"#, provider, Detail::BadRequest, Again::Never, false),
            (
                429,
                r#"{"status":429,"message":"Too Many Requests"}"#,
                Status::RateLimited,
                Detail::Concurrency,
                perhaps,
                false,
            ),
            (500, r#"{"status":500,"message":"e"}"#, provider, Detail::ServerError, Again::Surely(None), false),
            (502, page, provider, Detail::ServerError, Again::Surely(None), false),
            (503, r#"{"status":503,"message":"e"}"#, provider, Detail::Overloaded, perhaps, false),
            (504, "", provider, Detail::ServerError, Again::Surely(None), false),
            (401, page, provider, Detail::NotFound, Again::Never, false),
            (403, page, provider, Detail::NotFound, Again::Never, false),
            (404, page, provider, Detail::NotFound, Again::Never, false),
            (200, r#"{"status":401,"message":"Unauthorized"}"#, Status::Auth, Detail::None, Again::Never, true),
            (200, r#"{"status":429,"message":"e"}"#, Status::RateLimited, Detail::Concurrency, perhaps, false),
            (200, "{}", provider, Detail::NotJson, perhaps, false),
        ] {
            let told = of(http, body);
            assert_eq!(
                (told.status, told.detail, told.again, told.token),
                (status, detail, again, token),
                "{http} {body}"
            );
        }
    }

    #[test]
    fn the_words_are_kept() {
        let told = of(404, r#"{"status":404,"message":"No such model"}"#);
        assert_eq!(told.problem, Problem { code: "404".into(), text: "No such model".into() });
    }
}
