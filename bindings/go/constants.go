package aipool

// #include "aipool.h"
import "C"

// The eviction policies. Since 0.1.
const (
	// EvictLRU gives up the least recently used session first.
	EvictLRU Eviction = C.AIP_EVICT_LRU
	// EvictFIFO gives up the session that was inserted first, however recently it was used.
	EvictFIFO Eviction = C.AIP_EVICT_FIFO
)

// The versions of HTTP. Since 0.1.
const (
	// HTTPAuto is HTTP/2 where the server offers it by ALPN, HTTP/1.1 otherwise.
	HTTPAuto HTTPVersion = C.AIP_HTTP_AUTO
	// HTTP1 is HTTP/1.1 only.
	HTTP1 HTTPVersion = C.AIP_HTTP_1
	// HTTP2 is HTTP/2 only; over plain http by prior knowledge.
	HTTP2 HTTPVersion = C.AIP_HTTP_2
)

// The carriers. Since 0.1.
const (
	// TransportEngine is the pool's own connections.
	TransportEngine Carrier = C.AIP_TRANSPORT_ENGINE
	// TransportReqwest is reqwest's: no limits of connections, no queue, no proxy. What it lacks is StatusUnsupported by name.
	TransportReqwest Carrier = C.AIP_TRANSPORT_REQWEST
)

// Whom a session trusts. Since 0.1.
const (
	// TrustSystemAndGiven is the system's roots and those of CAFile and CABytes.
	TrustSystemAndGiven Trust = C.AIP_TRUST_SYSTEM_AND_GIVEN
	// TrustGivenOnly is those of CAFile and CABytes alone.
	TrustGivenOnly Trust = C.AIP_TRUST_GIVEN_ONLY
	// TrustAnybody is for a test server alone. Shown in stats, infos and events.
	TrustAnybody Trust = C.AIP_TRUST_ANYBODY
)

// The versions of TLS. Since 0.1.
const (
	// TLS12 is TLS 1.2 or newer.
	TLS12 TLSVersion = C.AIP_TLS_1_2
	// TLS13 is TLS 1.3 or newer.
	TLS13 TLSVersion = C.AIP_TLS_1_3
)

// The proxies where none is given. Since 0.1.
const (
	// ProxyEnvironment is as http_proxy, https_proxy, all_proxy and no_proxy say when the session is made; loopback goes direct.
	ProxyEnvironment ProxyMode = C.AIP_PROXY_ENVIRONMENT
	// ProxyOff is no proxy.
	ProxyOff ProxyMode = C.AIP_PROXY_OFF
)

// How events are read. Since 0.1.
const (
	// EventsByType goes by the content-type.
	EventsByType EventFormat = 0
	// EventsSSE is server-sent events (HTML standard, 9.2.6).
	EventsSSE EventFormat = C.AIP_EVENTS_SSE
	// EventsNDJSON is a JSON text a line.
	EventsNDJSON EventFormat = C.AIP_EVENTS_NDJSON
)

// How a connection's TLS began. Since 0.1.
const (
	// TLSNone is no TLS.
	TLSNone TLSHandshake = C.AIP_TLS_NONE
	// TLSFull is a handshake in full.
	TLSFull TLSHandshake = C.AIP_TLS_FULL
	// TLSResumed is a handshake shortened by a ticket of an earlier connection.
	TLSResumed TLSHandshake = C.AIP_TLS_RESUMED
)

// Why connections closed. Since 0.1.
const (
	// ClosedIdle: unused for too long.
	ClosedIdle CloseReason = C.AIP_CLOSED_IDLE
	// ClosedLifetime: as old as MaxLifetime allows.
	ClosedLifetime CloseReason = C.AIP_CLOSED_LIFETIME
	// ClosedByServer: the server closed it.
	ClosedByServer CloseReason = C.AIP_CLOSED_BY_SERVER
	// ClosedGoAway: the server wanted no more requests on it (HTTP/2).
	ClosedGoAway CloseReason = C.AIP_CLOSED_GOAWAY
	// ClosedError: it broke, or somebody broke the protocol.
	ClosedError CloseReason = C.AIP_CLOSED_ERROR
	// ClosedCancelled: its request was given up midway (HTTP/1.1).
	ClosedCancelled CloseReason = C.AIP_CLOSED_CANCELLED
	// ClosedNoSession: no session refers to its server any more.
	ClosedNoSession CloseReason = C.AIP_CLOSED_NO_SESSION
	// ClosedPool: the pool was closed.
	ClosedPool CloseReason = C.AIP_CLOSED_POOL
	// ClosedStale: found dead when it was wanted.
	ClosedStale CloseReason = C.AIP_CLOSED_STALE
	// ClosedLimit: its place was needed by another.
	ClosedLimit CloseReason = C.AIP_CLOSED_LIMIT
	// ClosedSuspect: it did not answer in time.
	ClosedSuspect CloseReason = C.AIP_CLOSED_SUSPECT
	// ClosedNotReusable: its response left it unfit for another request.
	ClosedNotReusable CloseReason = C.AIP_CLOSED_NOT_REUSABLE
	// ClosedReloaded: made before ReloadTLS.
	ClosedReloaded CloseReason = C.AIP_CLOSED_RELOADED
)

