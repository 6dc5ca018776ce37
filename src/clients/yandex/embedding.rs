//! Embeddings: of one text a request.

use serde_json::json;

use super::{model, refusal, sign};
use crate::body::reply::{Decode, Dialect, ReplyBuilder, Usage, in_body};
use crate::clients::ask::Embed;
use crate::clients::config::ClientConfig;
use crate::clients::json::{member, merge, number, parse, problem, text};
use crate::clients::lists::numbers;
use crate::clients::service::{ProviderRequest, Unread, WrittenCall};
use crate::error::{Detail, Result, Status};

/// The request for one text's.
pub fn written(embed: &Embed, input: &str, config: &ClientConfig) -> Result<WrittenCall> {
    let model = model::embeds(embed.model.as_deref().unwrap_or(&config.embedding_model), config)?;
    let mut body = json!({"modelUri": model, "text": input});
    if let Some(dimensions) = embed.dimensions {
        body["dim"] = dimensions.to_string().into();
    }
    merge(&mut body, &embed.extra);
    Ok(WrittenCall::whole(sign(ProviderRequest::post("textEmbedding", &body), config)?, Embedding))
}

/// `embedding` and `numTokens`.
struct Embedding;

impl Dialect for Embedding {
    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Unread)
    }

    fn whole(&self, body: &[u8], builder: &mut ReplyBuilder) -> Result<()> {
        let body = parse(body)?;
        let result = member(&body, "result").unwrap_or(&body);
        let Some(embedding) = member(result, "embedding") else {
            if problem(&body).is_some() {
                return Err(refusal::broken(&body, builder));
            }
            let message = "response: has no embedding; check base_url and read the body";
            return Err(in_body(Status::Provider, message).detail(Detail::NotJson));
        };
        builder.reply.embeddings = vec![numbers(embedding)?];
        text(result, "modelVersion").clone_into(&mut builder.reply.model);
        let prompt = number(result, "numTokens");
        builder.usage(Usage { prompt, total: prompt, ..Usage::default() });
        builder.done();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::support::{config, json_of, read};
    use super::*;
    use crate::clients::kind::Kind;

    fn request(change: impl Fn(&mut Embed)) -> Result<WrittenCall> {
        let mut embed = Embed::default();
        change(&mut embed);
        written(&embed, "Привет", &config(Kind::Yandex))
    }

    #[test]
    fn a_text_is_asked_about() {
        let plain = request(|_| {}).unwrap();
        assert_eq!(plain.request.url, "textEmbedding");
        assert_eq!(json_of(&plain), json!({"modelUri": "emb://b1g/text-search-doc/latest", "text": "Привет"}));
        let full = |embed: &mut Embed| {
            embed.model = Some("text-search-query".into());
            embed.dimensions = Some(256);
            embed.extra.insert("x".into(), 1.into());
        };
        let body = json!({"modelUri": "emb://b1g/text-search-query/latest", "text": "Привет", "dim": "256", "x": 1});
        assert_eq!(json_of(&request(full).unwrap()), body);
    }

    #[test]
    fn its_numbers_are_read() {
        let written = request(|_| {}).unwrap();
        for tokens in ["\"5\"", "5"] {
            let body = format!(r#"{{"embedding":[0.25,-1],"numTokens":{tokens},"modelVersion":"v"}}"#);
            let reply = read(&written, body.as_bytes()).unwrap();
            assert_eq!(reply.embeddings, [vec![0.25, -1.0]]);
            assert_eq!((reply.usage.prompt, reply.usage.total, reply.model.as_str()), (5, 5, "v"));
        }
        assert_eq!(read(&written, br#"{"embedding":[]}"#).unwrap().usage, Usage::default());
    }

    #[test]
    fn an_answer_without_numbers_is_an_error() {
        let written = request(|_| {}).unwrap();
        for body in ["{}", r#"{"embedding":null}"#, r#"{"embedding":["x"]}"#, r#"{"embedding":[0.1"#, ""] {
            assert_eq!(read(&written, body.as_bytes()).unwrap_err().status, Status::Provider, "{body}");
        }
        let limited = read(&written, br#"{"code":8,"message":"x.rate rate quota limit exceed: allowed 10 requests"}"#);
        assert_eq!(limited.unwrap_err().status, Status::RateLimited);
    }
}
