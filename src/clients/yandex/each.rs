//! Several texts for an API that takes one a request: asked one after the other, and gathered in their order.

use std::collections::VecDeque;
use std::mem;

use crate::body::reply::{Reply, Usage, in_body};
use crate::clients::service::{Step, Steps, WrittenCall};
use crate::error::{Detail, Result, Status};

/// The requests still to be made, and what those before gave.
pub struct Each {
    requests: VecDeque<WrittenCall>,
    gathered: Reply,
    over: bool,
}

impl Each {
    pub fn new(requests: VecDeque<WrittenCall>) -> Each {
        Each { requests, gathered: Reply::default(), over: false }
    }
}

impl Steps for Each {
    fn next(&mut self) -> Result<Step> {
        if let Some(request) = self.requests.pop_front() {
            return Ok(Step::Ask(request));
        }
        if mem::replace(&mut self.over, true) {
            return Ok(Step::Done);
        }
        Ok(Step::Answer(Box::new(mem::take(&mut self.gathered))))
    }

    fn answered(&mut self, reply: &Reply, _body: &[u8]) -> Result<()> {
        // One too few would shift all that follow.
        if reply.embeddings.len() + reply.counts.len() != 1 {
            let message = "response: one text was sent, but not one result came; read the body";
            return Err(in_body(Status::Provider, message).detail(Detail::NotJson));
        }
        self.gathered.embeddings.extend_from_slice(&reply.embeddings);
        self.gathered.counts.extend_from_slice(&reply.counts);
        if !reply.model.is_empty() {
            reply.model.clone_into(&mut self.gathered.model);
        }
        self.gathered.usage = sum(self.gathered.usage, reply.usage);
        Ok(())
    }
}

fn sum(one: Usage, other: Usage) -> Usage {
    let sum = |one: i64, other: i64| if one < 0 || other < 0 { one.max(other) } else { one.saturating_add(other) };
    Usage {
        prompt: sum(one.prompt, other.prompt),
        completion: sum(one.completion, other.completion),
        total: sum(one.total, other.total),
        ..one
    }
}

#[cfg(test)]
mod tests {
    use super::super::Yandex;
    use super::super::tests::support::{config, json_of, read};
    use super::*;
    use crate::clients::ask::{Ask, Count, Embed};
    use crate::clients::kind::Kind;
    use crate::clients::service::Service;

    /// Answers each request in turn; the texts asked for, and the reply at the end.
    fn walked(ask: &Ask, answers: &[&str]) -> (Vec<String>, Result<Reply>) {
        let mut steps = Yandex::Own.steps(ask, &config(Kind::Yandex)).unwrap().unwrap();
        let (mut asked, mut answers) = (Vec::new(), answers.iter());
        loop {
            match steps.next().unwrap() {
                Step::Ask(written) => {
                    asked.push(json_of(&written)["text"].as_str().unwrap().to_owned());
                    let body = answers.next().unwrap().as_bytes();
                    let outcome = read(&written, body).and_then(|reply| steps.answered(&reply, body));
                    if let Err(error) = outcome {
                        return (asked, Err(error));
                    }
                }
                Step::Answer(reply) => {
                    assert!(matches!(steps.next().unwrap(), Step::Done));
                    return (asked, Ok(*reply));
                }
                _ => unreachable!("each is asked, and nothing else"),
            }
        }
    }

    #[test]
    fn embeddings_are_gathered_in_their_order() {
        let ask = Ask::Embed(Embed { inputs: vec!["a".into(), "b".into()], ..Embed::default() });
        let answers = [
            r#"{"embedding":[0.5,1],"numTokens":"5","modelVersion":"v1"}"#,
            r#"{"embedding":[2],"numTokens":7,"modelVersion":"v1"}"#,
        ];
        let (asked, reply) = walked(&ask, &answers);
        let reply = reply.unwrap();
        assert_eq!(asked, ["a", "b"]);
        assert_eq!(reply.embeddings, [vec![0.5, 1.0], vec![2.0]]);
        assert_eq!((reply.usage.prompt, reply.usage.total, reply.usage.completion), (12, 12, -1));
        assert_eq!(reply.model, "v1");
    }

    #[test]
    fn counts_are_gathered_in_their_order() {
        let ask = Ask::Count(Count { inputs: vec!["a".into(), "b".into(), "c".into()], ..Count::default() });
        let answers = [r#"{"tokens":[{"id":"1"},{"id":"2"}]}"#, r#"{"tokens":[]}"#, r#"{"tokens":[{"id":1}]}"#];
        let (asked, reply) = walked(&ask, &answers);
        assert_eq!((asked.len(), reply.unwrap().counts), (3, vec![2, 0, 1]));
    }

    #[test]
    fn one_that_is_missing_fails_them_all() {
        let ask = Ask::Embed(Embed { inputs: vec!["a".into(), "b".into()], ..Embed::default() });
        let (asked, reply) = walked(&ask, &[r#"{"numTokens":"5"}"#]);
        assert_eq!((asked.len(), reply.unwrap_err().detail), (1, Detail::NotJson));
    }

    #[test]
    fn a_single_text_takes_no_steps() {
        let ask = Ask::Embed(Embed { inputs: vec!["a".into()], ..Embed::default() });
        assert!(Yandex::Own.steps(&ask, &config(Kind::Yandex)).unwrap().is_none());
    }
}
