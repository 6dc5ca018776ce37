//! Ollama's own API: a line of JSON a part, the last with `"done": true`; arguments of tools are objects.

use serde_json::{Map, Value, json};

use super::write::tools;
use crate::body::events::Event;
use crate::body::reply::{Decode, Dialect, ReplyBuilder, Usage, cut_short};
use crate::clients::ask::{Ask, Chat, Choice, Embed, Format, Message, Role};
use crate::clients::config::ClientConfig;
use crate::clients::json::{as_text, failure_within, from_text, list, member, merge, number, parse, problem, text};
use crate::clients::lists::numbers;
use crate::clients::service::{Credential, ProviderRequest, Service, Unread, WrittenCall};
use crate::error::{Error, Result, Status};

/// The service.
pub struct Ollama;

impl Service for Ollama {
    fn missing(&self, _config: &ClientConfig) -> Option<&'static str> {
        None
    }

    fn credential(&self, config: &ClientConfig) -> Result<Credential> {
        if config.api_key.is_empty() {
            return Ok(Credential::None);
        }
        config.api_key.header("Bearer ").map(Credential::Fixed)
    }

    fn write(&self, ask: &Ask, config: &ClientConfig) -> Result<WrittenCall> {
        Ok(match ask {
            Ask::Chat(chat) => {
                let request = ProviderRequest::post("api/chat", &body(chat, &config.model)?);
                if chat.stream {
                    WrittenCall::ndjson(request, Lines::default())
                } else {
                    WrittenCall::whole(request, Lines::default())
                }
            }
            Ask::Embed(embed) => WrittenCall::whole(
                ProviderRequest::post("api/embed", &embed_body(embed, &config.embedding_model)?),
                Lists,
            ),
            Ask::Models => WrittenCall::whole(ProviderRequest::get("api/tags"), Lists),
            Ask::Count(_) => {
                return Err(Error::new(Status::Unsupported, "operation: Ollama counts no tokens"));
            }
            Ask::Raw(raw) => WrittenCall::whole(ProviderRequest::raw(raw)?, Unread),
        })
    }
}

fn embed_body(embed: &Embed, model: &str) -> Result<Value> {
    let model = embed.model.as_deref().unwrap_or(model);
    if model.is_empty() {
        return Err(Error::invalid("embedding_model", "is not set; name one in the call or in the client's options"));
    }
    let mut body = json!({"model": model, "input": embed.inputs});
    if let Some(dimensions) = embed.dimensions {
        body["dimensions"] = dimensions.into();
    }
    merge(&mut body, &embed.extra);
    Ok(body)
}

fn body(chat: &Chat, model: &str) -> Result<Value> {
    if !matches!(chat.choice, Choice::Unsaid | Choice::Auto) {
        return Err(Error::new(Status::Unsupported, "tool_choice: Ollama chooses by itself; leave it out"));
    }
    let model = chat.model.as_deref().unwrap_or(model);
    if model.is_empty() {
        return Err(Error::invalid("model", "is not set; name one in the call or in the client's options"));
    }
    let messages: Vec<Value> = chat.messages.iter().map(message).collect();
    let mut body = json!({"model": model, "messages": messages, "stream": chat.stream});
    let mut options = Map::new();
    let fields = [
        ("temperature", chat.temperature.map(Value::from)),
        ("top_p", chat.top_p.map(Value::from)),
        ("num_predict", chat.max_tokens.map(Value::from)),
        ("seed", chat.seed.map(Value::from)),
        ("stop", (!chat.stop.is_empty()).then(|| json!(chat.stop))),
    ];
    options.extend(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    if !options.is_empty() {
        body["options"] = options.into();
    }
    if !chat.tools.is_empty() {
        body["tools"] = tools(&chat.tools);
    }
    match &chat.format {
        Format::Text => {}
        Format::Json => body["format"] = "json".into(),
        Format::Schema(schema) => body["format"] = schema.clone(),
    }
    merge(&mut body, &chat.extra);
    Ok(body)
}

fn message(message: &Message) -> Value {
    if let Some(raw) = &message.raw {
        return raw.clone();
    }
    let mut out = json!({"role": message.role.word(), "content": message.content});
    if !message.calls.is_empty() {
        let calls = message.calls.iter();
        out["tool_calls"] = calls
            .map(|call| json!({"function": {"name": call.name, "arguments": from_text(&call.arguments)}}))
            .collect();
    }
    if message.role == Role::Tool && !message.name.is_empty() {
        out["tool_name"] = message.name.as_str().into();
    }
    out
}

/// Reads lines, and a whole answer, which is one.
#[derive(Clone, Default)]
struct Lines {
    calls: usize,
}

impl Dialect for Lines {
    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Lines::default())
    }

    fn whole(&self, body: &[u8], builder: &mut ReplyBuilder) -> Result<()> {
        Lines::default().line(&parse(body)?, builder)?;
        if builder.is_done() { Ok(()) } else { Err(cut_short()) }
    }
}

impl Decode for Lines {
    fn event(&mut self, event: Event<'_>, builder: &mut ReplyBuilder) -> Result<()> {
        if event.data.trim().is_empty() || builder.is_done() {
            return Ok(());
        }
        self.line(&parse(event.data.as_bytes())?, builder)
    }
}

impl Lines {
    fn line(&mut self, line: &Value, builder: &mut ReplyBuilder) -> Result<()> {
        if let Some(problem) = member(line, "error").and_then(|_| problem(line)) {
            return Err(failure_within(problem, builder));
        }
        let model = text(line, "model");
        if !model.is_empty() {
            model.clone_into(&mut builder.reply.model);
        }
        let message = member(line, "message").unwrap_or(&Value::Null);
        builder.reasoning(text(message, "thinking"))?;
        builder.text(text(message, "content"))?;
        builder.text(text(line, "response"))?;
        for call in list(message, "tool_calls") {
            let function = member(call, "function").unwrap_or(&Value::Null);
            let arguments = member(function, "arguments").map(as_text).unwrap_or_default();
            builder.call(self.calls, text(call, "id"), text(function, "name"), &arguments)?;
            self.calls += 1;
        }
        if line.get("done") == Some(&Value::Bool(true)) {
            let (prompt, completion) = (number(line, "prompt_eval_count"), number(line, "eval_count"));
            let total = if prompt >= 0 && completion >= 0 { prompt.saturating_add(completion) } else { -1 };
            builder.usage(Usage { prompt, completion, total, ..Usage::default() });
            let reason = text(line, "done_reason");
            // It says "stop" for these too.
            builder.finish(if self.calls > 0 { "tool_calls" } else { reason });
            builder.done();
        }
        Ok(())
    }
}

/// Embeddings and names of models.
struct Lists;

impl Dialect for Lists {
    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Unread)
    }

    fn whole(&self, body: &[u8], builder: &mut ReplyBuilder) -> Result<()> {
        let body = parse(body)?;
        if let Some(problem) = problem(&body) {
            return Err(failure_within(problem, builder));
        }
        builder.reply.embeddings = list(&body, "embeddings").iter().map(numbers).collect::<Result<_>>()?;
        let names: Vec<&str> = list(&body, "models").iter().map(|one| text(one, "name")).collect();
        builder.text(&names.join("\n"))?;
        builder.done();
        Ok(())
    }
}
