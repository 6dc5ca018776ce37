//! What a client is made with, in C.

#![allow(non_camel_case_types)]

use std::ffi::c_char;

use super::args::{self, AIP_OFF, SizedStruct};
use super::session_options::{self, aip_session_options};
use crate::clients::config::{BREAKS_AFTER, ClientConfig, ClientTuning, MOST_CONCURRENT, POLL_INTERVAL};
use crate::clients::kind::Kind;
use crate::clients::unchecked_config::{Text, UncheckedConfig};
use crate::config::MOST_RETRIES;
use crate::error::{Error, Result};

/// OpenAI, and all that speak its chat completions: vLLM, llama.cpp, OpenRouter, DeepSeek, LiteLLM, Ollama's `/v1`.
pub const AIP_CLIENT_OPENAI: u32 = 1;
/// Ollama's own API.
pub const AIP_CLIENT_OLLAMA: u32 = 2;

/// GigaChat: <https://developers.sber.ru/docs/ru/gigachat/api/overview>.
pub const AIP_CLIENT_GIGACHAT: u32 = 3;
/// YandexGPT's own API: <https://yandex.cloud/ru/docs/foundation-models/>.
pub const AIP_CLIENT_YANDEX: u32 = 4;
/// YandexGPT as OpenAI speaks.
pub const AIP_CLIENT_YANDEX_OPENAI: u32 = 5;
/// 1C:Naparnik at code.1c.ai. Its maker documents no API: it is used as its own pages use it, and may change without notice.
pub const AIP_CLIENT_NAPARNIK: u32 = 6;

/// The form that a guide gives for Naparnik: OpenAI's words at another host. Nobody is known to serve it.
pub const AIP_CLIENT_NAPARNIK_COMPAT: u32 = 7;

/// In `aip_client_options.flags`: texts that are not set are taken from the environment, under the provider's usual names.
/// The environment is read during aip_client_new() alone; nobody may change it meanwhile.
pub const AIP_CLIENT_FROM_ENVIRONMENT: u32 = 1;
/// In `aip_client_options.flags`: the client asks over a session of its own, which its pool does not keep.
pub const AIP_CLIENT_UNPOOLED: u32 = 2;

