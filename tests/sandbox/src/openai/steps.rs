//! A chat completion as server-sent events.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::answer::next_word;
use crate::stream::{DONE, event};

/// What is still to be sent, step by step.
pub enum Step {
    Delta(Value),
    /// A text, a word an event.
    Words(String, usize),
    /// The reason, and the usage if it comes along.
    Finish(String, Option<Value>),
    Usage(Value),
    Done,
}

/// Makes the events of one completion as they are asked for.
pub struct Steps {
    /// The members every chunk starts with.
    head: String,
    /// Whether a chunk of usage is to come, which those before it say.
    usage_to_come: bool,
    left: VecDeque<Step>,
}

impl Steps {
    pub fn new(id: &str, created: i64, model: &str, steps: VecDeque<Step>) -> Self {
        let (id, model) = (json!(id), json!(model));
        Self {
            head: format!(r#"{{"id":{id},"object":"chat.completion.chunk","created":{created},"model":{model}"#),
            usage_to_come: steps.iter().any(|step| matches!(step, Step::Usage(_))),
            left: steps,
        }
    }

    fn chunk(&self, delta: &str, finish_reason: &str, usage: Option<&Value>) -> Bytes {
        let usage = match usage {
            Some(usage) => format!(r#","usage":{usage}"#),
            None if self.usage_to_come => r#","usage":null"#.to_owned(),
            None => String::new(),
        };
        event(&format!(
            r#"{},"choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}]{usage}}}"#,
            self.head
        ))
    }
}

impl Iterator for Steps {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        Some(match self.left.pop_front()? {
            Step::Delta(delta) => self.chunk(&delta.to_string(), "null", None),
            Step::Words(text, at) => {
                let word = next_word(&text[at..]);
                let chunk = self.chunk(&format!(r#"{{"content":{}}}"#, json!(word)), "null", None);
                let at = at + word.len();
                if at < text.len() {
                    self.left.push_front(Step::Words(text, at));
                }
                chunk
            }
            Step::Finish(reason, usage) => self.chunk("{}", &json!(reason).to_string(), usage.as_ref()),
            Step::Usage(usage) => event(&format!(r#"{},"choices":[],"usage":{usage}}}"#, self.head)),
            Step::Done => Bytes::from_static(DONE.as_bytes()),
        })
    }
}
