//! What a client is asked for, in C: one struct, copied before anything is sent.

#![allow(non_camel_case_types)]

use std::ffi::c_char;
use std::fmt::Display;

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value};

use super::args::{self, Nth, SizedStruct};
use super::cancel::{self, aip_cancel};
use super::request;
use crate::body::reply::Call;
use crate::clients::CallOptions;
use crate::clients::ask::{Ask, Chat, Choice, Count, Embed, Format, Message, Raw, Role, Tool};
use crate::clients::json;
use crate::config::{LimitOverrides, MOST_RETRIES};
use crate::error::{Error, Result};

/// The talk goes on: `messages`, or `prompt` alone (the default).
pub const AIP_CALL_CHAT: u32 = 0;
/// Embeddings of `inputs`: aip_response_embedding().
pub const AIP_CALL_EMBED: u32 = 1;
/// The models there are: aip_reply.text, a name a line.
pub const AIP_CALL_MODELS: u32 = 2;
/// Tokens of `inputs`: aip_reply.prompt_tokens is the sum.
pub const AIP_CALL_COUNT: u32 = 3;
/// Any other request to the provider: `method`, `url`, `body`, signed, paced and judged as the others.
pub const AIP_CALL_RAW: u32 = 4;

/// In `aip_call.flags`: the answer is handed out at its head, and told part by part with aip_response_next_delta().
pub const AIP_CALL_STREAM: u32 = 1;
/// In `aip_call.flags`: as AIP_REQUEST_INTERRUPTIBLE.
pub const AIP_CALL_INTERRUPTIBLE: u32 = 2;
/// In `aip_call.flags`: Yandex: as an operation that is asked about until it is done.
pub const AIP_CALL_JOB: u32 = 4;

/// In `aip_call.set`: `temperature` counts, also when it is 0.
pub const AIP_SET_TEMPERATURE: u32 = 1;
/// In `aip_call.set`: `top_p` counts.
pub const AIP_SET_TOP_P: u32 = 2;
/// In `aip_call.set`: `seed` counts.
pub const AIP_SET_SEED: u32 = 4;

/// In `aip_message.role`.
pub const AIP_ROLE_USER: u32 = 0;
/// In `aip_message.role`.
pub const AIP_ROLE_SYSTEM: u32 = 1;
/// In `aip_message.role`: what the model answered.
pub const AIP_ROLE_ASSISTANT: u32 = 2;
/// In `aip_message.role`: what a tool gave.
pub const AIP_ROLE_TOOL: u32 = 3;

/// In `aip_call.response_format`: any text (the default).
pub const AIP_FORMAT_TEXT: u32 = 0;
/// In `aip_call.response_format`: JSON; by `json_schema` where that is set.
pub const AIP_FORMAT_JSON: u32 = 1;

/// A text in a list.
#[repr(C)]
pub struct aip_text {
    /// UTF-8.
    pub data: *const c_char,
    /// Bytes of `data`, or AIP_NUL_TERMINATED.
    pub len: usize,
}

/// One message of a talk. Zero all of it first.
#[repr(C)]
pub struct aip_message {
    /// AIP_ROLE_*.
    pub role: u32,
    /// Zero.
    pub reserved: u32,
    /// What is said; a tool's result is mostly JSON.
    pub content: *const c_char,
    /// Bytes of `content`, or AIP_NUL_TERMINATED.
    pub content_len: usize,
    /// Of a tool's result: the tool's name.
    pub name: *const c_char,
    /// Bytes of `name`, or AIP_NUL_TERMINATED.
    pub name_len: usize,
    /// Of a tool's result: the id of the call it answers; NULL where the provider has no ids.
    pub call_id: *const c_char,
    /// Bytes of `call_id`, or AIP_NUL_TERMINATED.
    pub call_id_len: usize,
    /// Of an assistant's message: aip_reply.tool_calls of that answer.
    pub tool_calls: *const c_char,
    /// Bytes of `tool_calls`, or AIP_NUL_TERMINATED.
    pub tool_calls_len: usize,
    /// Of an assistant's message: aip_reply.state of that answer.
    pub state: *const c_char,
    /// Bytes of `state`, or AIP_NUL_TERMINATED.
    pub state_len: usize,
    /// The whole message as JSON in the provider's own words, in place of all that.
    pub raw: *const c_char,
    /// Bytes of `raw`, or AIP_NUL_TERMINATED.
    pub raw_len: usize,
    /// Zero.
    pub reserved2: [u64; 3],
}

