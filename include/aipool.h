/*
 * libaipool: a warm, bounded, observable pool of HTTP sessions for AI clients.
 * Generated from src/ffi by cbindgen; edit there, then: make header
 *
 * The contract
 *
 * Handles (aip_pool, aip_session, aip_response, aip_cancel, aip_upload, aip_queue, aip_client) look like pointers and are tokens: a freed, forged, foreign or
 *   fork-inherited one is AIP_INVALID_HANDLE, never undefined. You free handles, never memory; any order is legal, NULL is
 *   fine, and free does no I/O.
 * Status is the result of every call that can fail, alone: if (status == AIP_TIMEOUT). An aip_error of yours (or NULL) says
 *   more, and is written on failure only. On failure an out-handle is NULL unless said otherwise; other outputs stay.
 * Inputs are copied before the call returns. Text is UTF-8 as (pointer, length); AIP_NUL_TERMINATED as length for C strings;
 *   (NULL, 0) is empty. Outputs are copied to you, or borrowed until a named point and then have a copying twin.
 * Zero is the default in every option struct; AIP_OFF switches off, AIP_UNLIMITED lifts a bound. Start structs with their
 *   _init function. drain_ms and timeout_ms arguments are literal: 0 waits not at all.
 * Threads: any function from any thread, many at once. The thread that waits drives the I/O. No signal is raised on it,
 *   its cancellation waits until the call returns, and library threads take no signals. Nothing but aip_cancel_fire() and
 *   aip_queue_wake() may be called in a signal handler; never longjmp out of a call. 128 KiB of stack are enough for any call,
 *   and exit handlers and destructors of threads may make them. docs/process.md tells more.
 * Fork: the child starts afresh; handles from before are AIP_INVALID_HANDLE there, new pools work, inherited sockets stay
 *   open until exec or exit.
 * Every wait has a bound unless you switch it off. No panic leaves the library (AIP_PANIC).
 */

#ifndef AIPOOL_H
#define AIPOOL_H

#include <stddef.h>
#include <stdint.h>

#define AIP_VERSION_MAJOR 0
#define AIP_VERSION_MINOR 1
#define AIP_VERSION_PATCH 0
#define AIP_VERSION "0.1.0"

/** A function that only libraries of this header's ABI have, named after it: what calls it links and loads with no other. */
#define AIP_ABI_GUARD aip_abi_0_1

/** Switches a limit or a feature off. 0 is the default everywhere. */
#define AIP_OFF (-1)

/** No bound. 0 is the default everywhere. */
#define AIP_UNLIMITED (-2)

/** As a length: the text ends with a NUL. */
#define AIP_NUL_TERMINATED SIZE_MAX

#ifndef AIP_API
#if defined(_WIN32) && !defined(AIP_STATIC)
#define AIP_API __declspec(dllimport)
#else
#define AIP_API
#endif
#endif

/**
 * What aip_abi_version() of a matching library returns.
 */
#define AIP_ABI_VERSION 1

/**
 * In `aip_error.flags`: sending the same request again is safe.
 */
#define AIP_ERROR_RETRYABLE 1

/**
 * The least recently used session goes first (the default).
 */
#define AIP_EVICT_LRU 1

/**
 * The session that was inserted first goes first, however recently it was used.
 */
#define AIP_EVICT_FIFO 2

/**
 * Places in `aip_pool_stats.closed`: why connections closed. Unused for too long.
 */
#define AIP_CLOSED_IDLE 0

/**
 * As old as max_lifetime_ms allows.
 */
#define AIP_CLOSED_LIFETIME 1

/**
 * The server closed it.
 */
#define AIP_CLOSED_BY_SERVER 2

/**
 * The server wanted no more requests on it (HTTP/2).
 */
#define AIP_CLOSED_GOAWAY 3

/**
 * It broke, or somebody broke the protocol.
 */
#define AIP_CLOSED_ERROR 4

/**
 * Its request was given up midway (HTTP/1.1).
 */
#define AIP_CLOSED_CANCELLED 5

/**
 * No session refers to its server any more.
 */
#define AIP_CLOSED_NO_SESSION 6

/**
 * The pool was closed.
 */
#define AIP_CLOSED_POOL 7

/**
 * Found dead when it was wanted.
 */
#define AIP_CLOSED_STALE 8

/**
 * Its place was needed by another.
 */
#define AIP_CLOSED_LIMIT 9

/**
 * It did not answer in time.
 */
#define AIP_CLOSED_SUSPECT 10

/**
 * Its response left it unfit for another request.
 */
#define AIP_CLOSED_NOT_REUSABLE 11

/**
 * Made before aip_pool_reload_tls().
 */
#define AIP_CLOSED_RELOADED 12

/**
 * HTTP/2 where the server offers it by ALPN, HTTP/1.1 otherwise (the default).
 */
#define AIP_HTTP_AUTO 0

/**
 * HTTP/1.1 only.
 */
#define AIP_HTTP_1 1

/**
 * HTTP/2 only; over plain http by prior knowledge.
 */
#define AIP_HTTP_2 2

/**
 * The pool's own connections (the default).
 */
#define AIP_TRANSPORT_ENGINE 0

/**
 * reqwest's: no limits of connections, no queue, no proxy. What it lacks is AIP_UNSUPPORTED by name.
 */
#define AIP_TRANSPORT_REQWEST 1

/**
 * The system's roots and those of `ca_file` and `ca_bytes` (the default).
 */
#define AIP_TRUST_SYSTEM_AND_GIVEN 0

/**
 * Those of `ca_file` and `ca_bytes` alone.
 */
#define AIP_TRUST_GIVEN_ONLY 1

/**
 * Anybody: for a test server alone. Shown in stats, infos and events.
 */
#define AIP_TRUST_ANYBODY 2

/**
 * TLS 1.2 or newer (the default).
 */
#define AIP_TLS_1_2 0

/**
 * TLS 1.3 or newer.
 */
#define AIP_TLS_1_3 1

/**
 * As http_proxy, https_proxy, all_proxy and no_proxy say when the session is made; loopback goes direct (the default).
 */
#define AIP_PROXY_ENVIRONMENT 0

/**
 * No proxy.
 */
#define AIP_PROXY_OFF 1

/**
 * In `aip_request.flags`: a signal handler of the host that runs on the waiting thread ends the wait with
 * AIP_INTERRUPTED. A signal that comes before the wait has begun is missed: fire a cancel handle in the handler to be
 * sure. Costs one change of threads a request. Hosts whose runtime sends signals to its own threads (Go) must
 * not set it.
 */
#define AIP_REQUEST_INTERRUPTIBLE 1

/**
 * In `aip_request.flags`: the server may get this request twice. Then it is sent again over a fresh connection when a
 * reused one broke without a byte of an answer. Methods that are idempotent by themselves (GET, PUT, ...) and requests with
 * an Idempotency-Key header need no flag; a POST without either is sent again only when no byte
 * of it had left, or when by the protocol the server did not work on it.
 */
#define AIP_REQUEST_MAY_REPEAT 2

/**
 * In `aip_request.flags`: the response is handed out at its head; its body is read with aip_response_read() or
 * aip_response_next_event() while it comes. timeout_ms and max_body_bytes count only where the request itself sets them, and where
 * nobody set first_byte_timeout_ms or between_bytes_timeout_ms for sessions or requests, they are 300000. AIP_UNSUPPORTED over
 * reqwest.
 */
#define AIP_REQUEST_STREAM 4

/**
 * In `aip_request.event_format`: server-sent events (HTML standard, 9.2.6).
 */
#define AIP_EVENTS_SSE 1

/**
 * In `aip_request.event_format`: a JSON text a line.
 */
#define AIP_EVENTS_NDJSON 2

/**
 * No TLS.
 */
#define AIP_TLS_NONE 0

/**
 * A TLS handshake in full.
 */
#define AIP_TLS_FULL 1

/**
 * A TLS handshake shortened by a ticket of an earlier connection.
 */
#define AIP_TLS_RESUMED 2

/**
 * In `aip_stream_event.flags`: `retry_ms` was set.
 */
#define AIP_EVENT_RETRY 1

/**
 * In `aip_stream_event.flags`: the stream ended before the event did: its last line end or blank line is missing.
 */
#define AIP_EVENT_INCOMPLETE 2

/**
 * In aip_response_event_copy(): the event's data.
 */
#define AIP_PART_DATA 0

/**
 * In aip_response_event_copy(): the event's name.
 */
#define AIP_PART_NAME 1

/**
 * In aip_response_event_copy(): the last event ID.
 */
#define AIP_PART_ID 2

/**
 * In `aip_completion.kind`: a stream's head came; `response` is yours, its body follows.
 */
#define AIP_COMPLETION_HEAD 1

/**
 * In `aip_completion.kind`: reading the stream is worth while again, after AIP_WOULD_BLOCK.
 */
#define AIP_COMPLETION_READABLE 2

/**
 * In `aip_completion.kind`: writing the upload is worth while again, after AIP_WOULD_BLOCK.
 */
#define AIP_COMPLETION_WRITABLE 3

/**
 * In `aip_completion.kind`: the one end of a request: `status` says how, `error` more. For a stream: its body has come whole or
 * failed; what is unread can still be read, and reading it never says AIP_WOULD_BLOCK again.
 */
#define AIP_COMPLETION_DONE 4

/**
 * OpenAI, and all that speak its chat completions: vLLM, llama.cpp, OpenRouter, DeepSeek, LiteLLM, Ollama's `/v1`.
 */
#define AIP_CLIENT_OPENAI 1

/**
 * Ollama's own API.
 */
#define AIP_CLIENT_OLLAMA 2

/**
 * GigaChat: <https://developers.sber.ru/docs/ru/gigachat/api/overview>.
 */
#define AIP_CLIENT_GIGACHAT 3

/**
 * YandexGPT's own API: <https://yandex.cloud/ru/docs/foundation-models/>.
 */
#define AIP_CLIENT_YANDEX 4

/**
 * YandexGPT as OpenAI speaks.
 */
#define AIP_CLIENT_YANDEX_OPENAI 5

/**
 * 1C:Naparnik at code.1c.ai. Its maker documents no API: it is used as its own pages use it, and may change without notice.
 */
#define AIP_CLIENT_NAPARNIK 6

/**
 * The form that a guide gives for Naparnik: OpenAI's words at another host. Nobody is known to serve it.
 */
#define AIP_CLIENT_NAPARNIK_COMPAT 7

/**
 * In `aip_client_options.flags`: texts that are not set are taken from the environment, under the provider's usual names.
 * The environment is read during aip_client_new() alone; nobody may change it meanwhile.
 */
#define AIP_CLIENT_FROM_ENVIRONMENT 1

/**
 * In `aip_client_options.flags`: the client asks over a session of its own, which its pool does not keep.
 */
#define AIP_CLIENT_UNPOOLED 2

/**
 * The talk goes on: `messages`, or `prompt` alone (the default).
 */
#define AIP_CALL_CHAT 0

/**
 * Embeddings of `inputs`: aip_response_embedding().
 */
#define AIP_CALL_EMBED 1

/**
 * The models there are: aip_reply.text, a name a line.
 */
#define AIP_CALL_MODELS 2

/**
 * Tokens of `inputs`: aip_reply.prompt_tokens is the sum.
 */
#define AIP_CALL_COUNT 3

/**
 * Any other request to the provider: `method`, `url`, `body`, signed, paced and judged as the others.
 */
#define AIP_CALL_RAW 4

/**
 * In `aip_call.flags`: the answer is handed out at its head, and told part by part with aip_response_next_delta().
 */
#define AIP_CALL_STREAM 1

/**
 * In `aip_call.flags`: as AIP_REQUEST_INTERRUPTIBLE.
 */
#define AIP_CALL_INTERRUPTIBLE 2

/**
 * In `aip_call.flags`: Yandex: as an operation that is asked about until it is done.
 */
#define AIP_CALL_JOB 4

/**
 * In `aip_call.set`: `temperature` counts, also when it is 0.
 */
#define AIP_SET_TEMPERATURE 1

/**
 * In `aip_call.set`: `top_p` counts.
 */
#define AIP_SET_TOP_P 2

/**
 * In `aip_call.set`: `seed` counts.
 */
