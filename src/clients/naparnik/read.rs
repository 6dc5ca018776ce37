//! Answers: a stream of events, in which several messages may come. The last is the answer; it takes the place of those before.

use std::sync::Arc;

use super::Common;
use super::message::{Called, Content, Part};
use super::think::Think;
use super::tools::{State, Verdict};
use crate::body::events::{Event, Events, Format};
use crate::body::reply::{Call, Decode, Dialect, Finish, MOST_CALLS, Reply, ReplyBuilder, in_body};
use crate::clients::json::{failure_within, member, parse, problem};
use crate::config::EVENT_BYTES;
use crate::error::{Result, Status};

/// How an answer is read.
#[derive(Clone)]
pub struct Overheard {
    pub common: Arc<Common>,
    /// The calls of the server's own tools are not told.
    pub for_caller: bool,
}

impl Dialect for Overheard {
    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Hearing { how: self.clone(), message: Message::default(), replaces: false })
    }

    fn whole(&self, body: &[u8], builder: &mut ReplyBuilder) -> Result<()> {
        let (mut events, mut rest) = (Events::new(Format::Sse, EVENT_BYTES as usize), body);
        let mut decoder = self.decoder();
        let too_large = |_| in_body(Status::TooLarge, "response: one of its events is too large");
        while events.feed(&mut rest).map_err(too_large)? {
            decoder.event(events.event(), builder)?;
        }
        if events.finish() {
            decoder.event(events.event(), builder)?;
        }
        decoder.end(builder)
    }
}

/// Reads one stream, or several one after the other.
struct Hearing {
    how: Overheard,
    message: Message,
    /// What was told so far is another message's.
    replaces: bool,
}

/// A message so far.
#[derive(Default)]
struct Message {
    stage: Stage,
    uuid: String,
    think: Think,
    /// The last part, for the servers that repeat it at the end.
    last: String,
    spoke: bool,
    thought: String,
    calls: Vec<Called>,
    finish: String,
    foreign: bool,
}

/// How far a message has come.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Awaited,
    Comes,
    Finished,
}

impl Message {
    /// Whether this part is another message's.
    fn is_over_by(&self, part: &Part) -> bool {
        let same = !part.uuid.is_empty() && part.uuid == self.uuid;
        let another = !part.uuid.is_empty() && !self.uuid.is_empty() && !same;
        match self.stage {
            Stage::Awaited => false,
            Stage::Comes => another,
            Stage::Finished => another || !(same && part.finished),
        }
    }
}

impl Decode for Hearing {
    fn event(&mut self, event: Event<'_>, builder: &mut ReplyBuilder) -> Result<()> {
        let data = event.data.trim();
        if data == "[DONE]" {
            if self.message.foreign && self.message.stage == Stage::Comes {
                self.finished(None, None, builder)?;
            }
            return Ok(());
        }
        // What is no JSON is none of the answer.
        let Ok(said) = parse(data.as_bytes()) else { return Ok(()) };
        let failure = member(&said, "error").and_then(|_| problem(&said));
        if failure.is_some() || event.name == "error" {
            return Err(failure_within(failure.or_else(|| problem(&said)).unwrap_or_default(), builder));
        }
        match Part::of(&said) {
            Some(part) => self.add(part, builder),
            None => Ok(()),
        }
    }

    fn end(&mut self, builder: &mut ReplyBuilder) -> Result<()> {
        let message = &mut self.message;
        if message.stage != Stage::Finished {
            return Ok(());
        }
        let calls = std::mem::take(&mut message.calls).into_iter().map(|called| called.call);
        message.uuid.clone_into(&mut builder.reply.id);
        let reply = Reply { calls: calls.collect(), id: message.uuid.clone(), ..Reply::default() };
        let reply = if self.how.for_caller { for_caller(&self.how.common, reply) } else { reply };
        reply.state.clone_into(&mut builder.reply.state);
        for (index, Call { id, name, arguments }) in reply.calls.iter().enumerate() {
            builder.call(index, id, name, arguments)?;
        }
        let wants_tools = !reply.calls.is_empty() && Finish::of(&message.finish) != Finish::Tool;
        builder.finish(match message.finish.as_str() {
            _ if wants_tools => "tool_calls",
            "" => "stop",
            word => word,
        });
        builder.done();
        Ok(())
    }
}

/// An answer as its caller is to see it: with the calls of its own tools; the others wait in the state.
pub fn for_caller(common: &Common, reply: Reply) -> Reply {
    let (mut calls, mut pending) = (Vec::new(), Vec::new());
    for call in reply.calls {
        match Verdict::of(&call, &common.tools) {
            Verdict::Callers => calls.push(call),
            verdict => pending.push((call.id, verdict == Verdict::Accepted)),
        }
    }
    let pending = if calls.is_empty() { Vec::new() } else { pending };
    let state = State { conversation: common.conversation().to_owned(), parent: reply.id.clone(), pending };
    Reply { calls, state: state.written(), ..reply }
}