const _: () = assert!(size_of::<aip_message>() == 128);

/// One call. Call aip_call_init() first; every 0 and NULL is the default. Texts are UTF-8; each length is in bytes, or
/// AIP_NUL_TERMINATED. Everything is copied before anything is sent.
#[repr(C)]
pub struct aip_call {
    /// sizeof(aip_call); set by aip_call_init().
    pub size: usize,
    /// AIP_CALL_CHAT ...
    pub operation: u32,
    /// AIP_CALL_STREAM ... bits.
    pub flags: u32,
    /// The system's word, before all `messages`.
    pub system: *const c_char,
    /// Bytes of `system`, or AIP_NUL_TERMINATED.
    pub system_len: usize,
    /// The talk so far.
    pub messages: *const aip_message,
    /// How many `messages` there are.
    pub message_count: usize,
    /// A user's message, after all `messages`.
    pub prompt: *const c_char,
    /// Bytes of `prompt`, or AIP_NUL_TERMINATED.
    pub prompt_len: usize,
    /// NULL is the client's.
    pub model: *const c_char,
    /// Bytes of `model`, or AIP_NUL_TERMINATED.
    pub model_len: usize,
    /// Tools, a JSON array: of `{"name","description","parameters"}`, or of OpenAI's `{"type":"function","function":{...}}`. What
    /// else stands in one goes along.
    pub tools: *const c_char,
    /// Bytes of `tools`, or AIP_NUL_TERMINATED.
    pub tools_len: usize,
    /// "auto", "none", "required", or the name of the tool to call; NULL is the provider's default.
    pub tool_choice: *const c_char,
    /// Bytes of `tool_choice`, or AIP_NUL_TERMINATED.
    pub tool_choice_len: usize,
    /// A JSON Schema that the answer keeps to.
    pub json_schema: *const c_char,
    /// Bytes of `json_schema`, or AIP_NUL_TERMINATED.
    pub json_schema_len: usize,
    /// aip_reply.state of the answer before, where the provider keeps the talk (Naparnik).
    pub state: *const c_char,
    /// Bytes of `state`, or AIP_NUL_TERMINATED.
    pub state_len: usize,
    /// More members of the request's body, a JSON object in the provider's own words; they go over those made here.
    pub extra: *const c_char,
    /// Bytes of `extra`, or AIP_NUL_TERMINATED.
    pub extra_len: usize,
    /// Texts at which the answer stops.
    pub stop: *const aip_text,
    /// How many `stop` there are.
    pub stop_count: usize,
    /// AIP_CALL_EMBED, AIP_CALL_COUNT: the texts.
    pub inputs: *const aip_text,
    /// How many `inputs` there are.
    pub input_count: usize,
    /// AIP_CALL_RAW: NULL is GET without and POST with a body.
    pub method: *const c_char,
    /// Bytes of `method`, or AIP_NUL_TERMINATED.
    pub method_len: usize,
    /// AIP_CALL_RAW: relative to the client's base URL.
    pub url: *const c_char,
    /// Bytes of `url`, or AIP_NUL_TERMINATED.
    pub url_len: usize,
    /// AIP_CALL_RAW.
    pub body: *const u8,
    /// Bytes of `body`.
    pub body_len: usize,
    /// AIP_CALL_RAW: NULL is application/json where there is a body.
    pub content_type: *const c_char,
    /// Bytes of `content_type`, or AIP_NUL_TERMINATED.
    pub content_type_len: usize,
    /// Headers, packed: name NUL value NUL name NUL value NUL. They go over the client's own, but for Authorization.
    pub headers: *const c_char,
    /// Bytes of `headers`, or AIP_NUL_TERMINATED.
    pub headers_len: usize,
    /// Sent as Idempotency-Key: then the call may be repeated where its connection broke.
    pub idempotency_key: *const c_char,
    /// Bytes of `idempotency_key`, or AIP_NUL_TERMINATED.
    pub idempotency_key_len: usize,
    /// Ends the call from another thread or a signal handler; NULL is none.
    pub cancel: *mut aip_cancel,
    /// Counts with AIP_SET_TEMPERATURE.
    pub temperature: f64,
    /// Counts with AIP_SET_TOP_P.
    pub top_p: f64,
    /// Counts with AIP_SET_SEED.
    pub seed: i64,
    /// Most tokens of the answer; 0 is the provider's default.
    pub max_tokens: i64,
    /// AIP_CALL_EMBED: numbers per text; 0 is the model's own.
    pub dimensions: i64,
    /// AIP_SET_* bits.
    pub set: u32,
    /// AIP_FORMAT_TEXT or AIP_FORMAT_JSON.
    pub response_format: u32,
    /// Milliseconds for the whole call; 0 is the client's. No client has one of its own: what is cut off is billed.
    pub timeout_ms: i64,
    /// Milliseconds to wait for a slot, the pace and a token of the provider, and then for a connection, at each attempt; 0 is the
    /// client's.
    pub queue_timeout_ms: i64,
    /// Milliseconds to the head of the answer; 0 is the client's.
    pub first_byte_timeout_ms: i64,
    /// Milliseconds without one more byte of it; 0 is the client's.
    pub between_bytes_timeout_ms: i64,
    /// Milliseconds to the first event of a stream; 0 is the client's.
    pub first_event_timeout_ms: i64,
    /// Milliseconds without one more event of a stream, comments not counted; 0 is the client's.
    pub between_events_timeout_ms: i64,
    /// Further attempts, as in aip_client_options; 0 is the client's.
    pub max_retries: i64,
}