#define AIP_SET_SEED 4

/**
 * In `aip_message.role`.
 */
#define AIP_ROLE_USER 0

/**
 * In `aip_message.role`.
 */
#define AIP_ROLE_SYSTEM 1

/**
 * In `aip_message.role`: what the model answered.
 */
#define AIP_ROLE_ASSISTANT 2

/**
 * In `aip_message.role`: what a tool gave.
 */
#define AIP_ROLE_TOOL 3

/**
 * In `aip_call.response_format`: any text (the default).
 */
#define AIP_FORMAT_TEXT 0

/**
 * In `aip_call.response_format`: JSON; by `json_schema` where that is set.
 */
#define AIP_FORMAT_JSON 1

/**
 * In `aip_delta.kind`: more of the answer's text.
 */
#define AIP_DELTA_TEXT 1

/**
 * In `aip_delta.kind`: all text so far is withdrawn; `text` stands in its place. A filter did that, or the
 * provider began anew.
 */
#define AIP_DELTA_REPLACE 2

/**
 * In `aip_delta.kind`: more of what the model thinks aloud.
 */
#define AIP_DELTA_REASONING 3

/**
 * In `aip_delta.kind`: more of a call of a tool: `text` is a piece of its arguments; `id` and `name` where they came.
 */
#define AIP_DELTA_TOOL 4

/**
 * In `aip_delta.kind`: the tokens in aip_reply are new.
 */
#define AIP_DELTA_USAGE 5

/**
 * In `aip_delta.kind`: the answer is complete; AIP_END follows.
 */
#define AIP_DELTA_DONE 6

/**
 * In `aip_reply.finish_reason`: the answer has not ended, or nobody said why it did.
 */
#define AIP_FINISH_NONE 0

/**
 * In `aip_reply.finish_reason`: it was complete.
 */
#define AIP_FINISH_STOP 1

/**
 * In `aip_reply.finish_reason`: max_tokens, or the model's own bound.
 */
#define AIP_FINISH_LENGTH 2

/**
 * In `aip_reply.finish_reason`: it wants tools called.
 */
#define AIP_FINISH_TOOL 3

/**
 * In `aip_reply.finish_reason`: the provider's filter.
 */
#define AIP_FINISH_FILTER 4

/**
 * In `aip_reply.finish_reason`: the provider failed midway.
 */
#define AIP_FINISH_ERROR 5

/**
 * In `aip_reply.finish_reason`: a word this library does not know; see `finish`.
 */
#define AIP_FINISH_OTHER 6

/**
 * In aip_response_reply_copy(): aip_reply.text.
 */
#define AIP_REPLY_TEXT 0

/**
 * In aip_response_reply_copy(): aip_reply.reasoning.
 */
#define AIP_REPLY_REASONING 1

/**
 * In aip_response_reply_copy(): the calls of tools, a JSON array in OpenAI's form, as aip_message.tool_calls takes it; empty where
 * there are none.
 */
#define AIP_REPLY_TOOL_CALLS 2

/**
 * In aip_response_reply_copy(): aip_reply.finish.
 */
#define AIP_REPLY_FINISH 3

/**
 * In aip_response_reply_copy(): aip_reply.model.
 */
#define AIP_REPLY_MODEL 4

/**
 * In aip_response_reply_copy(): aip_reply.id.
 */
#define AIP_REPLY_ID 5

/**
 * In aip_response_reply_copy(): aip_reply.state.
 */
#define AIP_REPLY_STATE 6

/**
 * In aip_response_reply_copy(): aip_reply.error_code.
 */
#define AIP_REPLY_ERROR_CODE 7

/**
 * In aip_response_reply_copy(): aip_reply.error_text.
 */
#define AIP_REPLY_ERROR_TEXT 8

/**
 * The class of an outcome. Compare with `==`; the detail is in `aip_error`. An HTTP status of 400 or more is a response.
 */
enum aip_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Done.
     */
    AIP_OK = 0,
    /**
     * A stream has ended, in good order; there is nothing more to read. Of a queue: it is closed and empty.
     */
    AIP_END = 1,
    /**
     * Nothing to read, take or write just now; a completion will say when there is.
     */
    AIP_WOULD_BLOCK = 2,
    /**
     * An argument is wrong; the message names it and says what to write instead.
     */
    AIP_INVALID_ARGUMENT = 10,
    /**
     * The handle was freed, never existed, is of another kind, or was inherited over fork().
     */
    AIP_INVALID_HANDLE = 11,
    /**
     * Another thread is in a call on this handle that allows one at a time.
     */
    AIP_BUSY = 12,
    /**
     * The session or pool is closed; detail says how. Nothing was sent: get the session again. Except with
     * AIP_DETAIL_DRAIN_LIMIT: then the request was under way, and delivery says how far.
     */
    AIP_CLOSED = 13,
    /**
     * A time limit ran out; detail says which, phase where.
     */
    AIP_TIMEOUT = 20,
    /**
     * The request's cancel handle was fired.
     */
    AIP_CANCELLED = 21,
    /**
     * A signal handler of the host ran during a wait with AIP_REQUEST_INTERRUPTIBLE.
     */
    AIP_INTERRUPTED = 22,
    /**
     * A bound of the library is reached, such as a million live handles.
     */
    AIP_LIMIT = 23,
    /**
     * The host name does not resolve.
     */
    AIP_DNS = 30,
    /**
     * No connection: refused, unreachable.
     */
    AIP_CONNECT = 31,
    /**
     * No secure connection: untrusted, expired or wrong certificate.
     */
    AIP_TLS = 32,
    /**
     * The server broke the protocol.
     */
    AIP_PROTOCOL = 33,
    /**
     * The connection broke before a response.
     */
    AIP_RESET = 34,
    /**
     * The body cannot be decoded.
     */
    AIP_BODY = 35,
    /**
     * The body is larger than max_body_bytes; the response holds what fitted.
     */
    AIP_TOO_LARGE = 36,
    /**
     * The body ended early; the response holds what came.
     */
    AIP_TRUNCATED = 37,
    /**
     * This library cannot do that; a newer one may.
     */
    AIP_UNSUPPORTED = 40,
    /**
     * A client lacks what it needs; the message names the option and its environment variable.
     */
    AIP_NOT_CONFIGURED = 41,
    /**
     * The provider does not accept the credential. With a response.
     */
    AIP_AUTH = 50,
    /**
     * Too many requests, or too many at once; retry_after_ms says how long to wait. With a response.
     */
    AIP_RATE_LIMITED = 51,
    /**
     * A quota or a balance is used up; no waiting mends that. With a response.
     */
    AIP_QUOTA = 52,
    /**
     * The provider refused, or failed; detail says how. With a response where there was one.
     */
    AIP_PROVIDER = 53,
    /**
     * The operating system refused; os_error holds its number.
     */
    AIP_SYSTEM = 60,
    /**
     * A bug in this library; please report it. The process goes on.
     */
    AIP_PANIC = 61,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum aip_status aip_status;
#else
typedef int32_t aip_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What within the class.
 */
enum aip_detail
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Nothing more to say.
     */
    AIP_DETAIL_NONE = 0,
    /**
     * CLOSED: the pool was full and gave this session up.
     */
    AIP_DETAIL_EVICTED = 1,
    /**
     * CLOSED: somebody closed this session.
     */
    AIP_DETAIL_SESSION_CLOSED = 2,
    /**
     * CLOSED: the pool was freed or closed.
     */
    AIP_DETAIL_POOL_CLOSED = 3,
    /**
     * CLOSED: the queue was closed.
     */
    AIP_DETAIL_QUEUE_CLOSED = 4,
    /**
     * TIMEOUT: timeout_ms.
     */
    AIP_DETAIL_TOTAL_LIMIT = 10,
    /**
     * TIMEOUT: connect_timeout_ms.
     */
    AIP_DETAIL_CONNECT_LIMIT = 11,
    /**
     * TIMEOUT or CLOSED: drain_ms of aip_pool_close_all().
     */
    AIP_DETAIL_DRAIN_LIMIT = 12,
    /**
     * TIMEOUT: queue_timeout_ms, as all connections allowed were in use; the message counts them.
     */
    AIP_DETAIL_QUEUE_LIMIT = 13,
    /**
     * TIMEOUT: dns_timeout_ms.
     */
    AIP_DETAIL_DNS_LIMIT = 14,
    /**
     * TIMEOUT: tls_timeout_ms.
     */
    AIP_DETAIL_TLS_LIMIT = 15,
    /**
     * TIMEOUT: send_timeout_ms.
     */
    AIP_DETAIL_SEND_LIMIT = 16,
    /**
     * TIMEOUT: first_byte_timeout_ms.
     */
    AIP_DETAIL_FIRST_BYTE_LIMIT = 17,
    /**
     * TIMEOUT: between_bytes_timeout_ms.
     */
    AIP_DETAIL_BETWEEN_BYTES_LIMIT = 18,
    /**
     * TIMEOUT: first_event_timeout_ms.
     */
    AIP_DETAIL_FIRST_EVENT_LIMIT = 19,
    /**
     * LIMIT: as many requests as allowed wait for a connection already; the message counts them.
     */
    AIP_DETAIL_QUEUE_FULL = 20,
    /**
     * TIMEOUT: between_events_timeout_ms.
     */
    AIP_DETAIL_BETWEEN_EVENTS_LIMIT = 21,
    /**
     * TIMEOUT: the call's own timeout_ms; what it waited for goes on.
     */
    AIP_DETAIL_WAIT_LIMIT = 22,
    /**
     * It happened at the proxy, on the way to the server.
     */
    AIP_DETAIL_PROXY = 30,
    /**
     * TLS: the certificate's issuer is not trusted.
     */
    AIP_DETAIL_UNTRUSTED_ISSUER = 40,
    /**
     * TLS: the certificate is for another host name.
     */
    AIP_DETAIL_WRONG_HOST = 41,
    /**
     * TLS: the certificate has expired, or is not valid yet.
     */
    AIP_DETAIL_EXPIRED = 42,
    /**
     * TLS: the chain holds none of the pinned keys.
     */
    AIP_DETAIL_WRONG_PIN = 43,
    /**
     * TLS: the server wants a client certificate, or refused the one it got.
     */
    AIP_DETAIL_CLIENT_CERTIFICATE = 44,
    /**
     * TOO_LARGE: decoded, the body is far larger than what was sent.
     */
    AIP_DETAIL_BOMB = 50,
    /**
     * PROTOCOL: a redirect too many, or one that leads nowhere.
     */
    AIP_DETAIL_REDIRECT = 51,
    /**
     * PROVIDER: the request is wrong; the response says what.
     */
    AIP_DETAIL_BAD_REQUEST = 60,
    /**
     * PROVIDER: this credential may not do that.
     */
    AIP_DETAIL_PERMISSION = 61,
    /**
     * PROVIDER: no such model, file, operation or address.
     */
    AIP_DETAIL_NOT_FOUND = 62,
    /**
     * PROVIDER: the prompt is longer than the model takes.
     */
    AIP_DETAIL_CONTEXT_OVERFLOW = 63,
    /**
     * PROVIDER: refused by the provider's filter.
     */
    AIP_DETAIL_CONTENT_FILTER = 64,
    /**
     * PROVIDER: the provider failed.
     */
    AIP_DETAIL_SERVER_ERROR = 65,
    /**
     * PROVIDER: the provider has no room now.
     */
    AIP_DETAIL_OVERLOADED = 66,
    /**
     * RATE_LIMITED: as many requests at once as the provider allows.
     */
    AIP_DETAIL_CONCURRENCY = 67,
    /**
     * PROVIDER: not sent, for the requests before it all failed.
     */
    AIP_DETAIL_CIRCUIT_OPEN = 68,
    /**
     * PROVIDER: the answer is HTML, JSON that is cut, or of another content type than its format has.
     */
    AIP_DETAIL_NOT_JSON = 69,
    /**
     * PROVIDER: tools were called again and again and led nowhere.
     */
    AIP_DETAIL_TOOL_LOOP = 70,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum aip_detail aip_detail;
#else
typedef int32_t aip_detail;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Where in the life of a request it happened.
 */
