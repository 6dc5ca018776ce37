//! Who asks: an API key, a token of IAM, an OAuth token that is exchanged for one, or the machine itself.

use super::IAM;
use crate::clients::config::ClientConfig;
use crate::clients::secret::Secret;
use crate::clients::service::Credential;
use crate::error::Result;

const KEY: &str = "Api-Key ";
const TOKEN: &str = "Bearer ";

/// What a credential is, by its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Key,
    Iam,
    OAuth,
}

impl Form {
    fn of(text: &str) -> Form {
        match text.trim().as_bytes() {
            [b't', b'0'..=b'9', b'.', ..] => Form::Iam,
            [b'y', b'0'..=b'3', b'_', next, ..] if *next == b'-' || *next == b'_' || next.is_ascii_alphanumeric() => {
                Form::OAuth
            }
            _ => Form::Key,
        }
    }
}

/// How requests are signed.
pub fn of(config: &ClientConfig) -> Result<Credential> {
    let iam = held(config, Form::Iam).or_else(|| said(&config.access_token));
    if let Some(key) = held(config, Form::Key) {
        return trimmed("api_key", key)?.header(KEY).map(Credential::Fixed);
    }
    let brought = iam.map(|iam| trimmed("access_token", iam)).transpose()?;
    match brought {
        Some(iam) if oauth(config).is_none() => iam.header(TOKEN).map(Credential::Fixed),
        brought if oauth(config).is_some() || !config.auth_url.is_empty() => {
            Ok(Credential::Token { scheme: TOKEN, brought })
        }
        _ => Ok(Credential::None),
    }
}

/// What is exchanged for a token.
pub fn oauth(config: &ClientConfig) -> Option<&str> {
    held(config, Form::OAuth).or_else(|| said(&config.oauth_token))
}

/// Where tokens are had.
pub fn auth_url(config: &ClientConfig) -> &str {
    if config.auth_url.is_empty() && oauth(config).is_some() { IAM } else { &config.auth_url }
}

/// What a client lacks.
pub fn missing(config: &ClientConfig) -> Option<&'static str> {
    let nobody = said(&config.api_key).or_else(|| said(&config.access_token)).or_else(|| oauth(config)).is_none();
    if nobody && config.auth_url.is_empty() {
        return Some(
            "api_key: is not set, nor YANDEXGPT_API_KEY or YC_API_KEY; access_token (YC_IAM_TOKEN), oauth_token \
             (YC_OAUTH_TOKEN) or auth_url, the address of a machine's own token, do as well",
        );
    }
    let named = config.model.contains("://");
    (config.folder.trim().is_empty() && !named).then_some("folder: is not set, nor YANDEXGPT_FOLDER_ID or YC_FOLDER_ID")
}

/// What `api_key` holds, where it is of this form.
fn held(config: &ClientConfig, form: Form) -> Option<&str> {
    said(&config.api_key).filter(|text| Form::of(text) == form)
}

fn said(secret: &Secret) -> Option<&str> {
    Some(secret.expose().trim()).filter(|text| !text.is_empty())
}

fn trimmed(field: &str, text: &str) -> Result<Secret> {
    Secret::new(field, text)
}

#[cfg(test)]
mod tests {
    use super::super::METADATA;
    use super::super::tests::support::bare;
    use super::*;
    use crate::clients::kind::Kind;

    fn with(change: impl Fn(&mut ClientConfig)) -> ClientConfig {
        let mut config = bare(Kind::Yandex);
        change(&mut config);
        config
    }

    fn fixed(change: impl Fn(&mut ClientConfig)) -> String {
        match of(&with(change)).unwrap() {
            Credential::Fixed(value) => value.to_str().unwrap().to_owned(),
            Credential::None => "none".to_owned(),
            Credential::Token { scheme, brought } => {
                format!("{scheme}token {}", brought.map_or(String::new(), |token| token.expose().to_owned()))
            }
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::of_any(text)
    }

    #[test]
    fn the_form_of_a_key_says_what_it_is() {
        for iam in ["t1.9euel", " t1.x\n", "t2."] {
            assert_eq!(Form::of(iam), Form::Iam, "{iam}");
        }
        for oauth in ["y0_AgAAA", "y3_-x", " y1__"] {
            assert_eq!(Form::of(oauth), Form::OAuth, "{oauth}");
        }
        for key in ["AQVN1", "t.1", "ta.x", "y4_x", "y0_", "y0_.", "", "t1"] {
            assert_eq!(Form::of(key), Form::Key, "{key}");
        }
    }

    #[test]
    fn each_credential_is_sent_in_its_scheme() {
        assert_eq!(fixed(|config| config.api_key = secret(" AQVN1\n")), "Api-Key AQVN1");
        assert_eq!(fixed(|config| config.api_key = secret("t1.abc\n")), "Bearer t1.abc");
        assert_eq!(fixed(|config| config.access_token = secret("t1.abc")), "Bearer t1.abc");
        assert_eq!(fixed(|config| config.api_key = secret("y0_abc")), "Bearer token ");
        assert_eq!(fixed(|config| config.oauth_token = secret("y0_abc")), "Bearer token ");
        assert_eq!(fixed(|config| config.auth_url = METADATA.into()), "Bearer token ");
        assert_eq!(fixed(|_| {}), "none");
    }

    #[test]
    fn a_token_brought_is_used_until_it_is_refused_where_another_can_be_had() {
        let both = |config: &mut ClientConfig| {
            config.access_token = secret("t1.old");
            config.oauth_token = secret("y0_abc");
        };
        assert_eq!(fixed(both), "Bearer token t1.old");
    }

    #[test]
    fn tokens_are_had_where_the_credential_says() {
        assert_eq!(auth_url(&with(|config| config.oauth_token = secret("y0_abc"))), IAM);
        assert_eq!(auth_url(&with(|config| config.auth_url = METADATA.into())), METADATA);
        let own = with(|config| {
            config.api_key = secret("y0_abc");
            config.auth_url = "http://127.0.0.1:1/tokens".into();
        });
        assert_eq!(auth_url(&own), "http://127.0.0.1:1/tokens");
        assert_eq!(auth_url(&with(|_| {})), "");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(missing(&with(|_| {})).unwrap().starts_with("api_key: is not set"));
        let no_folder = |config: &mut ClientConfig| {
            config.api_key = secret("AQVN1");
            config.folder.clear();
        };
        assert!(missing(&with(no_folder)).unwrap().starts_with("folder: is not set"));
        let named = with(|config| {
            no_folder(config);
            config.model = "gpt://b1g/yandexgpt/latest".into();
        });
        assert_eq!(missing(&named), None);
        assert_eq!(missing(&with(|config| config.auth_url = METADATA.into())), None);
    }

    #[test]
    fn a_key_with_a_strange_character_is_refused_without_being_shown() {
        let error = of(&with(|config| config.api_key = secret("AQ\u{44f}planted"))).err().unwrap();
        assert!(error.message.starts_with("api_key: has a character at byte 3"), "{}", error.message);
        assert!(!error.message.contains("planted"));
    }
}
