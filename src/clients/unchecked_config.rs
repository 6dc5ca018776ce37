//! A client's options not checked yet: texts as its owner gave them, or as the environment has them where nothing was given.

use zeroize::Zeroizing;

use super::kind::Kind;

/// A text: wiped when it is no longer needed, for it may be a credential.
pub type Text = Zeroizing<String>;

/// What a client is made from, not checked yet. Empty is not given.
#[derive(Default)]
pub struct UncheckedConfig {
    pub base_url: Text,
    pub auth_url: Text,
    pub api_key: Text,
    pub access_token: Text,
    pub user: Text,
    pub password: Text,
    pub client_id: Text,
    pub client_secret: Text,
    pub oauth_token: Text,
    pub operations_url: Text,
    pub scope: Text,
    pub folder: Text,
    pub organization: Text,
    pub model: Text,
    pub embedding_model: Text,
    pub affinity: Text,
    pub ca_file: Text,
    pub client_cert_file: Text,
    pub client_key_file: Text,
}

type Place = fn(&mut UncheckedConfig) -> &mut Text;

/// Where a text stands in the environment: the first name that is set.
type Row = (Place, &'static [&'static str]);

const OPENAI: &[Row] = &[
    (|given| &mut given.base_url, &["OPENAI_BASE_URL", "OPENAI_API_BASE"]),
    (|given| &mut given.api_key, &["OPENAI_API_KEY"]),
    (|given| &mut given.organization, &["OPENAI_ORG_ID", "OPENAI_ORGANIZATION"]),
    (|given| &mut given.folder, &["OPENAI_PROJECT_ID"]),
    (|given| &mut given.model, &["OPENAI_MODEL"]),
];
const OLLAMA: &[Row] = &[
    (|given| &mut given.base_url, &["OLLAMA_HOST"]),
    (|given| &mut given.api_key, &["OLLAMA_API_KEY"]),
    (|given| &mut given.model, &["OLLAMA_MODEL"]),
];
const GIGACHAT: &[Row] = &[
    (|given| &mut given.base_url, &["GIGACHAT_BASE_URL", "GIGACHAT_API_URL", "GIGACHAT_API_BASE"]),
    (|given| &mut given.auth_url, &["GIGACHAT_AUTH_URL", "GIGACHAT_TOKEN_URL"]),
    (|given| &mut given.api_key, &["GIGACHAT_CREDENTIALS", "GIGACHAT_API_KEY"]),
    (|given| &mut given.client_id, &["GIGACHAT_CLIENT_ID"]),
    (|given| &mut given.client_secret, &["GIGACHAT_CLIENT_SECRET"]),
    (|given| &mut given.access_token, &["GIGACHAT_ACCESS_TOKEN"]),
    (|given| &mut given.user, &["GIGACHAT_USER"]),
    (|given| &mut given.password, &["GIGACHAT_PASSWORD"]),
    (|given| &mut given.scope, &["GIGACHAT_SCOPE"]),
    (|given| &mut given.model, &["GIGACHAT_MODEL"]),
    (|given| &mut given.ca_file, &["GIGACHAT_CA_BUNDLE_FILE"]),
    (|given| &mut given.client_cert_file, &["GIGACHAT_CERT_FILE"]),
    (|given| &mut given.client_key_file, &["GIGACHAT_KEY_FILE"]),
];
const YANDEX: &[Row] = &[
    // The last is told by its form, as any key is.
    (|given| &mut given.api_key, &["YC_API_KEY", "YANDEXGPT_API_KEY", "YC_TOKEN"]),
    (|given| &mut given.access_token, &["YC_IAM_TOKEN"]),
    (|given| &mut given.oauth_token, &["YC_OAUTH_TOKEN"]),
    (|given| &mut given.folder, &["YC_FOLDER_ID", "YANDEXGPT_FOLDER_ID"]),
    (|given| &mut given.model, &["YANDEXGPT_MODEL"]),
];
const NAPARNIK: &[Row] = &[(|given| &mut given.api_key, &["ONEC_AI_TOKEN", "NAPARNIK_TOKEN", "NAPARNIK_API_KEY"])];
const NAPARNIK_COMPAT: &[Row] = &[
    (|given| &mut given.base_url, &["NAPARNIK_API_URL"]),
    (|given| &mut given.api_key, &["NAPARNIK_API_KEY"]),
    (|given| &mut given.model, &["NAPARNIK_MODEL"]),
];
/// The host at which a virtual machine of Yandex's asks for its own tokens.
const YANDEX_METADATA: &str = "YC_METADATA_ADDR";

impl UncheckedConfig {
    /// Fills what is empty from the variables of this kind: the providers' own names, then those of the guide's project.
    pub fn fill(&mut self, kind: Kind, variable: impl Fn(&str) -> Option<String>) {
        for (place, names) in rows(kind) {
            let text = place(self);
            if text.is_empty() {
                let found = names.iter().find_map(|name| variable(name).filter(|value| !value.trim().is_empty()));
                *text = Text::new(found.unwrap_or_default());
            }
        }
        if matches!(kind, Kind::Yandex | Kind::YandexOpenAi) && self.auth_url.is_empty() {
            if let Some(host) = variable(YANDEX_METADATA) {
                self.auth_url = Text::new(super::yandex::metadata_at(&host));
            }
        }
        // Ollama's variable may be an address alone, without its usual port.
        if kind == Kind::Ollama && !self.base_url.is_empty() && !self.base_url.contains("://") {
            let port = if self.base_url.contains(':') { "" } else { ":11434" };
            *self.base_url = format!("http://{}{port}", self.base_url.trim());
        }
    }
}

fn rows(kind: Kind) -> &'static [Row] {
    match kind {
        Kind::OpenAi => OPENAI,
        Kind::Ollama => OLLAMA,
        Kind::GigaChat => GIGACHAT,
        Kind::Yandex | Kind::YandexOpenAi => YANDEX,
        Kind::Naparnik => NAPARNIK,
        Kind::NaparnikCompat => NAPARNIK_COMPAT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_goes_over_the_environment_and_empty_variables_count_as_none() {
        let mut given = UncheckedConfig { api_key: Text::new("mine".into()), ..UncheckedConfig::default() };
        given.fill(Kind::OpenAi, |name| match name {
            "OPENAI_API_KEY" => Some("theirs".into()),
            "OPENAI_BASE_URL" => Some(" ".into()),
            "OPENAI_API_BASE" => Some("http://h/v1".into()),
            _ => None,
        });
        assert_eq!((given.api_key.as_str(), given.base_url.as_str()), ("mine", "http://h/v1"));
        assert_eq!(given.model.as_str(), "");
    }
}