enum aip_phase
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Before anything was begun.
     */
    AIP_PHASE_NONE = 0,
    /**
     * Waiting for a connection, as all allowed are in use.
     */
    AIP_PHASE_QUEUE = 1,
    /**
     * Looking up the host name.
     */
    AIP_PHASE_DNS = 2,
    /**
     * TCP, and the proxy's part where there is one.
     */
    AIP_PHASE_CONNECT = 3,
    /**
     * The TLS handshake.
     */
    AIP_PHASE_TLS = 4,
    /**
     * Sending the request.
     */
    AIP_PHASE_SEND = 5,
    /**
     * Waiting for the response's head.
     */
    AIP_PHASE_FIRST_BYTE = 6,
    /**
     * Reading the response's body.
     */
    AIP_PHASE_BODY = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum aip_phase aip_phase;
#else
typedef int32_t aip_phase;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Whether the server can have seen the request: an AI service may have billed it.
 */
enum aip_delivery
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Not one byte of it left, or by the protocol the server did not work on it.
     */
    AIP_NOT_SENT = 0,
    /**
     * It may have arrived.
     */
    AIP_MAYBE_SENT = 1,
    /**
     * The response had begun.
     */
    AIP_RESPONSE_STARTED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum aip_delivery aip_delivery;
#else
typedef int32_t aip_delivery;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Ends requests from another thread or a signal handler.
 */
typedef struct aip_cancel aip_cancel;

/**
 * A client of one AI provider.
 */
typedef struct aip_client aip_client;

/**
 * A pool of sessions keyed by base URL.
 */
typedef struct aip_pool aip_pool;

/**
 * Where submitted requests tell what became of them.
 */
typedef struct aip_queue aip_queue;

/**
 * A response: whole, or with AIP_REQUEST_STREAM a stream whose body is read while it comes.
 */
typedef struct aip_response aip_response;

/**
 * A handle of yours to a shared session: a base URL and warm connections.
 */
typedef struct aip_session aip_session;

/**
 * A request's body that you push while it goes out.
 */
typedef struct aip_upload aip_upload;

/**
 * What this process has of the library: live handles by kind, and how I/O was driven.
 */
typedef struct aip_library_stats {
    /**
     * Live pool handles.
     */
    uint64_t pools;
    /**
     * Live session handles, leases included.
     */
    uint64_t sessions;
    /**
     * Live response handles.
     */
    uint64_t responses;
    /**
     * Live cancel handles.
     */
    uint64_t cancels;
    /**
     * Guard threads alive: one a pool, and one more with sessions over reqwest, until the last request has ended.
     */
    uint64_t guards;
    /**
     * Times a waiting thread had to take the driving over from a guard.
     */
    uint64_t hand_offs;
    /**
     * Times a guard began to drive.
     */
    uint64_t guard_drives;
    /**
     * Times a guard woke only to see who drives.
     */
    uint64_t guard_looks;
    /**
     * Live queue handles.
     */
    uint64_t queues;
    /**
     * Live upload handles.
     */
    uint64_t uploads;
    /**
     * Live client handles.
     */
    uint64_t clients;
} aip_library_stats;

/**
 * How a pool is made. Call aip_pool_options_init() first; every 0 is the default.
 */
typedef struct aip_pool_options {
    /**
     * sizeof(aip_pool_options); set by aip_pool_options_init().
     */
    size_t size;
    /**
     * Sessions kept, 1 to 1000000; 0 is 10. AIP_OFF: every get is a session of its own. AIP_UNLIMITED: no eviction.
     */
    int64_t max_size;
    /**
     * Milliseconds from a request's start to the end of its body; 0 is 60000. AIP_OFF: no limit.
     */
    int64_t timeout_ms;
    /**
     * Milliseconds for name, TCP, proxy and TLS of a new connection together; 0 is 10000. AIP_OFF: no limit.
     */
    int64_t connect_timeout_ms;
    /**
     * Most bytes of a buffered, decoded body; 0 is 67108864 (64 MiB). AIP_UNLIMITED: no limit.
     */
    int64_t max_body_bytes;
    /**
     * Whom a full pool gives up: AIP_EVICT_LRU (also 0) or AIP_EVICT_FIFO.
     */
    uint32_t eviction;
    /**
     * 0: the threads that wait drive the I/O, on one core at a time. 1 to 256: that many threads of the library's own do.
     */
    uint32_t threads;
    /**
     * Milliseconds that a request waits for a connection while all allowed are in use; 0 is 30000. AIP_OFF: no limit.
     */
    int64_t queue_timeout_ms;
    /**
     * Milliseconds for a name look-up; 0 is 5000. AIP_OFF: no limit.
     */
    int64_t dns_timeout_ms;
    /**
     * Milliseconds for a TLS handshake; 0 is 5000. AIP_OFF: no limit.
     */
    int64_t tls_timeout_ms;
    /**
     * Milliseconds without one more byte of a large request going out; 0 is 30000. AIP_OFF: no limit.
     */
    int64_t send_timeout_ms;
    /**
     * Milliseconds from a request's last byte to the response's head; 0 and AIP_OFF: no limit but timeout_ms.
     */
    int64_t first_byte_timeout_ms;
    /**
     * Milliseconds without one more byte of the body; 0 and AIP_OFF: no limit but timeout_ms.
     */
    int64_t between_bytes_timeout_ms;
    /**
     * Connections to one origin, 1 to 100000; 0 is 64. AIP_UNLIMITED.
     */
    int64_t max_connections_per_origin;
    /**
     * Connections of the pool, 1 to 1000000; 0 is 512. AIP_UNLIMITED.
     */
    int64_t max_connections;
    /**
     * Requests that may wait for a connection to one origin, 1 to 1000000; 0 is 10000. AIP_UNLIMITED.
     */
    int64_t max_queue;
    /**
     * Milliseconds after which an idle connection closes; 0 is 50000, AIP_OFF 30 days. Servers that say less are believed.
     */
    int64_t idle_timeout_ms;
    /**
     * Milliseconds after which a connection is replaced, give or take 15 %; 0 is 600000. AIP_OFF: never.
     */
    int64_t max_lifetime_ms;
    /**
     * Milliseconds from the going out of a stream's request to its first data event; 0 and AIP_OFF: no limit.
     */
    int64_t first_event_timeout_ms;
    /**
     * Milliseconds without one more data event of a stream, comments and pings not counted; 0 and AIP_OFF: no limit.
     */
    int64_t between_events_timeout_ms;
} aip_pool_options;

/**
 * What went wrong. Allocated by the caller (256 bytes, for ever), may be NULL, written on failure only.
 * The message is UTF-8, NUL-terminated, and never holds a header value, a body, a key or a token.
 */
typedef struct aip_error {
    /**
     * One of aip_status.
     */
    int32_t status;
    /**
     * One of aip_detail.
     */
    int32_t detail;
    /**
     * One of aip_phase.
     */
    int32_t phase;
    /**
     * One of aip_delivery.
     */
    int32_t delivery;
    /**
     * The response's status, 0 where none came.
     */
    int32_t http_status;
    /**
     * The operating system's error number, 0 where it has no part in this.
     */
    int32_t os_error;
    /**
     * Milliseconds from the call to the failure.
     */
    uint32_t elapsed_ms;
    /**
     * AIP_ERROR_* bits.
     */
    uint32_t flags;
    /**
     * Milliseconds the server wants to be left alone; 0 where it did not say.
     */
    uint32_t retry_after_ms;
    /**
     * Zero.
     */
    uint32_t reserved[7];
    /**
     * What happened, which field, and the mend.
     */
    char message[192];
} aip_error;

/**
 * What a session is asked for with. Call aip_session_options_init() first; every 0 is the default.
 * `ca_*`, `http_version`, `transport` and all from `trust` on shape connections: they are the session's identity. Another
 * `partition` is another session. Headers, limits, `max_redirects` and `max_retries` belong to the handle and may differ
 * from handle to handle.
 */
typedef struct aip_session_options {
    /**
     * sizeof(aip_session_options); set by aip_session_options_init().
     */
    size_t size;
    /**
     * Another partition is another session under the same key. UTF-8.
     */
    const char *partition;
    /**
     * Bytes of `partition`, or AIP_NUL_TERMINATED.
     */
    size_t partition_len;
    /**
     * A file of certificates, PEM or DER, trusted as `trust` says. UTF-8 path.
     */
    const char *ca_file;
    /**
     * Bytes of `ca_file`, or AIP_NUL_TERMINATED.
     */
    size_t ca_file_len;
    /**
     * Certificates, PEM or DER, trusted as `trust` says.
     */
    const uint8_t *ca_bytes;
    /**
     * Bytes of `ca_bytes`.
     */
    size_t ca_bytes_len;
    /**
     * Headers sent with every request that does not carry the same name, packed: name NUL value NUL name NUL value NUL.
     */
    const char *headers;
    /**
     * Bytes of `headers`.
     */
    size_t headers_len;
    /**
     * As in aip_pool_options, for requests of this handle; 0 is the pool's.
     */
    int64_t timeout_ms;
    /**
     * As in aip_pool_options, for requests of this handle; 0 is the pool's.
     */
    int64_t connect_timeout_ms;
    /**
     * As in aip_pool_options, for requests of this handle; 0 is the pool's.
     */
    int64_t max_body_bytes;
    /**
     * AIP_HTTP_AUTO, AIP_HTTP_1 or AIP_HTTP_2.
     */
    uint32_t http_version;
    /**
     * AIP_TRANSPORT_ENGINE or AIP_TRANSPORT_REQWEST.
     */
    uint32_t transport;
    /**
     * As in aip_pool_options, for requests of this handle; 0 is the pool's.
     */
    int64_t queue_timeout_ms;
    /**
     * As in aip_pool_options, for requests of this handle; 0 is the pool's.
     */
    int64_t dns_timeout_ms;
    /**
     * As in aip_pool_options, for requests of this handle; 0 is the pool's.
     */
    int64_t tls_timeout_ms;
    /**
     * As in aip_pool_options, for requests of this handle; 0 is the pool's.
     */
    int64_t send_timeout_ms;
    /**
     * As in aip_pool_options, for requests of this handle; 0 is the pool's.
     */
    int64_t first_byte_timeout_ms;
    /**
     * As in aip_pool_options, for requests of this handle; 0 is the pool's.
     */
    int64_t between_bytes_timeout_ms;
    /**
     * Redirects followed, up to 30; 0 and AIP_OFF: none. Credentials never cross an origin.
     */
    int64_t max_redirects;
    /**
     * Further attempts, up to 10: after failures where nothing was sent; after a broken connection where the request may
     * be sent twice (see AIP_REQUEST_MAY_REPEAT); after 429, 503, 529 and what the server marks with x-should-retry, not
     * before its Retry-After. 0 and AIP_OFF: none. All within timeout_ms.
     */
    int64_t max_retries;
    /**
     * Whom the session trusts: AIP_TRUST_SYSTEM_AND_GIVEN, AIP_TRUST_GIVEN_ONLY or AIP_TRUST_ANYBODY.
     */
    uint32_t trust;
    /**
     * AIP_TLS_1_2 or AIP_TLS_1_3.
     */
    uint32_t min_tls;
    /**
     * The client's certificate chain, a PEM file, for servers that ask for one. UTF-8 path.
     */
    const char *client_cert_file;
    /**
     * Bytes of `client_cert_file`, or AIP_NUL_TERMINATED.
     */
    size_t client_cert_file_len;
    /**
     * The same as PEM bytes.
     */
    const uint8_t *client_cert_bytes;
    /**
     * Bytes of `client_cert_bytes`.
     */
    size_t client_cert_bytes_len;
    /**
     * The chain's key, a PEM file without a password. UTF-8 path.
     */
    const char *client_key_file;
    /**
     * Bytes of `client_key_file`, or AIP_NUL_TERMINATED.
     */
    size_t client_key_file_len;
    /**
     * The same as PEM bytes.
     */
    const uint8_t *client_key_bytes;
    /**
     * Bytes of `client_key_bytes`.
     */
    size_t client_key_bytes_len;
    /**
     * The name asked for (SNI) and verified in place of the URL's host.
     */
    const char *server_name;
    /**
     * Bytes of `server_name`, or AIP_NUL_TERMINATED.
     */
    size_t server_name_len;
    /**
     * SHA-256 hashes of public keys (SPKI), 32 bytes each: the server's chain must hold one of them.
     */
    const uint8_t *pins;
    /**
     * Bytes of `pins`: a multiple of 32.
     */
    size_t pins_len;
    /**
     * A file that TLS session secrets are appended to, for a packet capture. UTF-8 path.
     */
    const char *key_log_file;
    /**
     * Bytes of `key_log_file`, or AIP_NUL_TERMINATED.
     */
    size_t key_log_file_len;
    /**
     * A proxy: http://, https://, socks5:// or socks5h://, with user and password where it wants them. Set, it is used
     * whatever `proxy_mode` says.
     */
    const char *proxy;
    /**
     * Bytes of `proxy`, or AIP_NUL_TERMINATED.
     */
    size_t proxy_len;
    /**
     * Hosts that `proxy` is not used for, as in no_proxy: names, .suffixes, addresses, CIDR, separated by commas.
     */
    const char *no_proxy;
    /**
     * Bytes of `no_proxy`, or AIP_NUL_TERMINATED.
     */
    size_t no_proxy_len;
    /**
     * Connections go to this unix socket, whatever the URL's host is. UTF-8 path.
     */
    const char *unix_socket;
    /**
     * Bytes of `unix_socket`, or AIP_NUL_TERMINATED.
     */
    size_t unix_socket_len;
    /**
     * Addresses of host names that are not to be looked up: "host=address,address host=address".
     */
    const char *resolve;
    /**
     * Bytes of `resolve`, or AIP_NUL_TERMINATED.
     */
    size_t resolve_len;
    /**
     * The address connections come from.
     */
    const char *local_address;
    /**
     * Bytes of `local_address`, or AIP_NUL_TERMINATED.
     */
    size_t local_address_len;
    /**
     * Silent milliseconds before TCP keep-alive probes, 1000 at the least; 0 is 30000. AIP_OFF: no probes.
     */
    int64_t keepalive_ms;
    /**
     * Bytes of one HTTP/2 stream that may wait unread, 1024 to 16777216; 0 is 65536, AIP_UNLIMITED the most. More for
     * large downloads over long ways. What a hundred streams may hold is a hundred times that.
     */
    int64_t stream_window_bytes;
    /**
     * AIP_PROXY_ENVIRONMENT or AIP_PROXY_OFF.
     */
    uint32_t proxy_mode;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * As in aip_pool_options, for requests of this handle; 0 is the pool's.
     */
    int64_t first_event_timeout_ms;
    /**
     * As in aip_pool_options, for requests of this handle; 0 is the pool's.
     */
    int64_t between_events_timeout_ms;
} aip_session_options;