const _: () = assert!(size_of::<aip_call>() == 400);

// SAFETY: repr(C), `size` first, pointers and numbers only.
unsafe impl SizedStruct for aip_call {
    const FIRST_SIZE: usize = 400;
}

/// Sets all defaults. `size` is sizeof(aip_call).
/// The caller owns the struct. Any thread. No errors: NULL is ignored. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_call_init(call: *mut aip_call, size: usize) {
    // SAFETY: the header's contract.
    unsafe { args::init(call, size) }
}

/// The checked call.
///
/// # Safety
/// The header's contract for calls.
pub unsafe fn parse(call: *const aip_call) -> Result<(Ask, CallOptions)> {
    // SAFETY: the header's contract.
    let call = unsafe { args::sized("call", "aip_call_init", call)? };
    let call = call.ok_or_else(|| Error::invalid("call", "is NULL; pass an aip_call"))?;
    // SAFETY: the header's contract.
    unsafe { Ok((ask(&call)?, how(&call)?)) }
}

/// A call with one more prompt; without a call, that alone.
///
/// # Safety
/// The header's contract for calls.
pub unsafe fn generate(prompt: *const c_char, len: usize, call: *const aip_call) -> Result<(Ask, CallOptions)> {
    // SAFETY: the header's contract.
    let prompt = unsafe { args::text("prompt", prompt, len)? };
    let (mut ask, how) = if call.is_null() {
        (Ask::Chat(Box::default()), CallOptions::default())
    } else {
        // SAFETY: the header's contract.
        unsafe { parse_but_prompt(call)? }
    };
    let Ask::Chat(chat) = &mut ask else {
        return Err(Error::invalid("operation", "is not AIP_CALL_CHAT; use aip_client_call()"));
    };
    if prompt.is_empty() {
        return Err(Error::invalid("prompt", "is empty; say something, or use aip_client_call() with messages"));
    }
    chat.messages.push(Message { content: prompt.to_owned(), ..Message::default() });
    Ok((ask, how))
}

