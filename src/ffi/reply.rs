//! What an AI answered, in C.

#![allow(non_camel_case_types)]

use std::borrow::Cow;
use std::ffi::c_char;
use std::ptr::null;
use std::time::Duration;

use super::args;
use super::guard::{guard, guard_status};
use super::handle;
use super::response::{AIP_PART_DATA, AIP_PART_ID, AIP_PART_NAME, aip_response, got};
use super::status::aip_error;
use crate::answer::PartTimes;
use crate::body::reply::{Delta, Reply};
use crate::clients::json::calls_text;
use crate::error::{Error, Result};

/// In `aip_delta.kind`: more of the answer's text.
pub const AIP_DELTA_TEXT: u32 = 1;
/// In `aip_delta.kind`: all text so far is withdrawn; `text` stands in its place. A filter did that, or the
/// provider began anew.
pub const AIP_DELTA_REPLACE: u32 = 2;
/// In `aip_delta.kind`: more of what the model thinks aloud.
pub const AIP_DELTA_REASONING: u32 = 3;
/// In `aip_delta.kind`: more of a call of a tool: `text` is a piece of its arguments; `id` and `name` where they came.
pub const AIP_DELTA_TOOL: u32 = 4;
/// In `aip_delta.kind`: the tokens in aip_reply are new.
pub const AIP_DELTA_USAGE: u32 = 5;
/// In `aip_delta.kind`: the answer is complete; AIP_END follows.
pub const AIP_DELTA_DONE: u32 = 6;

/// In `aip_reply.finish_reason`: the answer has not ended, or nobody said why it did.
pub const AIP_FINISH_NONE: u32 = 0;
/// In `aip_reply.finish_reason`: it was complete.
pub const AIP_FINISH_STOP: u32 = 1;
/// In `aip_reply.finish_reason`: max_tokens, or the model's own bound.
pub const AIP_FINISH_LENGTH: u32 = 2;
/// In `aip_reply.finish_reason`: it wants tools called.
pub const AIP_FINISH_TOOL: u32 = 3;
/// In `aip_reply.finish_reason`: the provider's filter.
pub const AIP_FINISH_FILTER: u32 = 4;
/// In `aip_reply.finish_reason`: the provider failed midway.
pub const AIP_FINISH_ERROR: u32 = 5;
/// In `aip_reply.finish_reason`: a word this library does not know; see `finish`.
pub const AIP_FINISH_OTHER: u32 = 6;

/// One part of an answer: borrowed until the next call that reads from the response, or frees it; not NUL-terminated.
#[repr(C)]
pub struct aip_delta {
    /// AIP_DELTA_*.
    pub kind: u32,
    /// AIP_DELTA_TOOL: which call.
    pub index: u32,
    /// UTF-8; whole characters.
    pub text: *const c_char,
    /// Bytes of `text`.
    pub text_len: usize,
    /// AIP_DELTA_TOOL: the call's id; empty where it did not come.
    pub id: *const c_char,
    /// Bytes of `id`.
    pub id_len: usize,
    /// AIP_DELTA_TOOL: the tool's name; empty where it did not come.
    pub name: *const c_char,
    /// Bytes of `name`.
    pub name_len: usize,
    /// Zero.
    pub reserved: [u64; 2],
}

const _: () = assert!(size_of::<aip_delta>() == 72);

/// What an answer came to; of a stream, what has been read of it. Texts are borrowed until the next call that reads from the
/// response, or frees it; not NUL-terminated; NULL and 0 where there is none. aip_response_reply_copy() copies them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct aip_reply {
    /// The answer's text; for AIP_CALL_MODELS a name a line.
    pub text: *const c_char,
    /// Bytes of `text`.
    pub text_len: usize,
    /// What the model thought aloud.
    pub reasoning: *const c_char,
    /// Bytes of `reasoning`.
    pub reasoning_len: usize,
    /// The provider's word for the end.
    pub finish: *const c_char,
    /// Bytes of `finish`.
    pub finish_len: usize,
    /// The model, with its version where the provider says one.
    pub model: *const c_char,
    /// Bytes of `model`.
    pub model_len: usize,
    /// The provider's name of the answer.
    pub id: *const c_char,
    /// Bytes of `id`.
    pub id_len: usize,
    /// What the next call has to bring along: in aip_message.state of this answer, or in aip_call.state.
    pub state: *const c_char,
    /// Bytes of `state`.
    pub state_len: usize,
    /// Of a failure: the provider's code.
    pub error_code: *const c_char,
    /// Bytes of `error_code`.
    pub error_code_len: usize,
    /// Of a failure: the provider's words, 4 kB at most. They may quote what was sent.
    pub error_text: *const c_char,
    /// Bytes of `error_text`.
    pub error_text_len: usize,
    /// Tokens; -1 where nobody said.
    pub prompt_tokens: i64,
    /// Tokens; -1 where nobody said.
    pub completion_tokens: i64,
    /// Tokens; -1 where nobody said.
    pub total_tokens: i64,
    /// Tokens of the prompt that the provider had at hand; -1 where nobody said.
    pub cached_tokens: i64,
    /// Tokens of the completion that were thought and not said; -1 where nobody said.
    pub reasoning_tokens: i64,
    /// Tokens there may be in all; -1 where nobody said.
    pub context_tokens: i64,
    /// AIP_FINISH_*.
    pub finish_reason: u32,
    /// Calls of tools: aip_response_reply_copy() with AIP_REPLY_TOOL_CALLS.
    pub tool_call_count: u32,
    /// Embeddings: aip_response_embedding().
    pub embedding_count: u32,
    /// Zero.
    pub reserved: u32,
    /// Of a stream: microseconds from the call to the first part read; 0 before.
    pub first_token_us: u64,
    /// Of a stream: the longest time between two parts, in microseconds.
    pub longest_gap_us: u64,
    /// Of a stream: parts read.
    pub parts: u64,
}