/**
 * One header.
 */
typedef struct aip_header {
    /**
     * A token (RFC 9110, 5.6.2), any case.
     */
    const char *name;
    /**
     * Bytes of `name`, or AIP_NUL_TERMINATED.
     */
    size_t name_len;
    /**
     * Bytes without CR, LF and NUL.
     */
    const char *value;
    /**
     * Bytes of `value`, or AIP_NUL_TERMINATED.
     */
    size_t value_len;
    /**
     * Zero.
     */
    uint64_t reserved[2];
} aip_header;

/**
 * One request. Call aip_request_init() first; every 0 is the default. Everything is copied before the call that takes it
 * sends anything, so all of it may be freed or reused when that call returns.
 */
typedef struct aip_request {
    /**
     * sizeof(aip_request); set by aip_request_init().
     */
    size_t size;
    /**
     * A token; NULL is GET.
     */
    const char *method;
    /**
     * Bytes of `method`, or AIP_NUL_TERMINATED.
     */
    size_t method_len;
    /**
     * An absolute http or https URL, or a path that is appended to the session's base URL ("chat", "/chat", "?q=1";
     * NULL is the base itself). No user name or password in it.
     */
    const char *url;
    /**
     * Bytes of `url`, or AIP_NUL_TERMINATED.
     */
    size_t url_len;
    /**
     * Headers; names may repeat, and repeated ones keep their order.
     */
    const struct aip_header *headers;
    /**
     * How many `headers` there are.
     */
    size_t header_count;
    /**
     * More headers, packed: name NUL value NUL name NUL value NUL.
     */
    const char *packed_headers;
    /**
     * Bytes of `packed_headers`.
     */
    size_t packed_headers_len;
    /**
     * The body.
     */
    const uint8_t *body;
    /**
     * Bytes of `body`.
     */
    size_t body_len;
    /**
     * Ends the call from another thread or a signal handler; NULL is none.
     */
    struct aip_cancel *cancel;
    /**
     * As in aip_pool_options, for this request; 0 is the handle's.
     */
    int64_t timeout_ms;
    /**
     * As in aip_pool_options, for this request; 0 is the handle's.
     */
    int64_t connect_timeout_ms;
    /**
     * As in aip_pool_options, for this request; 0 is the handle's.
     */
    int64_t max_body_bytes;
    /**
     * AIP_REQUEST_* bits.
     */
    uint32_t flags;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * As in aip_pool_options, for this request; 0 is the handle's.
     */
    int64_t queue_timeout_ms;
    /**
     * As in aip_pool_options, for this request; 0 is the handle's.
     */
    int64_t dns_timeout_ms;
    /**
     * As in aip_pool_options, for this request; 0 is the handle's.
     */
    int64_t tls_timeout_ms;
    /**
     * As in aip_pool_options, for this request; 0 is the handle's.
     */
    int64_t send_timeout_ms;
    /**
     * As in aip_pool_options, for this request; 0 is the handle's.
     */
    int64_t first_byte_timeout_ms;
    /**
     * As in aip_pool_options, for this request; 0 is the handle's.
     */
    int64_t between_bytes_timeout_ms;
    /**
     * As in aip_session_options, for this request; 0 is the handle's, AIP_OFF none.
     */
    int64_t max_redirects;
    /**
     * As in aip_session_options, for this request; 0 is the handle's, AIP_OFF none.
     */
    int64_t max_retries;
    /**
     * As in aip_pool_options, for this request; 0 is the handle's.
     */
    int64_t first_event_timeout_ms;
    /**
     * As in aip_pool_options, for this request; 0 is the handle's.
     */
    int64_t between_events_timeout_ms;
    /**
     * The body, pushed with aip_upload_write() while it goes out, in place of `body`; NULL is none. It serves one request.
     */
    struct aip_upload *upload;
    /**
     * How aip_response_next_event() reads the body: AIP_EVENTS_SSE or AIP_EVENTS_NDJSON; 0 is by the content-type.
     */
    uint32_t event_format;
    /**
     * Zero.
     */
    uint32_t reserved2;
    /**
     * Most bytes of one event; 0 is 8388608 (8 MiB). AIP_UNLIMITED.
     */
    int64_t max_event_bytes;
    /**
     * The data of the event that ends a stream, such as `[DONE]`: one that ends without it is AIP_TRUNCATED for
     * aip_response_next_event(), and an event whose last blank line is missing counts. NULL is none.
     */
    const char *end_marker;
    /**
     * Bytes of `end_marker`, or AIP_NUL_TERMINATED.
     */
    size_t end_marker_len;
} aip_request;

/**
 * A pool's state and counters since it was made. What is said of connections is of the pool's own, not of reqwest's, but for
 * `connections_opened` and `requests_reused`.
 */
typedef struct aip_pool_stats {
    /**
     * Sessions in the pool now.
     */
    uint64_t sessions;
    /**
     * Of these, held by leases.
     */
    uint64_t leased;
    /**
     * How many sessions are beyond max_size because all are leased.
     */
    uint64_t over_limit;
    /**
     * Requests under way now.
     */
    uint64_t in_flight;
    /**
     * Sessions ever made.
     */
    uint64_t sessions_created;
    /**
     * Sessions given up because the pool was full.
     */
    uint64_t evictions;
    /**
     * Requests begun.
     */
    uint64_t requests;
    /**
     * Requests that ended without a whole response.
     */
    uint64_t failures;
    /**
     * Connections opened.
     */
    uint64_t connections_opened;
    /**
     * Requests answered over a connection that was open already.
     */
    uint64_t requests_reused;
    /**
     * Connections that stand now: opened, and not closed yet.
     */
    uint64_t connections_open;
    /**
     * Of these, idle.
     */
    uint64_t connections_idle;
    /**
     * Of these, with a request under way.
     */
    uint64_t connections_in_use;
    /**
     * Of these, to servers whose certificate nobody checked (AIP_TRUST_ANYBODY).
     */
    uint64_t connections_insecure;
    /**
     * Connections being opened now.
     */
    uint64_t connections_dialing;
    /**
     * Requests waiting for a connection now.
     */
    uint64_t waiting;
    /**
     * Connections that were wanted and could not be opened.
     */
    uint64_t connects_failed;
    /**
     * TLS handshakes in full.
     */
    uint64_t handshakes_full;
    /**
     * TLS handshakes shortened by a ticket of an earlier connection.
     */
    uint64_t handshakes_resumed;
    /**
     * Times a connection was taken again.
     */
    uint64_t connections_reused;
    /**
     * Times a request waited for a connection, be it opened for it or given back by another.
     */
    uint64_t waits;
    /**
     * Microseconds of all these waits together.
     */
    uint64_t waits_us;
    /**
     * Connections closed, by AIP_CLOSED_*; the last places are yet unused.
     */
    uint64_t closed[16];
} aip_pool_stats;

/**
 * A session's state and counters since it was made.
 */
typedef struct aip_session_stats {
    /**
     * Requests under way now.
     */
    uint64_t in_flight;
    /**
     * Live leases.
     */
    uint64_t leases;
    /**
     * Requests begun.
     */
    uint64_t requests;
    /**
     * Requests that ended without a whole response.
     */
    uint64_t failures;
    /**
     * Connections opened.
     */
    uint64_t connections_opened;
    /**
     * Requests answered over a connection that was open already.
     */
    uint64_t requests_reused;
} aip_session_stats;

/**
 * How a response came.
 */
typedef struct aip_response_info {
    /**
     * 10, 11 or 20: HTTP/1.0, 1.1, 2.
     */
    uint32_t http_version;
    /**
     * 1 when another request, or aip_session_warm(), had used its connection before; else 0.
     */
    uint32_t reused;
    /**
     * Bytes of the decoded body; of a stream, those that have come so far.
     */
    uint64_t body_bytes;
    /**
     * Microseconds from the call to the response's head.
     */
    uint64_t first_byte_us;
    /**
     * Microseconds from the call to the end of the body; 0 for a stream.
     */
    uint64_t total_us;
    /**
     * The server's address and port as text, NUL-terminated; empty when unknown.
     */
    char remote_address[64];
    /**
     * Names the connection in its pool, as events do; 0 over reqwest.
     */
    uint64_t connection_id;
    /**
     * How often the request went out.
     */
    uint32_t attempts;
    /**
     * Redirects followed.
     */
    uint32_t redirects;
    /**
     * AIP_TLS_NONE, AIP_TLS_FULL or AIP_TLS_RESUMED; AIP_TLS_NONE over reqwest.
     */
    uint32_t tls;
    /**
     * 1 when nobody checked the server's certificate (AIP_TRUST_ANYBODY).
     */
    uint32_t insecure;
    /**
     * Microseconds of waiting for a connection, the dial's own time left out.
     */
    uint64_t queue_us;
    /**
     * Microseconds of name look-up, where a connection was opened for this request; likewise the next two.
     */
    uint64_t dns_us;
    /**
     * Microseconds of TCP and proxy.
     */
    uint64_t connect_us;
    /**
     * Microseconds of the TLS handshake.
     */
    uint64_t tls_us;
} aip_response_info;

/**
 * One event of a stream: borrowed until the next call that reads from the response, or frees it; not NUL-terminated.
 */