impl Hearing {
    fn add(&mut self, part: Part, builder: &mut ReplyBuilder) -> Result<()> {
        builder.usage(part.usage);
        if !part.model.is_empty() {
            builder.reply.model.clone_from(&part.model);
        }
        if part.is_silent() {
            return Ok(());
        }
        if self.message.is_over_by(&part) {
            self.message = Message::default();
            self.replaces = true;
        }
        let Part { uuid, delta, content, finished, finish, foreign, .. } = part;
        let message = &mut self.message;
        message.foreign = foreign;
        if message.stage == Stage::Awaited {
            message.stage = Stage::Comes;
        }
        if !uuid.is_empty() {
            message.uuid = uuid;
        }
        if !finish.is_empty() {
            message.finish = finish;
        }
        if finished {
            return self.finished(content, delta, builder);
        }
        match (delta, content) {
            (Some(delta), _) => self.more(delta, builder),
            (None, Some(content)) => self.all(content, builder),
            (None, None) => Ok(()),
        }
    }

    /// More of the message.
    fn more(&mut self, delta: Content, builder: &mut ReplyBuilder) -> Result<()> {
        let Content { text, reasoning, calls } = delta;
        if self.message.calls.len() + calls.len() > MOST_CALLS {
            return Err(in_body(Status::TooLarge, format!("tool_calls: the answer has over {MOST_CALLS}")));
        }
        for called in calls {
            called.joins(&mut self.message.calls);
        }
        self.thinks(&reasoning, builder)?;
        if text.is_empty() {
            return Ok(());
        }
        let (said, thought) = self.message.think.hear(&text);
        self.message.last = text;
        self.thinks(&thought, builder)?;
        self.says(&said, builder)
    }

    /// All of the message so far.
    fn all(&mut self, content: Content, builder: &mut ReplyBuilder) -> Result<()> {
        let (said, thought) = Think::whole(&content.text);
        let thought = content.reasoning + &thought;
        // What was thought is not taken back: only what is new of it is told.
        let new = thought.strip_prefix(self.message.thought.as_str()).unwrap_or_default().to_owned();
        self.thinks(&new, builder)?;
        if content.calls.len() > MOST_CALLS {
            return Err(in_body(Status::TooLarge, format!("tool_calls: the answer has over {MOST_CALLS}")));
        }
        if !content.calls.is_empty() {
            self.message.calls = content.calls;
        }
        if !content.text.is_empty() {
            self.message.think = Think::default();
            (self.replaces, self.message.spoke) = (false, true);
            builder.whole_text(&said)?;
        }
        Ok(())
    }

    /// The message's last part: its whole content goes over its parts; without one its delta may be the last again.
    fn finished(&mut self, content: Option<Content>, delta: Option<Content>, builder: &mut ReplyBuilder) -> Result<()> {
        let told_whole = content.as_ref().is_some_and(|content| !content.text.is_empty());
        if let Some(content) = content {
            self.all(content, builder)?;
        }
        if !told_whole {
            if let Some(mut delta) = delta {
                if self.message.stage == Stage::Finished || delta.text == self.message.last {
                    delta.text.clear();
                }
                if !self.message.calls.is_empty() {
                    delta.calls.clear();
                }
                self.more(delta, builder)?;
            }
            let (said, thought) = self.message.think.ends();
            self.thinks(&thought, builder)?;
            self.says(&said, builder)?;
        }
        self.calls_without_id(builder)?;
        if !self.message.spoke && std::mem::take(&mut self.replaces) {
            builder.whole_text("")?;
        }
        self.message.stage = Stage::Finished;
        Ok(())
    }

    /// Nobody can answer a call without an id: it is a text.
    fn calls_without_id(&mut self, builder: &mut ReplyBuilder) -> Result<()> {
        let calls = std::mem::take(&mut self.message.calls);
        let (calls, texts): (Vec<_>, Vec<_>) = calls.into_iter().partition(|called| !called.call.id.is_empty());
        self.message.calls = calls;
        for Called { raw, .. } in texts {
            let before = if self.message.spoke { "\n" } else { "" };
            self.says(&format!("{before}{raw}"), builder)?;
        }
        Ok(())
    }

    fn says(&mut self, text: &str, builder: &mut ReplyBuilder) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.message.spoke = true;
        if std::mem::take(&mut self.replaces) { builder.whole_text(text) } else { builder.text(text) }
    }

    fn thinks(&mut self, thought: &str, builder: &mut ReplyBuilder) -> Result<()> {
        self.message.thought.push_str(thought);
        builder.reasoning(thought)
    }
}
