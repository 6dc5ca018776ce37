//! A chat completion as server-sent events.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Sleep;

/// How a stream departs from the plain course.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// The pause between two events.
    pub drip: Option<Duration>,
    pub no_done: bool,
    /// How many events are sent before the connection is cut.
    pub cut_after: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Role,
    Words,
    Stop,
    Usage,
    Done,
    End,
}

/// The events of one completion, made as they are asked for.
pub struct ChatStream {
    /// The members every chunk starts with.
    head: String,
    content: String,
    position: usize,
    usage: Option<Value>,
    stage: Stage,
    pace: Pace,
    pause: Option<Pin<Box<Sleep>>>,
    events: u64,
}

impl ChatStream {
    /// `usage` is sent in a chunk of its own if it is given.
    pub fn new(id: &str, created: u64, model: &str, content: String, usage: Option<Value>) -> Self {
        let id = json!(id);
        let model = json!(model);
        Self {
            head: format!(r#"{{"id":{id},"object":"chat.completion.chunk","created":{created},"model":{model}"#),
            content,
            position: 0,
            usage,
            stage: Stage::Role,
            pace: Pace::default(),
            pause: None,
            events: 0,
        }
    }

    pub fn paced(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    pub fn cut_after(&self) -> Option<u64> {
        self.pace.cut_after
    }

    pub fn is_end(&self) -> bool {
        self.stage == Stage::End || self.pace.cut_after == Some(self.events)
    }

    /// Whether the stream has come to its `[DONE]`.
    pub fn is_completed(&self) -> bool {
        self.stage == Stage::End && !self.pace.no_done
    }

    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.is_end() {
            return Poll::Ready(None);
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
        }
        let event = self.next_event();
        self.events += 1;
        self.pause = self.pace.drip.map(|drip| Box::pin(tokio::time::sleep(drip)));
        Poll::Ready(Some(event))
    }

    fn next_event(&mut self) -> Bytes {
        match self.stage {
            Stage::Role => {
                self.stage = Stage::Words;
                self.chunk(r#"{"role":"assistant","content":""}"#, "null")
            }
            Stage::Words => {
                let word = next_word(&self.content[self.position..]);
                let delta = format!(r#"{{"content":{}}}"#, json!(word));
                self.position += word.len();
                if self.position == self.content.len() {
                    self.stage = Stage::Stop;
                }
                self.chunk(&delta, "null")
            }
            Stage::Stop => {
                self.stage = match (&self.usage, self.pace.no_done) {
                    (Some(_), _) => Stage::Usage,
                    (None, false) => Stage::Done,
                    (None, true) => Stage::End,
                };
                self.chunk("{}", r#""stop""#)
            }
            Stage::Usage => {
                self.stage = if self.pace.no_done { Stage::End } else { Stage::Done };
                let usage = self.usage.as_ref().unwrap_or(&Value::Null);
                event(&format!(r#"{},"choices":[],"usage":{usage}}}"#, self.head))
            }
            Stage::Done | Stage::End => {
                self.stage = Stage::End;
                event("[DONE]")
            }
        }
    }

    fn chunk(&self, delta: &str, finish_reason: &str) -> Bytes {
        // Chunks before the usage chunk say that there is one to come.
        let usage = if self.usage.is_some() { r#","usage":null"# } else { "" };
        event(&format!(
            r#"{},"choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}]{usage}}}"#,
            self.head
        ))
    }
}

fn event(data: &str) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}

/// The first word with the blank after it, so that the words add up to the text.
fn next_word(text: &str) -> &str {
    text.split_inclusive(char::is_whitespace).next().unwrap_or(text)
}