typedef struct aip_stream_event {
    /**
     * The data lines, joined by newlines; for NDJSON the line. UTF-8, what is not is replaced by U+FFFD. May hold NULs.
     */
    const char *data;
    /**
     * Bytes of `data`.
     */
    size_t data_len;
    /**
     * The type; empty where none was given, which means "message". Empty for NDJSON.
     */
    const char *name;
    /**
     * Bytes of `name`.
     */
    size_t name_len;
    /**
     * The last event ID, of this event or an earlier one. Empty for NDJSON.
     */
    const char *id;
    /**
     * Bytes of `id`.
     */
    size_t id_len;
    /**
     * With AIP_EVENT_RETRY the milliseconds this event sets as reconnection time.
     */
    uint64_t retry_ms;
    /**
     * AIP_EVENT_* bits.
     */
    uint32_t flags;
    /**
     * Zero.
     */
    uint32_t reserved;
} aip_stream_event;

/**
 * One thing that happened to a submitted request.
 */
typedef struct aip_completion {
    /**
     * What you submitted it with.
     */
    uint64_t tag;
    /**
     * AIP_COMPLETION_*.
     */
    uint32_t kind;
    /**
     * With AIP_COMPLETION_DONE the request's status; else AIP_OK.
     */
    int32_t status;
    /**
     * Yours until aip_response_free(): with AIP_COMPLETION_HEAD, and with AIP_COMPLETION_DONE where there is an answer that is no
     * stream: a whole response, or a provider's refusal; of a call of several requests that may follow a head. Else NULL.
     */
    struct aip_response *response;
    /**
     * Zero.
     */
    uint64_t reserved[5];
    /**
     * Written where `status` is not AIP_OK.
     */
    struct aip_error error;
} aip_completion;

/**
 * What a client is made with. Call aip_client_options_init() first; every 0 and NULL is the default. Texts are UTF-8; each
 * length is in bytes, or AIP_NUL_TERMINATED. Everything is copied; credentials are wiped when the client is freed and its
 * last call has ended.
 */
typedef struct aip_client_options {
    /**
     * sizeof(aip_client_options); set by aip_client_options_init().
     */
    size_t size;
    /**
     * AIP_CLIENT_OPENAI ...
     */
    uint32_t kind;
    /**
     * AIP_CLIENT_* bits.
     */
    uint32_t flags;
    /**
     * The provider's base URL, which is the pool's key; NULL is the provider's own.
     */
    const char *base_url;
    /**
     * Bytes of `base_url`, or AIP_NUL_TERMINATED.
     */
    size_t base_url_len;
    /**
     * Where tokens are had; NULL is the provider's own.
     */
    const char *auth_url;
    /**
     * Bytes of `auth_url`, or AIP_NUL_TERMINATED.
     */
    size_t auth_url_len;
    /**
     * OpenAI's key; GigaChat's authorization key (base64 of id:secret); Yandex's API key; Naparnik's token.
     */
    const char *api_key;
    /**
     * Bytes of `api_key`, or AIP_NUL_TERMINATED.
     */
    size_t api_key_len;
    /**
     * A token that is used as it is: of GigaChat, or Yandex's IAM.
     */
    const char *access_token;
    /**
     * Bytes of `access_token`, or AIP_NUL_TERMINATED.
     */
    size_t access_token_len;
    /**
     * GigaChat: a user, in place of a key.
     */
    const char *user;
    /**
     * Bytes of `user`, or AIP_NUL_TERMINATED.
     */
    size_t user_len;
    /**
     * The user's password.
     */
    const char *password;
    /**
     * Bytes of `password`, or AIP_NUL_TERMINATED.
     */
    size_t password_len;
    /**
     * GigaChat: an id, with `client_secret` in place of their base64 in `api_key`.
     */
    const char *client_id;
    /**
     * Bytes of `client_id`, or AIP_NUL_TERMINATED.
     */
    size_t client_id_len;
    /**
     * The secret of `client_id`.
     */
    const char *client_secret;
    /**
     * Bytes of `client_secret`, or AIP_NUL_TERMINATED.
     */
    size_t client_secret_len;
    /**
     * Yandex: an OAuth token, exchanged for IAM tokens.
     */
    const char *oauth_token;
    /**
     * Bytes of `oauth_token`, or AIP_NUL_TERMINATED.
     */
    size_t oauth_token_len;
    /**
     * GigaChat: GIGACHAT_API_PERS (the default), GIGACHAT_API_B2B or GIGACHAT_API_CORP.
     */
    const char *scope;
    /**
     * Bytes of `scope`, or AIP_NUL_TERMINATED.
     */
    size_t scope_len;
    /**
     * Yandex's folder; OpenAI's project.
     */
    const char *folder;
    /**
     * Bytes of `folder`, or AIP_NUL_TERMINATED.
     */
    size_t folder_len;
    /**
     * OpenAI's organization.
     */
    const char *organization;
    /**
     * Bytes of `organization`, or AIP_NUL_TERMINATED.
     */
    size_t organization_len;
    /**
     * The model where a call names none; NULL is the provider's usual one, where it has one.
     */
    const char *model;
    /**
     * Bytes of `model`, or AIP_NUL_TERMINATED.
     */
    size_t model_len;
    /**
     * The same for embeddings.
     */
    const char *embedding_model;
    /**
     * Bytes of `embedding_model`, or AIP_NUL_TERMINATED.
     */
    size_t embedding_model_len;
    /**
     * GigaChat's X-Session-ID: what it has computed of a prompt is found again.
     */
    const char *affinity;
    /**
     * Bytes of `affinity`, or AIP_NUL_TERMINATED.
     */
    size_t affinity_len;
    /**
     * Connections, TLS (the Russian root goes into its `ca_file` or `ca_bytes`), limits and headers of all calls; NULL is the
     * defaults. Its limits go over the provider's usual ones, and a call's over both.
     */
    const struct aip_session_options *session;
    /**
     * Requests at once to this host by this credential, in the whole process, each to the end of its body, 1 to 100000; 0 is what
     * the provider is known to allow. AIP_UNLIMITED.
     */
    int64_t max_concurrency;
    /**
     * Further attempts, up to 10, before the first byte of an answer; 0 is 2. AIP_OFF: none but those a server
     * cannot have seen, and one with a new token.
     */
    int64_t max_retries;
    /**
     * So many failures in a row, and calls fail at once for a while; 0 is 5. AIP_OFF: never.
     */
    int64_t breaker_failures;
    /**
     * AIP_OFF: rates that the provider tells are not kept to. 0: they are.
     */
    int64_t pacing;
    /**
     * Yandex: where operations are asked about; NULL is the provider's own.
     */
    const char *operations_url;
    /**
     * Bytes of `operations_url`, or AIP_NUL_TERMINATED.
     */
    size_t operations_url_len;
    /**
     * Yandex: milliseconds between two questions about an operation; 0 is 10000.
     */
    int64_t poll_interval_ms;
    /**
     * GigaChat: 1, or 2 for the chat of `/v2`; 0 is that of the base URL.
     */
    uint32_t api_version;
    /**
     * Zero.
     */
    uint32_t reserved;
} aip_client_options;

/**
 * One message of a talk. Zero all of it first.
 */
typedef struct aip_message {
    /**
     * AIP_ROLE_*.
     */
    uint32_t role;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * What is said; a tool's result is mostly JSON.
     */
    const char *content;
    /**
     * Bytes of `content`, or AIP_NUL_TERMINATED.
     */
    size_t content_len;
    /**
     * Of a tool's result: the tool's name.
     */
    const char *name;
    /**
     * Bytes of `name`, or AIP_NUL_TERMINATED.
     */
    size_t name_len;
    /**
     * Of a tool's result: the id of the call it answers; NULL where the provider has no ids.
     */
    const char *call_id;
    /**
     * Bytes of `call_id`, or AIP_NUL_TERMINATED.
     */
    size_t call_id_len;
    /**
     * Of an assistant's message: aip_reply.tool_calls of that answer.
     */
    const char *tool_calls;
    /**
     * Bytes of `tool_calls`, or AIP_NUL_TERMINATED.
     */
    size_t tool_calls_len;
    /**
     * Of an assistant's message: aip_reply.state of that answer.
     */
    const char *state;
    /**
     * Bytes of `state`, or AIP_NUL_TERMINATED.
     */
    size_t state_len;
    /**
     * The whole message as JSON in the provider's own words, in place of all that.
     */
    const char *raw;
    /**
     * Bytes of `raw`, or AIP_NUL_TERMINATED.
     */
    size_t raw_len;
    /**
     * Zero.
     */
    uint64_t reserved2[3];
} aip_message;

/**
 * A text in a list.
 */
typedef struct aip_text {
    /**
     * UTF-8.
     */
    const char *data;
    /**
     * Bytes of `data`, or AIP_NUL_TERMINATED.
     */
    size_t len;
} aip_text;

/**
 * One call. Call aip_call_init() first; every 0 and NULL is the default. Texts are UTF-8; each length is in bytes, or
 * AIP_NUL_TERMINATED. Everything is copied before anything is sent.
 */
typedef struct aip_call {
    /**
     * sizeof(aip_call); set by aip_call_init().
     */
    size_t size;
    /**
     * AIP_CALL_CHAT ...
     */
    uint32_t operation;
    /**
     * AIP_CALL_STREAM ... bits.
     */
    uint32_t flags;
    /**
     * The system's word, before all `messages`.
     */
    const char *system;
    /**
     * Bytes of `system`, or AIP_NUL_TERMINATED.
     */
    size_t system_len;
    /**
     * The talk so far.
     */
    const struct aip_message *messages;
    /**
     * How many `messages` there are.
     */
    size_t message_count;
    /**
     * A user's message, after all `messages`.
     */
    const char *prompt;
    /**
     * Bytes of `prompt`, or AIP_NUL_TERMINATED.
     */
    size_t prompt_len;
    /**
     * NULL is the client's.
     */
    const char *model;
    /**
     * Bytes of `model`, or AIP_NUL_TERMINATED.
     */
    size_t model_len;
    /**
     * Tools, a JSON array: of `{"name","description","parameters"}`, or of OpenAI's `{"type":"function","function":{...}}`. What
     * else stands in one goes along.
     */
    const char *tools;
    /**
     * Bytes of `tools`, or AIP_NUL_TERMINATED.
     */
    size_t tools_len;
    /**
     * "auto", "none", "required", or the name of the tool to call; NULL is the provider's default.
     */
    const char *tool_choice;
    /**
     * Bytes of `tool_choice`, or AIP_NUL_TERMINATED.
     */
    size_t tool_choice_len;
    /**
     * A JSON Schema that the answer keeps to.
     */
    const char *json_schema;
    /**
     * Bytes of `json_schema`, or AIP_NUL_TERMINATED.
     */
    size_t json_schema_len;
    /**
     * aip_reply.state of the answer before, where the provider keeps the talk (Naparnik).
     */
    const char *state;
    /**
     * Bytes of `state`, or AIP_NUL_TERMINATED.
     */
    size_t state_len;
    /**
     * More members of the request's body, a JSON object in the provider's own words; they go over those made here.
     */
    const char *extra;
    /**
     * Bytes of `extra`, or AIP_NUL_TERMINATED.
     */
    size_t extra_len;
    /**
     * Texts at which the answer stops.
     */
    const struct aip_text *stop;
    /**
     * How many `stop` there are.
     */
    size_t stop_count;
    /**
     * AIP_CALL_EMBED, AIP_CALL_COUNT: the texts.
     */
    const struct aip_text *inputs;
    /**
     * How many `inputs` there are.
     */
    size_t input_count;
    /**
     * AIP_CALL_RAW: NULL is GET without and POST with a body.
     */
    const char *method;
    /**
     * Bytes of `method`, or AIP_NUL_TERMINATED.
     */
    size_t method_len;
    /**
     * AIP_CALL_RAW: relative to the client's base URL.
     */
    const char *url;
    /**
     * Bytes of `url`, or AIP_NUL_TERMINATED.
     */
    size_t url_len;
    /**
     * AIP_CALL_RAW.
     */
    const uint8_t *body;
    /**
     * Bytes of `body`.
     */
    size_t body_len;
    /**
     * AIP_CALL_RAW: NULL is application/json where there is a body.
     */
    const char *content_type;
    /**
     * Bytes of `content_type`, or AIP_NUL_TERMINATED.
     */
    size_t content_type_len;
    /**
     * Headers, packed: name NUL value NUL name NUL value NUL. They go over the client's own, but for Authorization.
     */
    const char *headers;
    /**
     * Bytes of `headers`, or AIP_NUL_TERMINATED.
     */
    size_t headers_len;
    /**
     * Sent as Idempotency-Key: then the call may be repeated where its connection broke.
     */
    const char *idempotency_key;
    /**
     * Bytes of `idempotency_key`, or AIP_NUL_TERMINATED.
     */
    size_t idempotency_key_len;
    /**
     * Ends the call from another thread or a signal handler; NULL is none.
     */
    struct aip_cancel *cancel;
    /**
     * Counts with AIP_SET_TEMPERATURE.
     */
    double temperature;
    /**
     * Counts with AIP_SET_TOP_P.
     */
    double top_p;
    /**
     * Counts with AIP_SET_SEED.
     */
    int64_t seed;
    /**
     * Most tokens of the answer; 0 is the provider's default.
     */
    int64_t max_tokens;
    /**
     * AIP_CALL_EMBED: numbers per text; 0 is the model's own.
     */
    int64_t dimensions;
    /**
     * AIP_SET_* bits.
     */
    uint32_t set;
    /**
     * AIP_FORMAT_TEXT or AIP_FORMAT_JSON.
     */
    uint32_t response_format;
    /**
     * Milliseconds for the whole call; 0 is the client's. No client has one of its own: what is cut off is billed.
     */
    int64_t timeout_ms;
    /**
     * Milliseconds to wait for a slot, the pace and a token of the provider, and then for a connection, at each attempt; 0 is the
     * client's.
     */
    int64_t queue_timeout_ms;
    /**
     * Milliseconds to the head of the answer; 0 is the client's.
     */
    int64_t first_byte_timeout_ms;
    /**
     * Milliseconds without one more byte of it; 0 is the client's.
     */
    int64_t between_bytes_timeout_ms;
    /**
     * Milliseconds to the first event of a stream; 0 is the client's.
     */
    int64_t first_event_timeout_ms;
    /**
     * Milliseconds without one more event of a stream, comments not counted; 0 is the client's.
     */
    int64_t between_events_timeout_ms;
    /**
     * Further attempts, as in aip_client_options; 0 is the client's.
     */
    int64_t max_retries;
} aip_call;

