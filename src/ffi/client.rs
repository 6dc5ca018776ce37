//! Clients of AI providers in C.

#![allow(non_camel_case_types)]

use std::ffi::c_char;

use super::args;
use super::call::{self, aip_call};
use super::client_options::{self, aip_client_options};
use super::guard::guard;
use super::handle::{self, Kind, Tabled};
use super::pool::aip_pool;
use super::queue::aip_queue;
use super::response::{self, aip_response};
use super::session::aip_session;
use super::status::aip_error;
use crate::clients::{Client, PoolSource};

/// A client of one AI provider.
pub struct aip_client {
    _private: [u8; 0],
}

impl Kind for aip_client {
    const KIND: u64 = 7;
    const NAME: &'static str = "client";
}

impl Tabled for aip_client {
    type Object = Client;
}

/// Makes a client of a provider, over `pool`; NULL is the global pool, whichever that is when a call is made. Nothing is sent.
/// The handle in `*client` is the caller's until aip_client_free(); the pool may be freed before it, and calls are AIP_CLOSED then.
/// All clients of one host and credential in the process share its slots, its pace and its breaker, which outlive them, and while one
/// of them lives its tokens. Of several `max_concurrency` the least holds; `pacing` and `breaker_failures` are the first client's.
/// Any thread. AIP_INVALID_ARGUMENT names a wrong option; of a credential it says the place of the bad character, never the text.
/// What is missing is no error yet: see aip_client_is_configured(). Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_client_new(
    pool: *mut aip_pool,
    options: *const aip_client_options,
    client: *mut *mut aip_client,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let (out, config) = unsafe { (args::out_handle("client", client)?, client_options::config(options)?) };
        let home = if pool.is_null() { PoolSource::Global } else { PoolSource::Given((**handle::get(pool)?).clone()) };
        out.set(Client::new(config, home)?)
    })
}

/// AIP_OK where the client has all it needs to ask; else AIP_NOT_CONFIGURED, and `error` names the option that is missing and its
/// environment variable. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_client_is_configured(client: *mut aip_client, error: *mut aip_error) -> i32 {
    guard(error, || handle::get(client)?.is_configured())
}

/// A session as the client asks over: with `use_pool` its pool's, shared; with 0 a new one that nobody else has, which closes with its
/// last handle. The handle in `*session` is the caller's until aip_session_free(). Requests over it are yours alone: they are not signed.
/// Any thread. As aip_pool_get_session(). Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_client_get_session(
    client: *mut aip_client,
    use_pool: i32,
    session: *mut *mut aip_session,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let out = unsafe { args::out_handle("session", session)? };
        out.set(handle::get(client)?.session(use_pool != 0)?)
    })
}

/// Asks with one prompt, and waits for the answer: aip_client_call() with `prompt` as the last message. `call` may be NULL: the
/// provider's defaults. Read the answer with aip_response_reply(). Otherwise as aip_client_call(). Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_client_generate(
    client: *mut aip_client,
    prompt: *const c_char,
    prompt_len: usize,
    call: *const aip_call,
    response: *mut *mut aip_response,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let out = unsafe { args::out_handle("response", response)? };
        let client = handle::get(client)?;
        handle::room()?;
        // SAFETY: the header's contract.
        let (ask, how) = unsafe { call::generate(prompt, prompt_len, call)? };
        response::set(out, client.call(&ask, &how))
    })
}

/// Asks, and waits for the whole answer, with AIP_CALL_STREAM for its head; this thread drives the I/O meanwhile. `*response` is the
/// caller's until aip_response_free(): read it with aip_response_reply(), or part by part with aip_response_next_delta(); its body is
/// what the provider wrote. Inputs are copied before anything is sent.
/// Waits for a slot and for the pace of the provider, renews tokens, and tries again before the first byte of an answer, as
/// docs/clients.md says; all within the call's limits. Any thread, many at once.
/// AIP_NOT_CONFIGURED; AIP_AUTH, AIP_RATE_LIMITED, AIP_QUOTA and AIP_PROVIDER with a response where there was one, in which
/// aip_response_reply() shows the provider's code and words; AIP_TOO_LARGE and AIP_TRUNCATED with what came; else as
/// aip_session_request(). Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_client_call(
    client: *mut aip_client,
    call: *const aip_call,
    response: *mut *mut aip_response,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let out = unsafe { args::out_handle("response", response)? };
        let client = handle::get(client)?;
        handle::room()?;
        // SAFETY: the header's contract.
        let (ask, how) = unsafe { call::parse(call)? };
        response::set(out, client.call(&ask, &how))
    })
}

/// Asks without waiting: `queue` tells what becomes of it, as aip_session_submit() says, and its end is as aip_client_call() would say
/// it. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_client_submit(
    client: *mut aip_client,
    call: *const aip_call,
    queue: *mut aip_queue,
    tag: u64,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let (client, queue) = (handle::get(client)?, handle::get(queue)?);
        // SAFETY: the header's contract.
        let (ask, how) = unsafe { call::parse(call)? };
        client.submit(&ask, &how, &queue, tag)
    })
}

/// Frees a client; its pool's sessions stay, and calls under way go on. NULL is AIP_OK. Never blocks. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_client_free(client: *mut aip_client) -> i32 {
    guard(std::ptr::null_mut(), || handle::free(client))
}