/// # Safety
/// The header's contract for calls.
unsafe fn parse_but_prompt(call: *const aip_call) -> Result<(Ask, CallOptions)> {
    // SAFETY: the header's contract.
    let call = unsafe { args::sized("call", "aip_call_init", call)? };
    let call = call.ok_or_else(|| Error::invalid("call", "is NULL; pass an aip_call"))?;
    if call.operation != AIP_CALL_CHAT {
        return Err(Error::invalid("operation", "is not AIP_CALL_CHAT; use aip_client_call()"));
    }
    // SAFETY: the header's contract.
    unsafe { Ok((Ask::Chat(Box::new(chat(&call)?)), how(&call)?)) }
}

macro_rules! text {
    ($call:expr, $name:ident, $len:ident) => {
        // SAFETY: the header's contract.
        unsafe { args::text(stringify!($name), $call.$name, $call.$len)? }
    };
}

/// # Safety
/// The header's contract for calls.
unsafe fn ask(call: &aip_call) -> Result<Ask> {
    let model = text!(call, model, model_len);
    let model = (!model.is_empty()).then(|| model.to_owned());
    // SAFETY: the header's contract.
    let inputs = || unsafe { texts("inputs", call.inputs, call.input_count) };
    if call.operation != AIP_CALL_CHAT && call.flags & (AIP_CALL_STREAM | AIP_CALL_JOB) != 0 {
        return Err(Error::invalid("flags", "have AIP_CALL_STREAM or AIP_CALL_JOB, which go with AIP_CALL_CHAT alone"));
    }
    Ok(match call.operation {
        AIP_CALL_CHAT => {
            // SAFETY: the header's contract.
            let chat = unsafe { chat(call)? };
            if chat.messages.is_empty() {
                return Err(Error::invalid("messages", "is empty, and so is prompt; say something"));
            }
            Ask::Chat(Box::new(chat))
        }
        AIP_CALL_EMBED => {
            let dimensions = positive("dimensions", call.dimensions)?;
            let extra = object("extra", text!(call, extra, extra_len))?;
            Ask::Embed(Embed { model, inputs: inputs()?, dimensions, extra })
        }
        AIP_CALL_MODELS => Ask::Models,
        AIP_CALL_COUNT => Ask::Count(Count { model, inputs: inputs()? }),
        // SAFETY: the header's contract.
        AIP_CALL_RAW => Ask::Raw(unsafe { raw(call)? }),
        other => {
            let names = "AIP_CALL_CHAT, _EMBED, _MODELS, _COUNT or _RAW";
            return Err(Error::invalid("operation", format_args!("is {other}; use {names}")));
        }
    })
}

/// # Safety
/// The header's contract for calls.
unsafe fn raw(call: &aip_call) -> Result<Raw> {
    // SAFETY: the header's contract.
    let body = unsafe { args::bytes("body", call.body, call.body_len)? };
    let (method, content_type) = (text!(call, method, method_len), text!(call, content_type, content_type_len));
    let default = if body.is_empty() { "" } else { "application/json" };
    Ok(Raw {
        method: match method {
            "" if body.is_empty() => Method::GET,
            "" => Method::POST,
            other => request::parse_method(other)?,
        },
        url: text!(call, url, url_len).to_owned(),
        body: Bytes::copy_from_slice(body),
        content_type: if content_type.is_empty() { default } else { content_type }.to_owned(),
    })
}