/**
 * One part of an answer: borrowed until the next call that reads from the response, or frees it; not NUL-terminated.
 */
typedef struct aip_delta {
    /**
     * AIP_DELTA_*.
     */
    uint32_t kind;
    /**
     * AIP_DELTA_TOOL: which call.
     */
    uint32_t index;
    /**
     * UTF-8; whole characters.
     */
    const char *text;
    /**
     * Bytes of `text`.
     */
    size_t text_len;
    /**
     * AIP_DELTA_TOOL: the call's id; empty where it did not come.
     */
    const char *id;
    /**
     * Bytes of `id`.
     */
    size_t id_len;
    /**
     * AIP_DELTA_TOOL: the tool's name; empty where it did not come.
     */
    const char *name;
    /**
     * Bytes of `name`.
     */
    size_t name_len;
    /**
     * Zero.
     */
    uint64_t reserved[2];
} aip_delta;

/**
 * What an answer came to; of a stream, what has been read of it. Texts are borrowed until the next call that reads from the
 * response, or frees it; not NUL-terminated; NULL and 0 where there is none. aip_response_reply_copy() copies them.
 */
typedef struct aip_reply {
    /**
     * The answer's text; for AIP_CALL_MODELS a name a line.
     */
    const char *text;
    /**
     * Bytes of `text`.
     */
    size_t text_len;
    /**
     * What the model thought aloud.
     */
    const char *reasoning;
    /**
     * Bytes of `reasoning`.
     */
    size_t reasoning_len;
    /**
     * The provider's word for the end.
     */
    const char *finish;
    /**
     * Bytes of `finish`.
     */
    size_t finish_len;
    /**
     * The model, with its version where the provider says one.
     */
    const char *model;
    /**
     * Bytes of `model`.
     */
    size_t model_len;
    /**
     * The provider's name of the answer.
     */
    const char *id;
    /**
     * Bytes of `id`.
     */
    size_t id_len;
    /**
     * What the next call has to bring along: in aip_message.state of this answer, or in aip_call.state.
     */
    const char *state;
    /**
     * Bytes of `state`.
     */
    size_t state_len;
    /**
     * Of a failure: the provider's code.
     */
    const char *error_code;
    /**
     * Bytes of `error_code`.
     */
    size_t error_code_len;
    /**
     * Of a failure: the provider's words, 4 kB at most. They may quote what was sent.
     */
    const char *error_text;
    /**
     * Bytes of `error_text`.
     */
    size_t error_text_len;
    /**
     * Tokens; -1 where nobody said.
     */
    int64_t prompt_tokens;
    /**
     * Tokens; -1 where nobody said.
     */
    int64_t completion_tokens;
    /**
     * Tokens; -1 where nobody said.
     */
    int64_t total_tokens;
    /**
     * Tokens of the prompt that the provider had at hand; -1 where nobody said.
     */
    int64_t cached_tokens;
    /**
     * Tokens of the completion that were thought and not said; -1 where nobody said.
     */
    int64_t reasoning_tokens;
    /**
     * Tokens there may be in all; -1 where nobody said.
     */
    int64_t context_tokens;
    /**
     * AIP_FINISH_*.
     */
    uint32_t finish_reason;
    /**
     * Calls of tools: aip_response_reply_copy() with AIP_REPLY_TOOL_CALLS.
     */
    uint32_t tool_call_count;
    /**
     * Embeddings: aip_response_embedding().
     */
    uint32_t embedding_count;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * Of a stream: microseconds from the call to the first part read; 0 before.
     */
    uint64_t first_token_us;
    /**
     * Of a stream: the longest time between two parts, in microseconds.
     */
    uint64_t longest_gap_us;
    /**
     * Of a stream: parts read.
     */
    uint64_t parts;
} aip_reply;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The number of the ABI, which a binding compares with the header's AIP_ABI_VERSION. Any thread. Since 0.1.
 */
AIP_API uint32_t aip_abi_version(void);

/**
 * As aip_abi_version(), under a name that changes with the ABI: call it as AIP_ABI_GUARD(), and a library of another ABI
 * fails when the program is linked or loaded ("undefined symbol: aip_abi_0_1"), not later. Any thread. Since 0.1.
 */
AIP_API
uint32_t aip_abi_0_1(void);

/**
 * The version as text, such as "0.1.0": static, never NULL. Any thread. Since 0.1.
 */
AIP_API const char *aip_version(void);

/**
 * The name of a status, such as "AIP_TIMEOUT": static, never NULL; "AIP_UNKNOWN" for other numbers. Any thread. Since 0.1.
 */
AIP_API
const char *aip_status_name(int32_t status);

/**
 * Copies this process's counters to `out`, as far as `out_size` (sizeof of your struct) goes. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_stats(struct aip_library_stats *out,
                  size_t out_size);

/**
 * Sets all defaults. `size` is sizeof(aip_pool_options).
 * The caller owns the struct. Any thread. No errors: NULL is ignored. Since 0.1.
 */
AIP_API void aip_pool_options_init(struct aip_pool_options *options, size_t size);

/**
 * Makes a pool. `options` may be NULL: all defaults.
 * The handle in `*pool` is the caller's until aip_pool_free(). Any thread.
 * AIP_INVALID_ARGUMENT names a wrong field; AIP_UNSUPPORTED; AIP_SYSTEM when no thread can be started or no descriptor is left. Since 0.1.
 */
AIP_API
int32_t aip_pool_new(const struct aip_pool_options *options,
                     struct aip_pool **pool,
                     struct aip_error *error);

/**
 * Gets a handle to the process's one shared pool, making it on first use.
 * The first use sets the options; later, NULL accepts what exists and different options are AIP_INVALID_ARGUMENT.
 * Each handle is freed with aip_pool_free(), which never ends the global pool. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_pool_global(const struct aip_pool_options *options,
                        struct aip_pool **pool,
                        struct aip_error *error);

/**
 * Ends the global pool: as aip_pool_close_all(), and its handles say AIP_CLOSED from then on. The next
 * aip_pool_global() makes a new one. AIP_OK where there is none.
 * Blocks for `drain_ms` at most. Any thread. AIP_TIMEOUT when requests had to be cut off. Since 0.1.
 */
AIP_API int32_t aip_pool_close_global(uint32_t drain_ms, struct aip_error *error);

/**
 * Gets the session of a base URL, making it when there is none or when it is closed.
 * `key` is compared normalised (case of scheme and host, default port, trailing slash, no fragment); a key that is no
 * http or https URL is legal and then takes absolute request URLs only. `options` NULL accepts what exists, or the
 * connection options of the closed session it replaces; connection options that differ from the session that exists are AIP_INVALID_ARGUMENT unless `partition` differs too.
 * Each call gives a handle of its own to the shared session, the caller's until aip_session_free(). Any thread; the same
 * key gives the same session, also to many threads at once. AIP_CLOSED when the pool is; AIP_SYSTEM when a file that is
 * named cannot be read; AIP_UNSUPPORTED for what AIP_TRANSPORT_REQWEST lacks. Since 0.1.
 */
AIP_API
int32_t aip_pool_get_session(struct aip_pool *pool,
                             const char *key,
                             size_t key_len,
                             const struct aip_session_options *options,
                             struct aip_session **session,
                             struct aip_error *error);

/**
 * As aip_pool_get_session(), and a lease: while this handle lives, its session is never evicted.
 * When every session is leased the pool exceeds max_size until a lease ends, and says so in its stats. Since 0.1.
 */
AIP_API
int32_t aip_pool_acquire(struct aip_pool *pool,
                         const char *key,
                         size_t key_len,
                         const struct aip_session_options *options,
                         struct aip_session **session,
                         struct aip_error *error);

/**
 * Gets the session of `key` and sends a request over it, again on a fresh session when that one was just closed. What is
 * made anew has the options of the session that was closed; after an eviction or aip_pool_close_session() those are
 * forgotten, and it has the defaults: where options such as a proxy matter, send over a session you got with them.
 * Blocks within the request's limits. Otherwise as aip_pool_get_session() and aip_session_request(). Since 0.1.
 */
AIP_API
int32_t aip_pool_request(struct aip_pool *pool,
                         const char *key,
                         size_t key_len,
                         const struct aip_request *request,
                         struct aip_response **response,
                         struct aip_error *error);

/**
 * Closes the session of `key` in every partition and forgets it; AIP_OK where there is none. Requests under way finish,
 * later ones on its handles are AIP_CLOSED, the next get makes a fresh session. Never blocks. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_pool_close_session(struct aip_pool *pool,
                               const char *key,
                               size_t key_len,
                               struct aip_error *error);

/**
 * Closes every session and waits up to `drain_ms` for requests under way; what is left then ends with AIP_CLOSED.
 * The pool stays usable: the next get makes a fresh session. 0 cuts at once.
 * Any thread. AIP_TIMEOUT when requests had to be cut off; the message counts them. Since 0.1.
 */
AIP_API
int32_t aip_pool_close_all(struct aip_pool *pool,
                           uint32_t drain_ms,
                           struct aip_error *error);

/**
 * Reads the certificate files of this pool's sessions again, the system's roots too. Connections made from now on use them;
 * those that stand finish what is under way and carry no new requests. On failure everything stays as it was. Sessions over
 * AIP_TRANSPORT_REQWEST keep what they have.
 * Reads files, does no other I/O. Any thread. AIP_SYSTEM, AIP_INVALID_ARGUMENT and AIP_TLS name the file. Since 0.1.
 */
AIP_API
int32_t aip_pool_reload_tls(struct aip_pool *pool,
                            struct aip_error *error);

/**
 * Gives a pool handle up. For a pool of aip_pool_new() its sessions become AIP_CLOSED; requests under way finish.
 * NULL is AIP_OK. Never blocks, does no I/O. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_pool_free(struct aip_pool *pool);

/**
 * Copies the pool's counters to `out`, as far as `out_size` (sizeof of your struct) goes. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_pool_get_stats(struct aip_pool *pool,
                           struct aip_pool_stats *out,
                           size_t out_size,
                           struct aip_error *error);

/**
 * Copies the pool's numbers as Prometheus text (format 0.0.4), not NUL-terminated. `*needed` (may be NULL) is always set to
 * its size; too small a `cap` is AIP_INVALID_ARGUMENT and writes nothing more. The size may grow from call to call: give some
 * room. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_pool_metrics(struct aip_pool *pool,
                         char *buf,
                         size_t cap,
                         size_t *needed,
                         struct aip_error *error);

/**
 * Sets all defaults. `size` is sizeof(aip_session_options).
 * The caller owns the struct. Any thread. No errors: NULL is ignored. Since 0.1.
 */