/// What a client is made with. Call aip_client_options_init() first; every 0 and NULL is the default. Texts are UTF-8; each
/// length is in bytes, or AIP_NUL_TERMINATED. Everything is copied; credentials are wiped when the client is freed and its
/// last call has ended.
#[repr(C)]
pub struct aip_client_options {
    /// sizeof(aip_client_options); set by aip_client_options_init().
    pub size: usize,
    /// AIP_CLIENT_OPENAI ...
    pub kind: u32,
    /// AIP_CLIENT_* bits.
    pub flags: u32,
    /// The provider's base URL, which is the pool's key; NULL is the provider's own.
    pub base_url: *const c_char,
    /// Bytes of `base_url`, or AIP_NUL_TERMINATED.
    pub base_url_len: usize,
    /// Where tokens are had; NULL is the provider's own.
    pub auth_url: *const c_char,
    /// Bytes of `auth_url`, or AIP_NUL_TERMINATED.
    pub auth_url_len: usize,
    /// OpenAI's key; GigaChat's authorization key (base64 of id:secret); Yandex's API key; Naparnik's token.
    pub api_key: *const c_char,
    /// Bytes of `api_key`, or AIP_NUL_TERMINATED.
    pub api_key_len: usize,
    /// A token that is used as it is: of GigaChat, or Yandex's IAM.
    pub access_token: *const c_char,
    /// Bytes of `access_token`, or AIP_NUL_TERMINATED.
    pub access_token_len: usize,
    /// GigaChat: a user, in place of a key.
    pub user: *const c_char,
    /// Bytes of `user`, or AIP_NUL_TERMINATED.
    pub user_len: usize,
    /// The user's password.
    pub password: *const c_char,
    /// Bytes of `password`, or AIP_NUL_TERMINATED.
    pub password_len: usize,
    /// GigaChat: an id, with `client_secret` in place of their base64 in `api_key`.
    pub client_id: *const c_char,
    /// Bytes of `client_id`, or AIP_NUL_TERMINATED.
    pub client_id_len: usize,
    /// The secret of `client_id`.
    pub client_secret: *const c_char,
    /// Bytes of `client_secret`, or AIP_NUL_TERMINATED.
    pub client_secret_len: usize,
    /// Yandex: an OAuth token, exchanged for IAM tokens.
    pub oauth_token: *const c_char,
    /// Bytes of `oauth_token`, or AIP_NUL_TERMINATED.
    pub oauth_token_len: usize,
    /// GigaChat: GIGACHAT_API_PERS (the default), GIGACHAT_API_B2B or GIGACHAT_API_CORP.
    pub scope: *const c_char,
    /// Bytes of `scope`, or AIP_NUL_TERMINATED.
    pub scope_len: usize,
    /// Yandex's folder; OpenAI's project.
    pub folder: *const c_char,
    /// Bytes of `folder`, or AIP_NUL_TERMINATED.
    pub folder_len: usize,
    /// OpenAI's organization.
    pub organization: *const c_char,
    /// Bytes of `organization`, or AIP_NUL_TERMINATED.
    pub organization_len: usize,
    /// The model where a call names none; NULL is the provider's usual one, where it has one.
    pub model: *const c_char,
    /// Bytes of `model`, or AIP_NUL_TERMINATED.
    pub model_len: usize,
    /// The same for embeddings.
    pub embedding_model: *const c_char,
    /// Bytes of `embedding_model`, or AIP_NUL_TERMINATED.
    pub embedding_model_len: usize,
    /// GigaChat's X-Session-ID: what it has computed of a prompt is found again.
    pub affinity: *const c_char,
    /// Bytes of `affinity`, or AIP_NUL_TERMINATED.
    pub affinity_len: usize,
    /// Connections, TLS (the Russian root goes into its `ca_file` or `ca_bytes`), limits and headers of all calls; NULL is the
    /// defaults. Its limits go over the provider's usual ones, and a call's over both.
    pub session: *const aip_session_options,
    /// Requests at once to this host by this credential, in the whole process, each to the end of its body, 1 to 100000; 0 is what
    /// the provider is known to allow. AIP_UNLIMITED.
    pub max_concurrency: i64,
    /// Further attempts, up to 10, before the first byte of an answer; 0 is 2. AIP_OFF: none but those a server
    /// cannot have seen, and one with a new token.
    pub max_retries: i64,
    /// So many failures in a row, and calls fail at once for a while; 0 is 5. AIP_OFF: never.
    pub breaker_failures: i64,
    /// AIP_OFF: rates that the provider tells are not kept to. 0: they are.
    pub pacing: i64,
    /// Yandex: where operations are asked about; NULL is the provider's own.
    pub operations_url: *const c_char,
    /// Bytes of `operations_url`, or AIP_NUL_TERMINATED.
    pub operations_url_len: usize,
    /// Yandex: milliseconds between two questions about an operation; 0 is 10000.
    pub poll_interval_ms: i64,
    /// GigaChat: 1, or 2 for the chat of `/v2`; 0 is that of the base URL.
    pub api_version: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<aip_client_options>() == 328);

// SAFETY: repr(C), `size` first, pointers and integers only.
unsafe impl SizedStruct for aip_client_options {
    const FIRST_SIZE: usize = 328;
}

/// Sets all defaults. `size` is sizeof(aip_client_options).
/// The caller owns the struct. Any thread. No errors: NULL is ignored. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_client_options_init(options: *mut aip_client_options, size: usize) {
    // SAFETY: the header's contract.
    unsafe { args::init(options, size) }
}