/// # Safety
/// The header's contract for calls.
unsafe fn chat(call: &aip_call) -> Result<Chat> {
    let set = args::flags("set", call.set, AIP_SET_TEMPERATURE | AIP_SET_TOP_P | AIP_SET_SEED)?;
    let flags = flags(call)?;
    let number = |name: &str, bit: u32, value: f64, most: f64| match set & bit {
        0 => Ok(None),
        _ if (0.0..=most).contains(&value) => Ok(Some(value)),
        _ => Err(Error::invalid(name, format_args!("is {value}; use 0 to {most}"))),
    };
    let model = text!(call, model, model_len);
    let schema = text!(call, json_schema, json_schema_len);
    let format = args::choice(
        "response_format",
        call.response_format,
        &[(AIP_FORMAT_TEXT, Format::Text), (AIP_FORMAT_JSON, Format::Json)],
        "AIP_FORMAT_TEXT or AIP_FORMAT_JSON",
    )?;
    Ok(Chat {
        // SAFETY: the header's contract.
        messages: unsafe { messages(call)? },
        model: (!model.is_empty()).then(|| model.to_owned()),
        tools: tools(text!(call, tools, tools_len))?,
        choice: choice(text!(call, tool_choice, tool_choice_len)),
        format: if schema.is_empty() { format } else { Format::Schema(value("json_schema", schema)?) },
        temperature: number("temperature", AIP_SET_TEMPERATURE, call.temperature, 2.0)?,
        top_p: number("top_p", AIP_SET_TOP_P, call.top_p, 1.0)?,
        max_tokens: positive("max_tokens", call.max_tokens)?,
        seed: (set & AIP_SET_SEED != 0).then_some(call.seed),
        // SAFETY: the header's contract.
        stop: unsafe { texts("stop", call.stop, call.stop_count)? },
        stream: flags & AIP_CALL_STREAM != 0,
        job: flags & AIP_CALL_JOB != 0,
        state: text!(call, state, state_len).to_owned(),
        extra: object("extra", text!(call, extra, extra_len))?,
    })
}

/// # Safety
/// The header's contract for calls.
unsafe fn messages(call: &aip_call) -> Result<Vec<Message>> {
    let (system, prompt) = (text!(call, system, system_len), text!(call, prompt, prompt_len));
    let said = |role, content: &str| Message { role, content: content.to_owned(), ..Message::default() };
    let mut messages = Vec::new();
    if !system.is_empty() {
        messages.push(said(Role::System, system));
    }
    // SAFETY: the header's contract.
    let given = unsafe { args::elements("messages", call.messages, call.message_count)? };
    for (at, one) in given.iter().enumerate() {
        // SAFETY: the header's contract.
        messages.push(unsafe { message(at, one)? });
    }
    if !prompt.is_empty() {
        messages.push(said(Role::User, prompt));
    }
    Ok(messages)
}

/// # Safety
/// The header's contract for messages.
unsafe fn message(at: usize, message: &aip_message) -> Result<Message> {
    let nth = Nth("messages", at);
    if message.reserved != 0 || message.reserved2 != [0; 3] {
        return Err(Error::invalid(nth, "has reserved words that are not 0; zero the struct first"));
    }
    let roles = [
        (AIP_ROLE_USER, Role::User),
        (AIP_ROLE_SYSTEM, Role::System),
        (AIP_ROLE_ASSISTANT, Role::Assistant),
        (AIP_ROLE_TOOL, Role::Tool),
    ];
    let text = |name: &str, data, len| {
        // SAFETY: the header's contract.
        let text = unsafe { args::text(nth, data, len) };
        text.map_err(|error| Error { message: error.message.replacen("]: ", &format!("].{name}: "), 1), ..error })
    };
    let raw = text("raw", message.raw, message.raw_len)?;
    let calls = text("tool_calls", message.tool_calls, message.tool_calls_len)?;
    let role = roles.iter().find(|(number, _)| *number == message.role).map(|(_, role)| *role);
    let bad_role = || {
        let mend = "use AIP_ROLE_USER, _SYSTEM, _ASSISTANT or _TOOL";
        Error::invalid(format_args!("{nth}.role"), format_args!("is {}; {mend}", message.role))
    };
    Ok(Message {
        role: role.ok_or_else(bad_role)?,
        content: text("content", message.content, message.content_len)?.to_owned(),
        name: text("name", message.name, message.name_len)?.to_owned(),
        call_id: text("call_id", message.call_id, message.call_id_len)?.to_owned(),
        calls: if calls.is_empty() { Vec::new() } else { tool_calls(nth, calls)? },
        state: text("state", message.state, message.state_len)?.to_owned(),
        raw: if raw.is_empty() { None } else { Some(value(format_args!("{nth}.raw"), raw)?) },
    })
}