AIP_API void aip_session_options_init(struct aip_session_options *options, size_t size);

/**
 * Sends a request and waits for the whole response, with AIP_REQUEST_STREAM for its head; this thread drives the I/O meanwhile.
 * `*response` is the caller's until aip_response_free(). Inputs are copied before anything is sent.
 * Blocks within timeout_ms. Any thread, many at once. An HTTP status of 400 or more is AIP_OK.
 * AIP_TOO_LARGE and AIP_TRUNCATED also set `*response`, to what came. Any other failure leaves NULL there, and `error`
 * says class, phase, and whether the server can have seen the request. Since 0.1.
 */
AIP_API
int32_t aip_session_request(struct aip_session *session,
                            const struct aip_request *request,
                            struct aip_response **response,
                            struct aip_error *error);

/**
 * Sends a request without waiting: `queue` tells what becomes of it, with `tag`, which means what you like. Inputs are copied
 * before the call returns. Never blocks, but for files that options name (on first use). From AIP_OK on exactly one
 * AIP_COMPLETION_DONE follows, however the request, the session, the pool or the queue ends, unless the queue is freed first; on
 * failure none does. With AIP_REQUEST_STREAM an AIP_COMPLETION_HEAD comes before it where there is a head. To give it up fire
 * aip_request.cancel, or free the stream's response.
 * Any thread, many at once. AIP_CLOSED for a closed session, pool or queue; AIP_INVALID_ARGUMENT, also for the queue of
 * another pool. Since 0.1.
 */
AIP_API
int32_t aip_session_submit(struct aip_session *session,
                           const struct aip_request *request,
                           struct aip_queue *queue,
                           uint64_t tag,
                           struct aip_error *error);

/**
 * Opens connections to the session's base URL before requests need them, until `connections` (1 to 64) stand that could
 * take as many requests at once: HTTP/2 needs one for many. `*standing` (may be NULL) says how many stand to the server.
 * Over HTTP/1.1 no more than max_connections_per_origin ever stand. Blocks for `timeout_ms` at most, 0 is 10000. Any
 * thread. AIP_TIMEOUT, AIP_LIMIT, AIP_DNS, AIP_CONNECT, AIP_TLS as a request would say it; nothing was sent.
 * AIP_UNSUPPORTED over reqwest. Since 0.1.
 */
AIP_API
int32_t aip_session_warm(struct aip_session *session,
                         uint32_t connections,
                         uint32_t timeout_ms,
                         uint32_t *standing,
                         struct aip_error *error);

/**
 * A number that names the shared session behind the handle: equal for two handles of one session, never used again.
 * 0 on a bad handle. Any thread. Since 0.1.
 */
AIP_API
uint64_t aip_session_id(struct aip_session *session);

/**
 * 1 when the session is closed or evicted, or the handle is bad; else 0. Any thread. Since 0.1.
 */
AIP_API int32_t aip_session_is_closed(struct aip_session *session);

/**
 * Closes the shared session for everybody: requests under way finish, later ones are AIP_CLOSED, the next get makes a
 * fresh session. Closing twice is AIP_OK. Never blocks. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_session_close(struct aip_session *session,
                          struct aip_error *error);

/**
 * Copies the session's counters to `out`, as far as `out_size` (sizeof of your struct) goes. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_session_get_stats(struct aip_session *session,
                              struct aip_session_stats *out,
                              size_t out_size,
                              struct aip_error *error);

/**
 * Gives a session handle up, and the lease where it is one. The session stays in its pool for others.
 * NULL is AIP_OK. Never blocks, does no I/O. Any thread. Since 0.1.
 */
AIP_API int32_t aip_session_free(struct aip_session *session);

/**
 * Sets all defaults: a GET of the base URL. `size` is sizeof(aip_request).
 * The caller owns the struct. Any thread. No errors: NULL is ignored. Since 0.1.
 */
AIP_API void aip_request_init(struct aip_request *request, size_t size);

/**
 * The HTTP status; 0 on a bad handle. Any thread. Since 0.1.
 */
AIP_API uint32_t aip_response_status(struct aip_response *response);

/**
 * The first value of a header, by name in any case: borrowed until aip_response_free(), not NUL-terminated.
 * Where there is none, `*value` is NULL and `*value_len` 0, and that is AIP_OK. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_response_header(struct aip_response *response,
                            const char *name,
                            size_t name_len,
                            const char **value,
                            size_t *value_len);

/**
 * How many headers there are, repeated ones counted each; 0 on a bad handle. Any thread. Since 0.1.
 */
AIP_API size_t aip_response_header_count(struct aip_response *response);

/**
 * The header at `index`: borrowed until aip_response_free(), not NUL-terminated, the name in lower case.
 * Repeated names keep their order. AIP_INVALID_ARGUMENT beyond the last. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_response_header_at(struct aip_response *response,
                               size_t index,
                               const char **name,
                               size_t *name_len,
                               const char **value,
                               size_t *value_len);

/**
 * Copies all headers packed as name NUL value NUL ... `*needed` (may be NULL) is always set to their size; too small a
 * `cap` is AIP_INVALID_ARGUMENT and writes nothing more. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_response_headers_copy(struct aip_response *response,
                                  char *buf,
                                  size_t cap,
                                  size_t *needed,
                                  struct aip_error *error);

/**
 * The decoded body, AIP_INVALID_ARGUMENT for a stream: borrowed until aip_response_free(); NULL and 0 when it is empty. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_response_body(struct aip_response *response,
                          const uint8_t **data,
                          size_t *len,
                          struct aip_error *error);

/**
 * Copies the decoded body, AIP_INVALID_ARGUMENT for a stream. `*needed` (may be NULL) is always set to its size; too small a `cap` is
 * AIP_INVALID_ARGUMENT and writes nothing more. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_response_body_copy(struct aip_response *response,
                               uint8_t *buf,
                               size_t cap,
                               size_t *needed,
                               struct aip_error *error);

/**
 * Copies how the response came to `out`, as far as `out_size` (sizeof of your struct) goes. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_response_get_info(struct aip_response *response,
                              struct aip_response_info *out,
                              size_t out_size);

/**
 * Copies the next bytes of the decoded body, of a stream or of a whole response: `*count` says how many, one at least. Where none
 * have come yet it blocks for `timeout_ms` at most, and this thread drives the I/O meanwhile; 0 does not wait. AIP_END at the
 * end; AIP_WOULD_BLOCK where 0 ms were enough, and an AIP_COMPLETION_READABLE follows where the request was submitted to a queue;
 * AIP_TIMEOUT with AIP_DETAIL_WAIT_LIMIT where `timeout_ms` were not, and the stream goes on; else how the stream failed, after
 * all that came was read. One thread at a time: AIP_BUSY. AIP_INVALID_ARGUMENT once events were read from it, and for a `cap` of 0.
 * AIP_CANCELLED when the response is freed meanwhile. Since 0.1.
 */
AIP_API
int32_t aip_response_read(struct aip_response *response,
                          uint8_t *buf,
                          size_t cap,
                          uint32_t timeout_ms,
                          size_t *count,
                          struct aip_error *error);

/**
 * Reads the next event, of server-sent events or NDJSON as aip_request.event_format or the content-type say. Waits, and fails, as
 * aip_response_read(); further AIP_TRUNCATED where aip_request.end_marker never came, AIP_TOO_LARGE beyond max_event_bytes, and
 * AIP_INVALID_ARGUMENT once bytes were read from it or where the content-type is of no framing known. Since 0.1.
 */
AIP_API
int32_t aip_response_next_event(struct aip_response *response,
                                uint32_t timeout_ms,
                                struct aip_stream_event *event,
                                struct aip_error *error);

/**
 * Copies a part of the event read last: AIP_PART_DATA, AIP_PART_NAME or AIP_PART_ID. `*needed` (may be NULL) is always set to
 * its size; too small a `cap` is AIP_INVALID_ARGUMENT and writes nothing more. AIP_BUSY while another thread reads. Since 0.1.
 */
AIP_API
int32_t aip_response_event_copy(struct aip_response *response,
                                uint32_t part,
                                char *buf,
                                size_t cap,
                                size_t *needed,
                                struct aip_error *error);

/**
 * Copies the trailers, which come behind a body, packed as aip_response_headers_copy() does; empty before its end, and where there
 * were none. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_response_trailers_copy(struct aip_response *response,
                                   char *buf,
                                   size_t cap,
                                   size_t *needed,
                                   struct aip_error *error);

/**
 * Frees a response and ends what was borrowed from it; a stream that has not ended is given up. NULL is AIP_OK. Never blocks.
 * Any thread. Since 0.1.
 */
AIP_API
int32_t aip_response_free(struct aip_response *response);

/**
 * Makes a cancel handle: the caller's until aip_cancel_free(). Put it into aip_request.cancel, into many if you like.
 * Any thread. AIP_LIMIT, AIP_SYSTEM. Since 0.1.
 */
AIP_API
int32_t aip_cancel_new(struct aip_cancel **cancel,
                       struct aip_error *error);

/**
 * Ends every request that carries the handle, now and later, with AIP_CANCELLED. Firing twice is AIP_OK.
 * Any thread, and async-signal-safe. Since 0.1.
 */
AIP_API int32_t aip_cancel_fire(struct aip_cancel *cancel);

/**
 * Gives the handle up; requests that carry it go on. NULL is AIP_OK. Any thread. Since 0.1.
 */
AIP_API int32_t aip_cancel_free(struct aip_cancel *cancel);

/**
 * Makes an upload for one request: put it into aip_request.upload. `length` is its bytes, sent as content-length and held to;
 * AIP_UNLIMITED where you do not know (HTTP/1.1 then sends it in chunks). The caller's until aip_upload_free().
 * Any thread. AIP_INVALID_ARGUMENT, AIP_LIMIT. Since 0.1.
 */
AIP_API
int32_t aip_upload_new(int64_t length,
                       struct aip_upload **upload,
                       struct aip_error *error);

/**
 * Gives the upload more bytes, copied before the call returns; `*taken` says how many, fewer than `len` where the wire is
 * slower than you: give the rest again. Before its request is sent it takes 256 KiB. Where it takes nothing, the call blocks for
 * `timeout_ms` at most; 0 does not wait: AIP_WOULD_BLOCK, and an AIP_COMPLETION_WRITABLE follows where the request was submitted to
 * a queue. One thread at a time. AIP_TIMEOUT (AIP_DETAIL_WAIT_LIMIT); AIP_CLOSED when its request has ended;
 * AIP_INVALID_ARGUMENT after aip_upload_finish() and beyond `length`. Since 0.1.
 */
AIP_API
int32_t aip_upload_write(struct aip_upload *upload,
                         const uint8_t *data,
                         size_t len,
                         uint32_t timeout_ms,
                         size_t *taken,
                         struct aip_error *error);

/**
 * Ends the upload: all of it was given. Never blocks. Any thread. AIP_INVALID_ARGUMENT where bytes are missing to `length` or it
 * was finished before. Since 0.1.
 */
AIP_API
int32_t aip_upload_finish(struct aip_upload *upload,
                          struct aip_error *error);

/**
 * How many bytes the upload took from you, and how many of these went to the wire. Either place may be NULL. Any thread.
 * Since 0.1.
 */
AIP_API
int32_t aip_upload_progress(struct aip_upload *upload,
                            uint64_t *taken,
                            uint64_t *sent);

/**
 * Gives an upload up. One that was not finished fails its request with AIP_CANCELLED. NULL is AIP_OK. Never blocks. Any thread.
 * Since 0.1.
 */
AIP_API
int32_t aip_upload_free(struct aip_upload *upload);

/**
 * Makes a completion queue for requests of this pool's sessions. The caller's until aip_queue_free(). Any thread. AIP_LIMIT,
 * AIP_SYSTEM. Since 0.1.
 */
