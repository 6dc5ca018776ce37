//! Names of models: a URI of the folder, the model and its version.

use crate::clients::config::ClientConfig;
use crate::error::{Error, Result};

/// Of a model that writes.
pub fn generates(model: &str, config: &ClientConfig) -> Result<String> {
    uri("gpt", "model", model, config)
}

/// Of one that turns texts into numbers.
pub fn embeds(model: &str, config: &ClientConfig) -> Result<String> {
    uri("emb", "embedding_model", model, config)
}

fn uri(scheme: &str, field: &str, model: &str, config: &ClientConfig) -> Result<String> {
    let model = model.trim();
    if model.contains("://") {
        return Ok(model.to_owned());
    }
    if model.is_empty() {
        return Err(Error::invalid(field, "is not set; name one in the call or in the client's options"));
    }
    let folder = config.folder.trim();
    if folder.is_empty() {
        return Err(Error::invalid("folder", "is not set; set it, or name the model by its whole URI"));
    }
    // What was tuned has its suffix after the version.
    let (name, tuned) =
        model.split_once('@').map_or((model, String::new()), |(name, tuned)| (name, format!("@{tuned}")));
    let version = if name.contains('/') { "" } else { "/latest" };
    Ok(format!("{scheme}://{folder}/{name}{version}{tuned}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::support::bare;
    use super::*;
    use crate::clients::kind::Kind;

    #[test]
    fn a_name_becomes_a_uri() {
        let config = bare(Kind::Yandex);
        let rows = [
            ("yandexgpt", "gpt://b1g/yandexgpt/latest"),
            ("yandexgpt/rc", "gpt://b1g/yandexgpt/rc"),
            ("yandexgpt-lite/latest@tuned", "gpt://b1g/yandexgpt-lite/latest@tuned"),
            ("yandexgpt-lite@tuned", "gpt://b1g/yandexgpt-lite/latest@tuned"),
            ("gpt://other/yandexgpt/rc", "gpt://other/yandexgpt/rc"),
            ("ds://x", "ds://x"),
        ];
        for (model, uri) in rows {
            assert_eq!(generates(model, &config).unwrap(), uri);
        }
        assert_eq!(embeds("text-search-query", &config).unwrap(), "emb://b1g/text-search-query/latest");
    }

    #[test]
    fn what_it_lacks_is_named() {
        let mut config = bare(Kind::Yandex);
        assert!(generates("", &config).unwrap_err().message.starts_with("model: "));
        assert!(embeds(" ", &config).unwrap_err().message.starts_with("embedding_model: "));
        config.folder.clear();
        assert!(generates("yandexgpt", &config).unwrap_err().message.starts_with("folder: "));
        assert!(generates("gpt://b1g/yandexgpt/latest", &config).is_ok());
    }
}
