//! The authorization key: base64 of an id and a secret, as the user's cabinet shows it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use crate::clients::secret::Secret;
use crate::clients::unchecked_config::UncheckedConfig;
use crate::error::{Error, Result};

/// The key that was given, or that of the id and the secret; empty where neither was.
pub fn authorization_key(given: &UncheckedConfig) -> Result<Secret> {
    if !given.api_key.trim().is_empty() {
        return checked(&given.api_key);
    }
    let (id, secret) = (given.client_id.trim(), given.client_secret.trim());
    match (id.is_empty(), secret.is_empty()) {
        (true, true) => Ok(Secret::default()),
        (true, false) => Err(Error::invalid("client_id", "is missing beside client_secret; set it, or api_key alone")),
        (false, true) => Err(Error::invalid("client_secret", "is missing beside client_id; set it, or api_key alone")),
        (false, false) if id.contains(':') => Err(Error::invalid("client_id", "has a colon; give id and secret apart")),
        (false, false) => Ok(pair(id, secret)),
    }
}

/// Base64 of two texts with a colon between them.
pub fn pair(name: &str, secret: &str) -> Secret {
    // With room for all of it: what grows leaves copies behind.
    let mut both = Zeroizing::new(String::with_capacity(name.len() + 1 + secret.len()));
    for part in [name, ":", secret] {
        both.push_str(part);
    }
    Secret::of_any(&Zeroizing::new(BASE64_STANDARD.encode(both.as_bytes())))
}

/// The key without the blanks and the scheme that were copied with it. An error says the place in the text as it was given.
fn checked(text: &str) -> Result<Secret> {
    let mut key = text.trim();
    for scheme in ["basic ", "bearer "] {
        if key.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)) {
            key = key[scheme.len()..].trim_start();
        }
    }
    let bad = |byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
    if let Some(at) = key.as_bytes().iter().position(bad) {
        let begin = key.as_ptr() as usize - text.as_ptr() as usize;
        let place = begin + at + 1;
        let mend = "copy the authorization key, not the client secret, or set client_id and client_secret";
        return Err(Error::invalid("api_key", format_args!("is no standard base64 at byte {place}; {mend}")));
    }
    let decoded = Zeroizing::new(BASE64_STANDARD.decode(key).unwrap_or_default());
    if decoded.is_empty() {
        return Err(Error::invalid("api_key", "is base64 that is cut; copy the authorization key whole"));
    }
    Ok(Secret::of_any(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::unchecked_config::Text;

    fn of(api_key: &str, id: &str, secret: &str) -> Result<Secret> {
        let text = |text: &str| Text::new(text.to_owned());
        let given = UncheckedConfig {
            api_key: text(api_key),
            client_id: text(id),
            client_secret: text(secret),
            ..UncheckedConfig::default()
        };
        authorization_key(&given)
    }

    #[test]
    fn blanks_and_schemes_are_not_part_of_it() {
        for text in ["aWQ6c2VjcmV0", " aWQ6c2VjcmV0\r\n", "Basic aWQ6c2VjcmV0", "bearer  aWQ6c2VjcmV0 "] {
            assert_eq!(of(text, "", "").unwrap().expose(), "aWQ6c2VjcmV0", "{text}");
        }
    }

    #[test]
    fn id_and_secret_make_one() {
        assert_eq!(of("", " id ", "secret\n").unwrap().expose(), "aWQ6c2VjcmV0");
        assert_eq!(of("YTpi", "id", "secret").unwrap().expose(), "YTpi");
        assert!(of(" ", "", "").unwrap().is_empty());
        assert!(of("", "id", "").unwrap_err().message.starts_with("client_secret: "));
        assert!(of("", "", "s").unwrap_err().message.starts_with("client_id: "));
        assert!(of("", "i:d", "s").unwrap_err().message.starts_with("client_id: "));
    }

    #[test]
    fn a_bad_one_is_named_by_its_place_alone() {
        for (text, place) in [
            ("planted-secret", 8),
            (" Basic planted_s", 15),
            ("plantedключ", 8),
            ("plan\r\nted", 5),
            ("planted secret", 8),
        ] {
            let error = of(text, "", "").unwrap_err();
            assert!(error.message.contains(&format!("at byte {place};")), "{text}: {error}");
            assert!(!error.message.contains("planted"), "{error}");
        }
        for cut in ["YTpib", "YTp=b", "====", "YTpi="] {
            assert!(of(cut, "", "").unwrap_err().message.contains("cut"), "{cut}");
        }
    }
}