AIP_API
int32_t aip_queue_new(struct aip_pool *pool,
                      struct aip_queue **queue,
                      struct aip_error *error);

/**
 * Takes up to `cap` completions, oldest request first; `*count` says how many. Where there are none it blocks for `timeout_ms`
 * at most, and this thread drives the I/O meanwhile; 0 does not wait, and drives nothing. Many threads may wait at once.
 * AIP_OK with `*count` 0 after aip_queue_wake(). AIP_WOULD_BLOCK where 0 ms were enough; AIP_TIMEOUT (AIP_DETAIL_WAIT_LIMIT) where
 * `timeout_ms` were not; AIP_END when the queue is closed, or its pool freed, and every accepted request's end was taken;
 * AIP_CANCELLED when the queue is freed meanwhile; AIP_LIMIT when there is no room for a response's handle: nothing is lost, free
 * some. Since 0.1.
 */
AIP_API
int32_t aip_queue_next(struct aip_queue *queue,
                       struct aip_completion *completions,
                       size_t cap,
                       uint32_t timeout_ms,
                       size_t *count,
                       struct aip_error *error);

/**
 * A descriptor for poll, epoll, kqueue or an event loop: readable exactly as long as aip_queue_next() would not say
 * AIP_WOULD_BLOCK: AIP_END counts too.
 * Yours to close; each call makes another. Never read from it. Any thread. AIP_SYSTEM; AIP_UNSUPPORTED on Windows. Since 0.1.
 */
AIP_API
int32_t aip_queue_fd(struct aip_queue *queue,
                     int32_t *fd,
                     struct aip_error *error);

/**
 * From now on eight bytes are written to `fd`, a pipe, socket or eventfd of yours, each time the queue stops being empty: for hosts
 * that cannot watch a descriptor of ours. Take until AIP_WOULD_BLOCK after each. It is duplicated, so yours may be closed at any
 * time; a full one is left alone. -1 ends it. Any thread. AIP_INVALID_ARGUMENT; AIP_SYSTEM; AIP_UNSUPPORTED on Windows. Since 0.1.
 */
AIP_API
int32_t aip_queue_set_notify_fd(struct aip_queue *queue,
                                int32_t fd,
                                struct aip_error *error);

/**
 * Brings one thread back from aip_queue_next(), now waiting or the next that waits, with AIP_OK and no completion.
 * Any thread, and async-signal-safe. Since 0.1.
 */
AIP_API
int32_t aip_queue_wake(struct aip_queue *queue);

/**
 * Takes no more requests; those accepted go on to their ends, and then aip_queue_next() says AIP_END. Closing twice is AIP_OK.
 * Never blocks. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_queue_close(struct aip_queue *queue,
                        struct aip_error *error);

/**
 * Gives a queue up: requests under way end, completions nobody took are freed with their responses, and who waits gets
 * AIP_CANCELLED. NULL is AIP_OK. Never blocks. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_queue_free(struct aip_queue *queue);

/**
 * Copies events of this process that came after number `after` (0: all that are kept, the last 1024) as lines of JSON, as
 * many whole lines as fit `cap` bytes; not NUL-terminated. `*len` is how many bytes were written, `*next` what to give as
 * `after` the next time, `*lost` (may be NULL) how many were overwritten before they were read.
 * Events: connect, connect_failed, close, goaway, suspect, retry, request, reload; each with its numbers. Host names only,
 * never paths, headers or bodies. Sessions over AIP_TRANSPORT_REQWEST make none. A loop ends when `*len` is 0.
 * Any thread. AIP_INVALID_ARGUMENT where `cap` is below 1024: a line must fit. Since 0.1.
 */
AIP_API
int32_t aip_events_read(uint64_t after,
                        char *buf,
                        size_t cap,
                        size_t *len,
                        uint64_t *next,
                        uint64_t *lost,
                        struct aip_error *error);

/**
 * Copies a report of this process's live handles, for finding what nobody frees: a line of JSON for each kind that has any,
 * not NUL-terminated, such as
 * {"kind":"response","live":3,"oldest_ms":61234,"under_1s":1,"under_10s":0,"under_1min":1,"under_10min":1,"under_1h":0,"older":0}
 * Kinds: pool, session (leases included), response, cancel, queue, upload, client. No handles: no lines. A kind whose `live`
 * grows while `older` does is leaked. `*needed` (may be NULL) is always set to the size; too small a `cap` is
 * AIP_INVALID_ARGUMENT and writes nothing more; 2048 bytes are enough. It looks at every handle: for a look, not for each
 * request. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_live_handles(char *buf,
                         size_t cap,
                         size_t *needed,
                         struct aip_error *error);

/**
 * Sets all defaults. `size` is sizeof(aip_client_options).
 * The caller owns the struct. Any thread. No errors: NULL is ignored. Since 0.1.
 */
AIP_API void aip_client_options_init(struct aip_client_options *options, size_t size);

/**
 * Sets all defaults. `size` is sizeof(aip_call).
 * The caller owns the struct. Any thread. No errors: NULL is ignored. Since 0.1.
 */
AIP_API void aip_call_init(struct aip_call *call, size_t size);

/**
 * Makes a client of a provider, over `pool`; NULL is the global pool, whichever that is when a call is made. Nothing is sent.
 * The handle in `*client` is the caller's until aip_client_free(); the pool may be freed before it, and calls are AIP_CLOSED then.
 * All clients of one host and credential in the process share its slots, its pace and its breaker, which outlive them, and while one
 * of them lives its tokens. Of several `max_concurrency` the least holds; `pacing` and `breaker_failures` are the first client's.
 * Any thread. AIP_INVALID_ARGUMENT names a wrong option; of a credential it says the place of the bad character, never the text.
 * What is missing is no error yet: see aip_client_is_configured(). Since 0.1.
 */
AIP_API
int32_t aip_client_new(struct aip_pool *pool,
                       const struct aip_client_options *options,
                       struct aip_client **client,
                       struct aip_error *error);

/**
 * AIP_OK where the client has all it needs to ask; else AIP_NOT_CONFIGURED, and `error` names the option that is missing and its
 * environment variable. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_client_is_configured(struct aip_client *client,
                                 struct aip_error *error);

/**
 * A session as the client asks over: with `use_pool` its pool's, shared; with 0 a new one that nobody else has, which closes with its
 * last handle. The handle in `*session` is the caller's until aip_session_free(). Requests over it are yours alone: they are not signed.
 * Any thread. As aip_pool_get_session(). Since 0.1.
 */
AIP_API
int32_t aip_client_get_session(struct aip_client *client,
                               int32_t use_pool,
                               struct aip_session **session,
                               struct aip_error *error);

/**
 * Asks with one prompt, and waits for the answer: aip_client_call() with `prompt` as the last message. `call` may be NULL: the
 * provider's defaults. Read the answer with aip_response_reply(). Otherwise as aip_client_call(). Since 0.1.
 */
AIP_API
int32_t aip_client_generate(struct aip_client *client,
                            const char *prompt,
                            size_t prompt_len,
                            const struct aip_call *call,
                            struct aip_response **response,
                            struct aip_error *error);

/**
 * Asks, and waits for the whole answer, with AIP_CALL_STREAM for its head; this thread drives the I/O meanwhile. `*response` is the
 * caller's until aip_response_free(): read it with aip_response_reply(), or part by part with aip_response_next_delta(); its body is
 * what the provider wrote. Inputs are copied before anything is sent.
 * Waits for a slot and for the pace of the provider, renews tokens, and tries again before the first byte of an answer, as
 * docs/clients.md says; all within the call's limits. Any thread, many at once.
 * AIP_NOT_CONFIGURED; AIP_AUTH, AIP_RATE_LIMITED, AIP_QUOTA and AIP_PROVIDER with a response where there was one, in which
 * aip_response_reply() shows the provider's code and words; AIP_TOO_LARGE and AIP_TRUNCATED with what came; else as
 * aip_session_request(). Since 0.1.
 */
AIP_API
int32_t aip_client_call(struct aip_client *client,
                        const struct aip_call *call,
                        struct aip_response **response,
                        struct aip_error *error);

/**
 * Asks without waiting: `queue` tells what becomes of it, as aip_session_submit() says, and its end is as aip_client_call() would say
 * it. Since 0.1.
 */
AIP_API
int32_t aip_client_submit(struct aip_client *client,
                          const struct aip_call *call,
                          struct aip_queue *queue,
                          uint64_t tag,
                          struct aip_error *error);

/**
 * Frees a client; its pool's sessions stay, and calls under way go on. NULL is AIP_OK. Never blocks. Any thread. Since 0.1.
 */
AIP_API
int32_t aip_client_free(struct aip_client *client);

/**
 * Reads the next part of an answer to a client's call: of a stream as it comes, of a whole answer what there is. Waits, and fails, as
 * aip_response_read(); further AIP_TRUNCATED where the answer ended before it was complete, and AIP_PROVIDER, AIP_RATE_LIMITED ...
 * where the provider broke it off, with its words in aip_response_reply(). AIP_END after AIP_DELTA_DONE. One thread at a time: AIP_BUSY.
 * Since 0.1.
 */
AIP_API
int32_t aip_response_next_delta(struct aip_response *response,
                                uint32_t timeout_ms,
                                struct aip_delta *delta,
                                struct aip_error *error);

/**
 * Copies a text of the part read last: AIP_PART_DATA is aip_delta.text, AIP_PART_NAME and AIP_PART_ID its name and id. `*needed` (may be
 * NULL) is always set to its size; too small a `cap` is AIP_INVALID_ARGUMENT and writes nothing more. AIP_BUSY while another thread
 * reads. Since 0.1.
 */
AIP_API
int32_t aip_response_delta_copy(struct aip_response *response,
                                uint32_t part,
                                char *buf,
                                size_t cap,
                                size_t *needed,
                                struct aip_error *error);

/**
 * Shows what an answer came to: copies it to `out`, as far as `out_size` (sizeof of your struct) goes. Also of failures that carry a
 * response. The texts are borrowed: where another thread may read or free meanwhile, copy them. AIP_BUSY while another thread reads; AIP_INVALID_ARGUMENT for a response to anything but a client's call. Since 0.1.
 */
AIP_API
int32_t aip_response_reply(struct aip_response *response,
                           struct aip_reply *out,
                           size_t out_size,
                           struct aip_error *error);

/**
 * Copies a text of an answer: AIP_REPLY_*. `*needed` (may be NULL) is always set to its size; too small a `cap` is
 * AIP_INVALID_ARGUMENT and writes nothing more. As aip_response_reply(). Since 0.1.
 */
AIP_API
int32_t aip_response_reply_copy(struct aip_response *response,
                                uint32_t part,
                                char *buf,
                                size_t cap,
                                size_t *needed,
                                struct aip_error *error);

/**
 * Copies the embedding of the input at `index`: `cap` and `*needed` (may be NULL) count floats. Otherwise as
 * aip_response_reply_copy(). Since 0.1.
 */
AIP_API
int32_t aip_response_embedding(struct aip_response *response,
                               uint32_t index,
                               float *buf,
                               size_t cap,
                               size_t *needed,
                               struct aip_error *error);

#ifndef AIP_NO_SHORT_NAMES

/**
 * aip_pool_new() under a short name. Any thread. Since 0.1.
 */
AIP_API
int32_t pool_new(const struct aip_pool_options *options,
                 struct aip_pool **pool,
                 struct aip_error *error);

/**
 * aip_pool_get_session() under a short name. Any thread. Since 0.1.
 */
AIP_API
int32_t pool_get_session(struct aip_pool *pool,
                         const char *key,
                         size_t key_len,
                         const struct aip_session_options *options,
                         struct aip_session **session,
                         struct aip_error *error);

/**
 * aip_session_request() under a short name. Any thread. Since 0.1.
 */
AIP_API
int32_t session_request(struct aip_session *session,
                        const struct aip_request *request,
                        struct aip_response **response,
                        struct aip_error *error);

/**
 * aip_pool_close_all() under a short name. Any thread. Since 0.1.
 */
AIP_API int32_t pool_close_all(struct aip_pool *pool, uint32_t drain_ms, struct aip_error *error);

#endif /* AIP_NO_SHORT_NAMES */

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* AIPOOL_H */