const _: () = assert!(size_of::<aip_reply>() == 216);

/// In aip_response_reply_copy(): aip_reply.text.
pub const AIP_REPLY_TEXT: u32 = 0;
/// In aip_response_reply_copy(): aip_reply.reasoning.
pub const AIP_REPLY_REASONING: u32 = 1;
/// In aip_response_reply_copy(): the calls of tools, a JSON array in OpenAI's form, as aip_message.tool_calls takes it; empty where
/// there are none.
pub const AIP_REPLY_TOOL_CALLS: u32 = 2;
/// In aip_response_reply_copy(): aip_reply.finish.
pub const AIP_REPLY_FINISH: u32 = 3;
/// In aip_response_reply_copy(): aip_reply.model.
pub const AIP_REPLY_MODEL: u32 = 4;
/// In aip_response_reply_copy(): aip_reply.id.
pub const AIP_REPLY_ID: u32 = 5;
/// In aip_response_reply_copy(): aip_reply.state.
pub const AIP_REPLY_STATE: u32 = 6;
/// In aip_response_reply_copy(): aip_reply.error_code.
pub const AIP_REPLY_ERROR_CODE: u32 = 7;
/// In aip_response_reply_copy(): aip_reply.error_text.
pub const AIP_REPLY_ERROR_TEXT: u32 = 8;

/// Reads the next part of an answer to a client's call: of a stream as it comes, of a whole answer what there is. Waits, and fails, as
/// aip_response_read(); further AIP_TRUNCATED where the answer ended before it was complete, and AIP_PROVIDER, AIP_RATE_LIMITED ...
/// where the provider broke it off, with its words in aip_response_reply(). AIP_END after AIP_DELTA_DONE. One thread at a time: AIP_BUSY.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_next_delta(
    response: *mut aip_response,
    timeout_ms: u32,
    delta: *mut aip_delta,
    error: *mut aip_error,
) -> i32 {
    guard_status(error, || {
        let response = handle::get(response)?;
        // SAFETY: the header's contract.
        let out = unsafe { args::out("delta", delta)? };
        Ok(got(out, response.next_delta(Duration::from_millis(timeout_ms.into()), shown)?))
    })
}

/// Copies a text of the part read last: AIP_PART_DATA is aip_delta.text, AIP_PART_NAME and AIP_PART_ID its name and id. `*needed` (may be
/// NULL) is always set to its size; too small a `cap` is AIP_INVALID_ARGUMENT and writes nothing more. AIP_BUSY while another thread
/// reads. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_delta_copy(
    response: *mut aip_response,
    part: u32,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let parts = [(AIP_PART_DATA, 0), (AIP_PART_NAME, 1), (AIP_PART_ID, 2)];
        let part: usize = args::choice("part", part, &parts, "AIP_PART_DATA, AIP_PART_NAME or AIP_PART_ID")?;
        let copy = |delta: &Delta| {
            let (_, _, text, id, name) = parts_of(delta);
            // SAFETY: the header's contract.
            unsafe { args::out_bytes([text, name, id][part].as_bytes(), buf.cast(), cap, needed) }
        };
        handle::get(response)?.last_delta(copy)?
    })
}

/// Shows what an answer came to: copies it to `out`, as far as `out_size` (sizeof of your struct) goes. Also of failures that carry a
/// response. The texts are borrowed: where another thread may read or free meanwhile, copy them. AIP_BUSY while another thread reads; AIP_INVALID_ARGUMENT for a response to anything but a client's call. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_reply(
    response: *mut aip_response,
    out: *mut aip_reply,
    out_size: usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let reply = handle::get(response)?.reply(summed)?;
        // SAFETY: the header's contract.
        unsafe { args::out_sized("out", out, out_size, reply) }
    })
}

