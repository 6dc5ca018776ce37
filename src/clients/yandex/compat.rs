//! YandexGPT as OpenAI speaks: <https://yandex.cloud/en/docs/foundation-models/concepts/openai-compatibility>.

use super::{model, one_of};
use crate::clients::ask::{Ask, Chat, Embed};
use crate::clients::config::ClientConfig;
use crate::clients::json::merge;
use crate::clients::lists::{Embeddings, Models};
use crate::clients::openai::{Completions, chat_body};
use crate::clients::service::{ProviderRequest, Unread, WrittenCall};
use crate::clients::uuid;
use crate::error::{Error, Result, Status};

pub fn write(ask: &Ask, config: &ClientConfig) -> Result<WrittenCall> {
    let unsupported = |what| Err(Error::new(Status::Unsupported, format!("{what}; use the kind yandex")));
    Ok(match ask {
        Ask::Chat(chat) if chat.job => return unsupported("flags: AIP_CALL_JOB is not of OpenAI's API"),
        Ask::Chat(chat) => {
            let request = sign(ProviderRequest::post("chat/completions", &body(chat, config)?), config)?;
            if chat.stream { WrittenCall::sse(request, Completions) } else { WrittenCall::whole(request, Completions) }
        }
        Ask::Embed(embed) => embedding(embed, one_of(&embed.inputs)?, config)?,
        Ask::Models => WrittenCall::whole(sign(ProviderRequest::get("models"), config)?, Models),
        Ask::Count(_) => return unsupported("operation: OpenAI's API counts no tokens"),
        Ask::Raw(raw) => WrittenCall::whole(sign(ProviderRequest::raw(raw)?, config)?, Unread),
    })
}

fn sign(request: ProviderRequest, config: &ClientConfig) -> Result<ProviderRequest> {
    request.with("openai-project", config.folder.trim())?.with("x-client-request-id", &uuid::v4()?)
}

fn body(chat: &Chat, config: &ClientConfig) -> Result<serde_json::Value> {
    let mut body = chat_body(chat, &config.model)?;
    if !chat.extra.contains_key("model") {
        body["model"] = model::generates(chat.model.as_deref().unwrap_or(&config.model), config)?.into();
    }
    Ok(body)
}

/// One text: a list is refused.
pub fn embedding(embed: &Embed, input: &str, config: &ClientConfig) -> Result<WrittenCall> {
    let model = model::embeds(embed.model.as_deref().unwrap_or(&config.embedding_model), config)?;
    let mut body = serde_json::json!({"model": model, "input": input, "encoding_format": "float"});
    if let Some(dimensions) = embed.dimensions {
        body["dimensions"] = dimensions.into();
    }
    merge(&mut body, &embed.extra);
    Ok(WrittenCall::whole(sign(ProviderRequest::post("embeddings", &body), config)?, Embeddings))
}

#[cfg(test)]
mod tests {
    use super::super::Yandex;
    use super::super::tests::support::{chat, config, json_of, told};
    use super::*;
    use crate::body::reply::{Delta, Finish};
    use crate::clients::kind::Kind;
    use crate::clients::service::Service;
    use serde_json::json;

    fn options() -> ClientConfig {
        config(Kind::YandexOpenAi)
    }

    fn header<'a>(written: &'a WrittenCall, name: &str) -> &'a str {
        written.request.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn a_chat_names_the_model_by_its_uri_and_the_folder_in_a_header() {
        let written =
            Yandex::OpenAi.write(&Ask::Chat(Box::new(Chat { stream: true, ..chat("Hi") })), &options()).unwrap();
        assert_eq!(written.request.url, "chat/completions");
        let body = json!({
            "model": "gpt://b1g/yandexgpt/latest", "messages": [{"role": "user", "content": "Hi"}],
            "stream": true, "stream_options": {"include_usage": true},
        });
        assert_eq!(json_of(&written), body);
        assert_eq!(header(&written, "openai-project"), "b1g");
        assert_eq!(header(&written, "x-client-request-id").len(), 36);
        assert_eq!(header(&written, "accept"), "text/event-stream");
    }

    #[test]
    fn a_model_in_the_providers_own_words_stays() {
        let mut own = chat("Hi");
        own.extra.insert("model".into(), json!("gpt://other/x/rc"));
        let written = Yandex::OpenAi.write(&Ask::Chat(Box::new(own)), &options()).unwrap();
        assert_eq!(json_of(&written)["model"], "gpt://other/x/rc");
    }

    #[test]
    fn each_text_is_embedded_by_a_request_of_its_own() {
        let mut embed = Embed { inputs: vec!["a".into()], dimensions: Some(256), ..Embed::default() };
        let body = json!({
            "model": "emb://b1g/text-search-doc/latest", "input": "a", "encoding_format": "float", "dimensions": 256,
        });
        assert_eq!(json_of(&Yandex::OpenAi.write(&Ask::Embed(embed.clone()), &options()).unwrap()), body);
        assert!(Yandex::OpenAi.steps(&Ask::Embed(embed.clone()), &options()).unwrap().is_none());
        embed.inputs.push("b".into());
        assert!(Yandex::OpenAi.steps(&Ask::Embed(embed), &options()).unwrap().is_some());
    }

    #[test]
    fn what_it_has_not_is_unsupported() {
        let job = Ask::Chat(Box::new(Chat { job: true, ..chat("Hi") }));
        let count = Ask::Count(crate::clients::ask::Count::default());
        for ask in [job, count] {
            assert_eq!(Yandex::OpenAi.write(&ask, &options()).err().unwrap().status, Status::Unsupported);
        }
    }

    #[test]
    fn the_quirks_of_its_streams_are_understood() {
        let stream = concat!(
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"},\"finish_reason\":null}]}\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Раз\"}}]}\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Нет\"},\"finish_reason\":\"CONTENT_FILTER\"}]}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n",
            "data: [DONE]\n\n",
        );
        let written =
            Yandex::OpenAi.write(&Ask::Chat(Box::new(Chat { stream: true, ..chat("Hi") })), &options()).unwrap();
        let (outcome, mut builder) = told(&written, stream.as_bytes(), 7);
        outcome.unwrap();
        assert!(builder.is_done());
        assert_eq!((builder.reply.text.as_str(), builder.reply.finish), ("Нет", Finish::Filter));
        assert_eq!((builder.reply.reasoning.as_str(), builder.reply.usage.total), ("hm", 5));
        let deltas: Vec<Delta> = std::iter::from_fn(|| builder.take()).collect();
        assert!(deltas.contains(&Delta::Replace("Нет".into())), "{deltas:?}");
    }

    #[test]
    fn an_error_in_its_stream_is_one() {
        let written =
            Yandex::OpenAi.write(&Ask::Chat(Box::new(Chat { stream: true, ..chat("Hi") })), &options()).unwrap();
        let (outcome, builder) = told(&written, b"data: {\"error\":{\"error\":\"it broke\"}}\n\n", 5);
        assert_eq!(outcome.unwrap_err().status, Status::Provider);
        assert_eq!(builder.reply.problem.text, "it broke");
    }
}
