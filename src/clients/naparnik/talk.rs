//! A chat: a conversation is made, a message goes into it, and as long as the answer wants the server's own tools it is let.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::Common;
use super::read::for_caller;
use super::tools::{NOTES, State, Verdict, answer, listed};
use super::write::{self, First};
use crate::body::events::Format;
use crate::body::reply::{Call, Dialect, Finish, Reply, in_body};
use crate::clients::ask::{Chat, Choice, Role};
use crate::clients::json::{merge, parse, text};
use crate::clients::service::{ProviderRequest, Step, Steps, Unread, WrittenCall};
use crate::error::{Detail, Error, Result, Status};

/// Answers that want tools of the server.
const MOST_ROUNDS: usize = 15;
/// Of these in a row that lead nowhere.
const MOST_USELESS: usize = 3;
/// How often it is asked to answer without.
const MOST_PLEAS: usize = 2;
/// How often it is asked to go on where it said nothing.
const MOST_NUDGES: usize = 2;

const PLEA: &str = "Ответь сейчас, больше не вызывая инструментов, по тому, что уже известно.";
const NUDGE: &str = "Продолжай.";

/// One chat.
pub struct Talk {
    common: Arc<Common>,
    /// Of messages of the user.
    tools: Value,
    extra: serde_json::Map<String, Value>,
    stream: bool,
    /// The conversation was there before.
    goes_on: bool,
    /// The answer that the next message follows.
    parent: String,
    first: First,
    next: Next,
    sent: Sent,
    rounds: usize,
    useless: usize,
    pleas: usize,
    nudges: usize,
    /// Names and arguments of the calls so far.
    called: HashSet<(String, String)>,
}

/// What is to be done.
enum Next {
    Create(Value),
    Say(Value),
    End(Box<Reply>),
}

/// What was done last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Creation,
    Message,
    Results,
}

impl Talk {
    pub fn begin(chat: &Chat, model: &str) -> Result<Talk> {
        write::check(chat)?;
        // The last answer brings its state along, where the caller keeps the talk as messages.
        let answer = chat.messages.iter().rev().find(|message| message.role == Role::Assistant);
        let brought = answer.map_or("", |answer| answer.state.as_str());
        let state = match if chat.state.is_empty() { brought } else { &chat.state } {
            "" => None,
            text => Some(State::read(text).ok_or_else(|| {
                Error::invalid("state", "is none that an answer gave; pass on the last answer's, unchanged, or none")
            })?),
        };
        let first = write::first(chat, state.as_ref())?;
        let without_tools = chat.choice == Choice::None;
        let tools = if without_tools { Value::Array(Vec::new()) } else { listed(&chat.tools) };
        let common = Common { tools: chat.tools.iter().map(|tool| tool.name.clone()).collect(), ..Common::default() };
        let mut talk = Talk {
            common: Arc::new(common),
            tools,
            extra: write::extra(chat, false),
            stream: chat.stream,
            goes_on: state.is_some(),
            parent: String::new(),
            first,
            next: Next::Create(write::conversation(chat, model)),
            sent: Sent::Creation,
            rounds: 0,
            useless: 0,
            pleas: 0,
            nudges: 0,
            called: HashSet::new(),
        };
        if let Some(state) = state {
            talk.enter(state.conversation, &state.parent);
        }
        Ok(talk)
    }

    /// The conversation is there: what is to be said first is said.
    fn enter(&mut self, conversation: String, parent: &str) {
        let _ = self.common.conversation.set(conversation);
        parent.clone_into(&mut self.parent);
        match self.first.clone() {
            First::Says(words) => self.say(&words),
            First::Gave(parts, _) => self.give(&parts),
            First::Raw(mut body) => {
                if let Value::Object(members) = &mut body {
                    members.entry("parent_uuid").or_insert_with(|| parent_or_null(parent));
                }
                (self.next, self.sent) = (Next::Say(body), Sent::Message);
            }
        }
    }

    fn say(&mut self, words: &str) {
        let mut body = write::user(&self.parent, words, &self.tools);
        merge(&mut body, &self.extra);
        (self.next, self.sent) = (Next::Say(body), Sent::Message);
    }

    fn give(&mut self, parts: &[Value]) {
        (self.next, self.sent) = (Next::Say(write::results(&self.parent, parts)), Sent::Results);
    }