const KINDS: [(u32, Kind); 7] = [
    (AIP_CLIENT_OPENAI, Kind::OpenAi),
    (AIP_CLIENT_OLLAMA, Kind::Ollama),
    (AIP_CLIENT_GIGACHAT, Kind::GigaChat),
    (AIP_CLIENT_YANDEX, Kind::Yandex),
    (AIP_CLIENT_YANDEX_OPENAI, Kind::YandexOpenAi),
    (AIP_CLIENT_NAPARNIK, Kind::Naparnik),
    (AIP_CLIENT_NAPARNIK_COMPAT, Kind::NaparnikCompat),
];
const KIND_NAMES: &str =
    "AIP_CLIENT_OPENAI, _OLLAMA, _GIGACHAT, _YANDEX, _YANDEX_OPENAI, _NAPARNIK or _NAPARNIK_COMPAT";

/// The checked options.
///
/// # Safety
/// The header's contract for client options.
pub unsafe fn config(options: *const aip_client_options) -> Result<ClientConfig> {
    // SAFETY: the header's contract.
    let options = unsafe { args::sized("options", "aip_client_options_init", options)? };
    let options = options.ok_or_else(|| Error::invalid("options", "is NULL; say which kind of client you want"))?;
    if options.reserved != 0 {
        return Err(Error::invalid("reserved", "is not 0; call aip_client_options_init() on the struct first"));
    }
    let kind = args::choice("kind", options.kind, &KINDS, KIND_NAMES)?;
    let known = AIP_CLIENT_FROM_ENVIRONMENT | AIP_CLIENT_UNPOOLED;
    let flags = args::flags("flags", options.flags, known)?;
    // SAFETY: the header's contract.
    let (mut given, session) = unsafe { (given(&options)?, session_options::config(options.session)?) };
    if flags & AIP_CLIENT_FROM_ENVIRONMENT != 0 {
        given.fill(kind, |name| std::env::var(name).ok());
    }
    let ways = ClientTuning {
        max_concurrency: match options.max_concurrency {
            0 => None,
            AIP_OFF => {
                return Err(Error::invalid("max_concurrency", "cannot be off; use 1 or more, AIP_UNLIMITED, or 0"));
            }
            number => Some(args::count("max_concurrency", number, 0, MOST_CONCURRENT)?),
        },
        retries: args::times("max_retries", options.max_retries, MOST_RETRIES)?,
        breaks_after: args::times("breaker_failures", options.breaker_failures, 1000)?.unwrap_or(BREAKS_AFTER),
        paced: match options.pacing {
            0 => true,
            AIP_OFF => false,
            other => return Err(Error::invalid("pacing", format_args!("is {other}; use AIP_OFF, or 0 for on"))),
        },
        pooled: flags & AIP_CLIENT_UNPOOLED == 0,
        poll_interval: match args::time_limit("poll_interval_ms", options.poll_interval_ms)? {
            None => POLL_INTERVAL,
            Some(Some(interval)) => interval,
            Some(None) => {
                return Err(Error::invalid("poll_interval_ms", "cannot be off; use 1 or more, or 0 for 10000"));
            }
        },
        api_version: args::within("api_version", options.api_version.into(), 0, 2)? as u32,
    };
    ClientConfig::new(kind, &given, ways, session.unwrap_or_default())
}

/// # Safety
/// The header's contract for client options.
unsafe fn given(options: &aip_client_options) -> Result<UncheckedConfig> {
    macro_rules! text {
        ($name:ident, $len:ident) => {
            // SAFETY: the header's contract.
            Text::new(unsafe { args::text(stringify!($name), options.$name, options.$len)? }.to_owned())
        };
    }
    Ok(UncheckedConfig {
        base_url: text!(base_url, base_url_len),
        auth_url: text!(auth_url, auth_url_len),
        api_key: text!(api_key, api_key_len),
        access_token: text!(access_token, access_token_len),
        user: text!(user, user_len),
        password: text!(password, password_len),
        client_id: text!(client_id, client_id_len),
        client_secret: text!(client_secret, client_secret_len),
        oauth_token: text!(oauth_token, oauth_token_len),
        operations_url: text!(operations_url, operations_url_len),
        scope: text!(scope, scope_len),
        folder: text!(folder, folder_len),
        organization: text!(organization, organization_len),
        model: text!(model, model_len),
        embedding_model: text!(embedding_model, embedding_model_len),
        affinity: text!(affinity, affinity_len),
        ..UncheckedConfig::default()
    })
}