/// Copies a text of an answer: AIP_REPLY_*. `*needed` (may be NULL) is always set to its size; too small a `cap` is
/// AIP_INVALID_ARGUMENT and writes nothing more. As aip_response_reply(). Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_reply_copy(
    response: *mut aip_response,
    part: u32,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let copy = |reply: &Reply, _: &PartTimes| {
            // SAFETY: the header's contract.
            unsafe { args::out_bytes(text_of(reply, part)?.as_bytes(), buf.cast(), cap, needed) }
        };
        handle::get(response)?.reply(copy)?
    })
}

/// Copies the embedding of the input at `index`: `cap` and `*needed` (may be NULL) count floats. Otherwise as
/// aip_response_reply_copy(). Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_embedding(
    response: *mut aip_response,
    index: u32,
    buf: *mut f32,
    cap: usize,
    needed: *mut usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let copy = |reply: &Reply, _: &PartTimes| {
            let count = reply.embeddings.len();
            let none = || Error::invalid("index", format_args!("is {index}; there are {count} embeddings"));
            let numbers = reply.embeddings.get(index as usize).ok_or_else(none)?;
            // SAFETY: the header's contract.
            unsafe { args::out_floats(numbers, buf, cap, needed) }
        };
        handle::get(response)?.reply(copy)?
    })
}

/// Kind, index, text, id and name.
fn parts_of(delta: &Delta) -> (u32, u32, &str, &str, &str) {
    match delta {
        Delta::Text(text) => (AIP_DELTA_TEXT, 0, text, "", ""),
        Delta::Replace(text) => (AIP_DELTA_REPLACE, 0, text, "", ""),
        Delta::Reasoning(text) => (AIP_DELTA_REASONING, 0, text, "", ""),
        Delta::Tool { index, id, name, arguments } => (AIP_DELTA_TOOL, *index as u32, arguments, id, name),
        Delta::Usage => (AIP_DELTA_USAGE, 0, "", "", ""),
        Delta::Done => (AIP_DELTA_DONE, 0, "", "", ""),
    }
}

fn shown(delta: &Delta) -> aip_delta {
    let (kind, index, text, id, name) = parts_of(delta);
    aip_delta {
        kind,
        index,
        text: start(text),
        text_len: text.len(),
        id: start(id),
        id_len: id.len(),
        name: start(name),
        name_len: name.len(),
        reserved: [0; 2],
    }
}

fn summed(reply: &Reply, times: &PartTimes) -> aip_reply {
    let Reply { text, reasoning, calls, finish, finish_word, usage, model, id, state, embeddings, counts, problem } =
        reply;
    let counted = (usage.prompt < 0 && !counts.is_empty()).then(|| saturated(counts));
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    aip_reply {
        text: start(text),
        text_len: text.len(),
        reasoning: start(reasoning),
        reasoning_len: reasoning.len(),
        finish: start(finish_word),
        finish_len: finish_word.len(),
        model: start(model),
        model_len: model.len(),
        id: start(id),
        id_len: id.len(),
        state: start(state),
        state_len: state.len(),
        error_code: start(&problem.code),
        error_code_len: problem.code.len(),
        error_text: start(&problem.text),
        error_text_len: problem.text.len(),
        prompt_tokens: counted.unwrap_or(usage.prompt),
        completion_tokens: usage.completion,
        total_tokens: usage.total,
        cached_tokens: usage.cached,
        reasoning_tokens: usage.reasoning,
        context_tokens: usage.context,
        finish_reason: *finish as u32,
        tool_call_count: calls.len() as u32,
        embedding_count: embeddings.len() as u32,
        reserved: 0,
        first_token_us: times.first.map_or(0, micros),
        longest_gap_us: micros(times.longest),
        parts: times.count,
    }
}

fn saturated(counts: &[u64]) -> i64 {
    let sum = counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    i64::try_from(sum).unwrap_or(i64::MAX)
}

fn text_of(reply: &Reply, part: u32) -> Result<Cow<'_, str>> {
    Ok(Cow::Borrowed(match part {
        AIP_REPLY_TEXT => &reply.text,
        AIP_REPLY_REASONING => &reply.reasoning,
        AIP_REPLY_TOOL_CALLS => return Ok(Cow::Owned(calls_text(&reply.calls))),
        AIP_REPLY_FINISH => &reply.finish_word,
        AIP_REPLY_MODEL => &reply.model,
        AIP_REPLY_ID => &reply.id,
        AIP_REPLY_STATE => &reply.state,
        AIP_REPLY_ERROR_CODE => &reply.problem.code,
        AIP_REPLY_ERROR_TEXT => &reply.problem.text,
        other => return Err(Error::invalid("part", format_args!("is {other}; use AIP_REPLY_*"))),
    }))
}

/// An empty text has no address worth giving.
fn start(text: &str) -> *const c_char {
    if text.is_empty() { null() } else { text.as_ptr().cast() }
}