    fn created(&mut self, body: &[u8]) -> Result<()> {
        let body = parse(body)?;
        let conversation = text(&body, "uuid");
        // It becomes a part of addresses.
        if State::read(&format!("{conversation}/")).is_none() {
            let message = "response: the new conversation has no uuid; read the body";
            return Err(in_body(Status::Provider, message).detail(Detail::NotJson));
        }
        let root = text(&body, "root_message_uuid").to_owned();
        self.enter(conversation.to_owned(), &root);
        Ok(())
    }

    fn told(&mut self, reply: &Reply) -> Result<()> {
        if !reply.id.is_empty() {
            reply.id.clone_into(&mut self.parent);
        }
        let verdicts: Vec<_> = reply.calls.iter().map(|call| Verdict::of(call, &self.common.tools)).collect();
        if verdicts.contains(&Verdict::Callers) {
            self.end(reply);
            return Ok(());
        }
        if !verdicts.is_empty() {
            return self.wants_tools(&reply.calls, &verdicts);
        }
        let is_empty =
            reply.text.trim().is_empty() && matches!(reply.finish, Finish::Stop | Finish::Tool | Finish::Other);
        if is_empty && self.nudges < MOST_NUDGES {
            self.nudges += 1;
            self.say(NUDGE);
        } else {
            self.end(reply);
        }
        Ok(())
    }

    fn end(&mut self, reply: &Reply) {
        self.next = Next::End(Box::new(for_caller(&self.common, reply.clone())));
    }

    fn wants_tools(&mut self, calls: &[Call], verdicts: &[Verdict]) -> Result<()> {
        self.rounds += 1;
        let mut repeated = 0;
        for call in calls {
            repeated += usize::from(!self.called.insert((call.name.clone(), call.arguments.clone())));
        }
        let is_useless = repeated == calls.len()
            || calls.iter().all(|call| call.name == NOTES)
            || verdicts.iter().all(|verdict| *verdict == Verdict::Rejected);
        self.useless = if is_useless { self.useless + 1 } else { 0 };
        if self.rounds <= MOST_ROUNDS && self.useless < MOST_USELESS {
            let answers =
                calls.iter().zip(verdicts).map(|(call, verdict)| answer(&call.id, *verdict == Verdict::Accepted));
            self.give(&answers.collect::<Vec<_>>());
            return Ok(());
        }
        if self.pleas == MOST_PLEAS {
            let message = format!(
                "provider: after {} rounds of its own tools it still answers with calls of them; ask in other words",
                self.rounds
            );
            return Err(in_body(Status::Provider, message).detail(Detail::ToolLoop));
        }
        (self.pleas, self.useless) = (self.pleas + 1, 0);
        self.say(PLEA);
        Ok(())
    }
}

fn parent_or_null(parent: &str) -> Value {
    if parent.is_empty() { Value::Null } else { parent.into() }
}

impl Steps for Talk {
    fn reading(&self) -> (Arc<dyn Dialect>, Option<Format>) {
        (Arc::new(self.common.for_caller()), Some(Format::Sse))
    }

    fn lock_key(&self) -> Option<String> {
        self.goes_on.then(|| self.common.conversation().to_owned())
    }

    fn next(&mut self) -> Result<Step> {
        Ok(match &self.next {
            Next::Create(body) => {
                Step::Ask(WrittenCall::whole(ProviderRequest::post("chat_api/v1/conversations/", body), Unread))
            }
            Next::Say(body) => {
                let url = format!("chat_api/v1/conversations/{}/messages", self.common.conversation());
                Step::Tell(WrittenCall::sse(ProviderRequest::post(url, body), self.common.overheard()))
            }
            Next::End(_) if self.stream => Step::Done,
            Next::End(reply) => Step::Answer(reply.clone()),
        })
    }

    fn answered(&mut self, reply: &Reply, body: &[u8]) -> Result<()> {
        if self.sent == Sent::Creation { self.created(body) } else { self.told(reply) }
    }

    /// The calls that were answered are closed already: it goes on with a message of the user.
    fn refused(&mut self, error: &Error, reply: &Reply) -> bool {
        let closed = error.http_status == 422 && reply.problem.text.contains("No tool calls found");
        if !closed || self.sent != Sent::Results || self.nudges == MOST_NUDGES {
            return false;
        }
        self.nudges += 1;
        let words = match &self.first {
            First::Gave(_, words) if self.rounds == 0 => words.clone(),
            _ => NUDGE.to_owned(),
        };
        self.say(&words);
        true
    }
}
