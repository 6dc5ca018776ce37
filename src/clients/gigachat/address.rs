//! Where calls go: most are under the base URL, some only under another version of it.

use url::{Position, Url};

use crate::error::{Error, Result};

/// The chat of the second version: the base's own version, at the end of its path, gives way to it.
pub fn chat_v2(base: &str) -> String {
    in_version(base, "v2", "chat/completions").unwrap_or_else(|| "chat/completions".to_owned())
}

/// What is of the first version alone, for a base of the second too.
pub fn under_v1(base: &str, path: &str) -> String {
    let moved = if is_v2(base) { in_version(base, "v1", path) } else { None };
    moved.unwrap_or_else(|| path.to_owned())
}

/// Whether the base is of the second version.
pub fn is_v2(base: &str) -> bool {
    Url::parse(base).is_ok_and(|base| base.path().trim_end_matches('/').ends_with("/v2"))
}

/// The caller's own: a path that begins with a version is one of the origin. The token is for no other host.
pub fn of_raw(base: &str, reference: &str) -> Result<String> {
    let Ok(base) = Url::parse(base) else { return Ok(reference.to_owned()) };
    if begins_with_version(reference) {
        return Ok(format!("{}{reference}", &base[..Position::BeforePath]));
    }
    match Url::parse(reference) {
        Ok(url) if url.has_host() && url.origin() != base.origin() => Err(Error::invalid(
            "url",
            "is of another host than base_url, which the credential is not for; make a client of it",
        )),
        _ => Ok(reference.to_owned()),
    }
}

/// `/v1`, `/api/v2/files` ...
fn begins_with_version(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let first = rest.strip_prefix("api/").unwrap_or(rest).split(['/', '?', '#']).next().unwrap_or("");
    is_version(first)
}

fn is_version(segment: &str) -> bool {
    let digits = segment.strip_prefix('v').unwrap_or("");
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// `path` under the base with its version replaced; `None` where the base names none.
fn in_version(base: &str, version: &str, path: &str) -> Option<String> {
    let base = Url::parse(base).ok()?;
    let (before, last) = base.path().trim_end_matches('/').rsplit_once('/')?;
    is_version(last).then(|| format!("{}{before}/{version}/{path}", &base[..Position::BeforePath]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_version_stands_in_the_place_of_the_first() {
        for (base, url) in [
            ("https://api.giga.chat/v1", "https://api.giga.chat/v2/chat/completions"),
            ("https://api.giga.chat/v1/", "https://api.giga.chat/v2/chat/completions"),
            (
                "https://gigachat.devices.sberbank.ru/api/v1",
                "https://gigachat.devices.sberbank.ru/api/v2/chat/completions",
            ),
            ("http://127.0.0.1:8080/a/v12?k=1", "http://127.0.0.1:8080/a/v2/chat/completions"),
            ("https://h/v2", "https://h/v2/chat/completions"),
            ("https://h/proxy", "chat/completions"),
            ("https://h", "chat/completions"),
            ("https://h/version", "chat/completions"),
        ] {
            assert_eq!(chat_v2(base), url, "{base}");
        }
    }

    #[test]
    fn what_is_of_the_first_version_stays_there() {
        assert_eq!(under_v1("https://h/v1", "models"), "models");
        assert_eq!(under_v1("https://h/api/v2/", "models"), "https://h/api/v1/models");
        assert_eq!(under_v1("https://h/x", "models"), "models");
    }

    #[test]
    fn a_path_with_a_version_is_anchored_at_the_origin_and_others_under_the_base() {
        let base = "https://h:8443/api/v1";
        for (reference, url) in [
            ("/v2/files", "https://h:8443/v2/files"),
            ("/api/v2/chat/completions", "https://h:8443/api/v2/chat/completions"),
            ("/v1", "https://h:8443/v1"),
            ("/v1?a=1", "https://h:8443/v1?a=1"),
            ("/files", "/files"),
            ("files/1/content", "files/1/content"),
            ("v2/files", "v2/files"),
            ("/versions", "/versions"),
            ("/v", "/v"),
            ("https://h:8443/v2/batches", "https://h:8443/v2/batches"),
        ] {
            assert_eq!(of_raw(base, reference).unwrap(), url);
        }
    }

    #[test]
    fn no_other_host_gets_the_token() {
        for url in ["https://evil/v1", "http://h:8443/api/v1/files", "https://h/api/v1/files"] {
            assert!(of_raw("https://h:8443/api/v1", url).unwrap_err().message.starts_with("url: "), "{url}");
        }
    }
}
