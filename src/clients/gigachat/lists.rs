//! Answers that are lists in GigaChat's way: embeddings that are counted one by one, and counts of tokens.

use serde_json::Value;

use crate::body::reply::{Decode, Dialect, ReplyBuilder, Usage, in_body};
use crate::clients::json::{failure_within, list, member, number, parse, problem};
use crate::clients::lists::Embeddings;
use crate::clients::service::Unread;
use crate::error::{Detail, Result, Status};

/// Embeddings: `data[].embedding`, each with its own usage.
pub struct Vectors;

impl Dialect for Vectors {
    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Unread)
    }

    fn whole(&self, body: &[u8], builder: &mut ReplyBuilder) -> Result<()> {
        Embeddings.whole(body, builder)?;
        if builder.reply.usage == Usage::default() {
            let body = parse(body)?;
            let each = list(&body, "data").iter().filter_map(|one| member(one, "usage"));
            let counts = each.map(|usage| number(usage, "prompt_tokens")).filter(|count| *count >= 0);
            let prompt = counts.fold(-1, |sum: i64, count| sum.max(0).saturating_add(count));
            builder.reply.usage = Usage { prompt, total: prompt, ..Usage::default() };
        }
        Ok(())
    }
}

/// Counts of tokens: a list at the top, one an input.
pub struct Counts;

impl Dialect for Counts {
    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Unread)
    }

    fn whole(&self, body: &[u8], builder: &mut ReplyBuilder) -> Result<()> {
        let body = parse(body)?;
        let bad = || in_body(Status::Provider, "response: is no list of counts; read the body").detail(Detail::NotJson);
        let Value::Array(counts) = &body else {
            return Err(problem(&body).map_or_else(bad, |problem| failure_within(problem, builder)));
        };
        let counts = counts.iter().map(|one| u64::try_from(number(one, "tokens")).map_err(|_| bad()));
        builder.reply.counts = counts.collect::<Result<_>>()?;
        builder.done();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dialect: &dyn Dialect, body: &str) -> (Result<()>, ReplyBuilder) {
        let mut builder = ReplyBuilder::default();
        (dialect.whole(body.as_bytes(), &mut builder), builder)
    }

    #[test]
    fn embeddings_are_told_in_the_order_of_the_inputs_and_their_tokens_are_summed() {
        let (read, builder) = read(
            &Vectors,
            r#"{"object":"list","model":"Embeddings","data":[
                {"object":"embedding","index":1,"embedding":[0.5],"usage":{"prompt_tokens":5}},
                {"object":"embedding","index":0,"embedding":[1,-2.5],"usage":{"prompt_tokens":2}}]}"#,
        );
        read.unwrap();
        assert!(builder.is_done());
        assert_eq!(builder.reply.embeddings, [vec![1.0, -2.5], vec![0.5]]);
        assert_eq!((builder.reply.model.as_str(), builder.reply.usage.prompt), ("Embeddings", 7));
        let (read, builder) = self::read(&Vectors, r#"{"data":[{"embedding":[1]}],"model":null}"#);
        read.unwrap();
        assert_eq!(builder.reply.usage, Usage::default());
    }

    #[test]
    fn counts_are_a_list_at_the_top() {
        let body = r#"[{"object":"tokens","tokens":2,"characters":10},{"object":"tokens","tokens":"7"}]"#;
        let (read, builder) = read(&Counts, body);
        read.unwrap();
        assert_eq!(builder.reply.counts, [2, 7]);
        assert!(builder.is_done());
    }

    #[test]
    fn what_is_no_list_of_counts_is_an_error() {
        for body in ["{}", "null", r#"[{"object":"tokens"}]"#, "[1]"] {
            let (read, builder) = read(&Counts, body);
            assert_eq!(read.unwrap_err().detail, Detail::NotJson, "{body}");
            assert!(!builder.is_done());
        }
        for dialect in [&Counts as &dyn Dialect, &Vectors] {
            let (read, builder) = read(dialect, r#"{"status":402,"message":"Payment Required"}"#);
            assert_eq!(read.unwrap_err().status, Status::Quota);
            assert_eq!(builder.reply.problem.text, "Payment Required");
        }
    }
}