fn tool_calls(nth: Nth<'_>, text: &str) -> Result<Vec<Call>> {
    let field = format!("{nth}.tool_calls");
    json::calls(&field, &value(&field, text)?)
}

/// # Safety
/// The header's contract for lists of texts.
unsafe fn texts(field: &str, texts: *const aip_text, count: usize) -> Result<Vec<String>> {
    // SAFETY: the header's contract.
    let given = unsafe { args::elements(field, texts, count)? };
    // SAFETY: the header's contract.
    let one = |(at, text): (usize, &aip_text)| unsafe { args::text(Nth(field, at), text.data, text.len) };
    given.iter().enumerate().map(|each| one(each).map(str::to_owned)).collect()
}

/// # Safety
/// The header's contract for calls.
unsafe fn how(call: &aip_call) -> Result<CallOptions> {
    // SAFETY: the header's contract.
    let headers = unsafe { args::bytes("headers", call.headers.cast(), call.headers_len)? };
    let flags = flags(call)?;
    let limit = args::time_limit;
    args::flags("set", call.set, AIP_SET_TEMPERATURE | AIP_SET_TOP_P | AIP_SET_SEED)?;
    if call.operation != AIP_CALL_CHAT && call.response_format != AIP_FORMAT_TEXT {
        return Err(Error::invalid("response_format", "goes with AIP_CALL_CHAT alone; leave it 0"));
    }
    Ok(CallOptions {
        limits: LimitOverrides {
            total: limit("timeout_ms", call.timeout_ms)?,
            queue: limit("queue_timeout_ms", call.queue_timeout_ms)?,
            first_byte: limit("first_byte_timeout_ms", call.first_byte_timeout_ms)?,
            between_bytes: limit("between_bytes_timeout_ms", call.between_bytes_timeout_ms)?,
            first_event: limit("first_event_timeout_ms", call.first_event_timeout_ms)?,
            between_events: limit("between_events_timeout_ms", call.between_events_timeout_ms)?,
            ..LimitOverrides::default()
        },
        retries: args::times("max_retries", call.max_retries, MOST_RETRIES)?,
        headers: request::packed_headers("headers", headers)?,
        idempotency_key: text!(call, idempotency_key, idempotency_key_len).to_owned(),
        cancel: if call.cancel.is_null() { None } else { Some(cancel::get(call.cancel)?) },
        interruptible: flags & AIP_CALL_INTERRUPTIBLE != 0,
    })
}

fn flags(call: &aip_call) -> Result<u32> {
    args::flags("flags", call.flags, AIP_CALL_STREAM | AIP_CALL_INTERRUPTIBLE | AIP_CALL_JOB)
}

fn choice(text: &str) -> Choice {
    match text {
        "" => Choice::Unsaid,
        "auto" => Choice::Auto,
        "none" => Choice::None,
        "required" => Choice::Required,
        name => Choice::Named(name.to_owned()),
    }
}

fn tools(text: &str) -> Result<Vec<Tool>> {
    if text.is_empty() { Ok(Vec::new()) } else { json::tools(&value("tools", text)?) }
}

fn positive(field: &str, number: i64) -> Result<Option<u64>> {
    match number {
        0 => Ok(None),
        1.. => Ok(Some(number.unsigned_abs())),
        _ => Err(Error::invalid(field, format_args!("is {number}; use 1 or more, or 0 for the default"))),
    }
}

fn value(field: impl Display, text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Error::invalid(field, format_args!("is no JSON at {place}; mend it there"))
    })
}

fn object(field: &str, text: &str) -> Result<Map<String, Value>> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    match value(field, text)? {
        Value::Object(map) => Ok(map),
        _ => Err(Error::invalid(field, "is no JSON object; write {\"name\": value}")),
    }
}
