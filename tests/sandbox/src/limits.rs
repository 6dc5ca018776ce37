//! What a front end adds to every answer of a provider: quotas, and how long a connection is kept.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use crate::quota::{Quota, Standing};
use crate::reply::Reply;
use crate::router::Call;
use crate::site::Site;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// Takes the request off the quota of its credential, if there is a quota.
pub fn take(site: &Site, call: &Call) -> Option<Standing> {
    let quota = call.faults.quota.map(|(quota, _)| quota).or_else(|| Quota::parse(&site.settings.text("quota")))?;
    let credential =
        call.head.headers.get(AUTHORIZATION).map_or("-".into(), |value| String::from_utf8_lossy(value.as_bytes()));
    let standing = site.quotas.take(&credential, quota);
    site.ledger.add(if standing.refused { "quota.refused" } else { "quota.taken" });
    Some(standing)
}

/// Says where the credential stands; a refusal says when to come again, whatever else is said.
pub fn tell(site: &Site, call: &Call, standing: Option<Standing>, mut reply: Reply) -> Reply {
    let Some(standing) = standing else { return reply };
    let headers = call.faults.quota.map_or_else(|| site.settings.count("quota-headers") > 0, |(_, headers)| headers);
    if headers {
        standing.tell(reply.headers_mut());
    }
    if standing.refused && reply.status() == StatusCode::TOO_MANY_REQUESTS {
        // Rounded up: who comes at that time is not too early.
        let ms = u64::try_from(standing.reset.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        let (seconds, rest) = (ms / 1000, ms % 1000);
        let value = HeaderValue::from_str(&format!("{seconds}.{rest:03}")).unwrap_or(seconds.into());
        reply.headers_mut().insert(RETRY_AFTER, value);
        if headers {
            reply.headers_mut().insert(RETRY_AFTER_MS, ms.into());
        }
    }
    reply
}

/// How long a connection may be idle, if the listener closes idle ones.
pub fn idle(site: &Site) -> Option<Duration> {
    Some(Duration::from_secs(site.settings.count("keep-alive"))).filter(|idle| !idle.is_zero())
}

pub fn keep_alive(site: &Site, headers: &mut HeaderMap, http2: bool) {
    if let (false, Some(idle)) = (http2, idle(site)) {
        let value = format!("timeout={}", idle.as_secs());
        headers.insert(KEEP_ALIVE, HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("timeout=15")));
    }
}
