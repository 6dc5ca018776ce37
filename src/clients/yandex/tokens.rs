//! Counts of tokens: of one text a request.

use serde_json::{Value, json};

use super::{model, refusal, sign};
use crate::body::reply::{Decode, Dialect, ReplyBuilder, in_body};
use crate::clients::ask::Count;
use crate::clients::config::ClientConfig;
use crate::clients::json::{member, parse, problem, text};
use crate::clients::service::{ProviderRequest, Unread, WrittenCall};
use crate::error::{Detail, Result, Status};

/// The request for one text's.
pub fn written(count: &Count, input: &str, config: &ClientConfig) -> Result<WrittenCall> {
    let model = model::generates(count.model.as_deref().unwrap_or(&config.model), config)?;
    let body = json!({"modelUri": model, "text": input});
    Ok(WrittenCall::whole(sign(ProviderRequest::post("tokenize", &body), config)?, Tokens))
}

/// `tokens`, of which the number counts.
struct Tokens;

impl Dialect for Tokens {
    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Unread)
    }

    fn whole(&self, body: &[u8], builder: &mut ReplyBuilder) -> Result<()> {
        let body = parse(body)?;
        let result = member(&body, "result").unwrap_or(&body);
        let Some(tokens) = result.get("tokens").and_then(Value::as_array) else {
            if problem(&body).is_some() {
                return Err(refusal::broken(&body, builder));
            }
            let message = "response: has no tokens; check base_url and read the body";
            return Err(in_body(Status::Provider, message).detail(Detail::NotJson));
        };
        builder.reply.counts = vec![tokens.len() as u64];
        text(result, "modelVersion").clone_into(&mut builder.reply.model);
        builder.done();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::support::{config, json_of, read};
    use super::*;
    use crate::clients::kind::Kind;

    #[test]
    fn a_text_is_counted() {
        let written = written(&Count::default(), "Привет", &config(Kind::Yandex)).unwrap();
        assert_eq!(written.request.url, "tokenize");
        assert_eq!(json_of(&written), json!({"modelUri": "gpt://b1g/yandexgpt/latest", "text": "Привет"}));
        let body = br#"{"tokens":[{"id":"1","text":"x","special":false},{"id":"2"}],"modelVersion":"v"}"#;
        let reply = read(&written, body).unwrap();
        assert_eq!((reply.counts, reply.model.as_str()), (vec![2], "v"));
        assert_eq!(read(&written, br#"{"tokens":[]}"#).unwrap().counts, [0]);
        for body in ["{}", r#"{"tokens":null}"#, r#"{"tokens":[{}"#] {
            assert_eq!(read(&written, body.as_bytes()).unwrap_err().detail, Detail::NotJson, "{body}");
        }
        let refused = read(&written, br#"{"code":3,"message":"invalid model_uri"}"#).unwrap_err();
        assert_eq!(refused.detail, Detail::BadRequest);
    }
}