// The providers a client speaks to. Since 0.1.
const (
	// ClientOpenAI is OpenAI, and all that speak its chat completions: vLLM, llama.cpp, OpenRouter, DeepSeek, LiteLLM, Ollama's /v1.
	ClientOpenAI ClientKind = C.AIP_CLIENT_OPENAI
	// ClientOllama is Ollama's own API.
	ClientOllama ClientKind = C.AIP_CLIENT_OLLAMA
	// ClientGigaChat is GigaChat.
	ClientGigaChat ClientKind = C.AIP_CLIENT_GIGACHAT
	// ClientYandex is YandexGPT's own API.
	ClientYandex ClientKind = C.AIP_CLIENT_YANDEX
	// ClientYandexOpenAI is YandexGPT as OpenAI speaks.
	ClientYandexOpenAI ClientKind = C.AIP_CLIENT_YANDEX_OPENAI
	// ClientNaparnik is 1C:Naparnik. Its maker documents no API: it is used as its own pages use it, and may change without notice.
	ClientNaparnik ClientKind = C.AIP_CLIENT_NAPARNIK
	// ClientNaparnikCompat is the form that a guide gives for Naparnik: OpenAI's words at another host. Nobody is known to serve it.
	ClientNaparnikCompat ClientKind = C.AIP_CLIENT_NAPARNIK_COMPAT
)

// Who says a message. Since 0.1.
const (
	// RoleUser is the user, which 0 is too.
	RoleUser Role = C.AIP_ROLE_USER
	// RoleSystem is who says how the model is to behave.
	RoleSystem Role = C.AIP_ROLE_SYSTEM
	// RoleAssistant is the model: what it answered.
	RoleAssistant Role = C.AIP_ROLE_ASSISTANT
	// RoleTool is a tool: what it gave.
	RoleTool Role = C.AIP_ROLE_TOOL
)

// What an answer's text has to be. Since 0.1.
const (
	// FormatText is any text.
	FormatText ResponseFormat = C.AIP_FORMAT_TEXT
	// FormatJSON is JSON; by Call.JSONSchema where that is set.
	FormatJSON ResponseFormat = C.AIP_FORMAT_JSON
)

// The parts of an answer. Since 0.1.
const (
	// DeltaText is more of the answer's text.
	DeltaText DeltaKind = C.AIP_DELTA_TEXT
	// DeltaReplace withdraws all text so far; Delta.Text stands in its place. A filter did that.
	DeltaReplace DeltaKind = C.AIP_DELTA_REPLACE
	// DeltaReasoning is more of what the model thinks aloud.
	DeltaReasoning DeltaKind = C.AIP_DELTA_REASONING
	// DeltaTool is more of a call of a tool: Delta.Text is a piece of its arguments, ID and Name are set where they came.
	DeltaTool DeltaKind = C.AIP_DELTA_TOOL
	// DeltaUsage: the numbers of ChatStream.Reply are new.
	DeltaUsage DeltaKind = C.AIP_DELTA_USAGE
	// DeltaDone: the answer is complete; nothing follows.
	DeltaDone DeltaKind = C.AIP_DELTA_DONE
)

// Why an answer ended. Since 0.1.
const (
	// FinishNone: it has not ended, or nobody said why it did.
	FinishNone FinishReason = C.AIP_FINISH_NONE
	// FinishStop: it was complete.
	FinishStop FinishReason = C.AIP_FINISH_STOP
	// FinishLength: Call.MaxTokens, or the model's own bound.
	FinishLength FinishReason = C.AIP_FINISH_LENGTH
	// FinishTool: it wants tools called.
	FinishTool FinishReason = C.AIP_FINISH_TOOL
	// FinishFilter: the provider's filter.
	FinishFilter FinishReason = C.AIP_FINISH_FILTER
	// FinishError: the provider failed midway.
	FinishError FinishReason = C.AIP_FINISH_ERROR
	// FinishOther: a word this library does not know; see Reply.Finish.
	FinishOther FinishReason = C.AIP_FINISH_OTHER
)
