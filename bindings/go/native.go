package aipool

/*
#include <string.h>
#include "aipool.h"

// Handles cross as integers: they are tokens, and the garbage collector must not take them for addresses.

_Static_assert(sizeof(aip_error) == 256, "aip_error is 256 bytes for ever");

static int32_t aipgo_pool_new(int global, int with_options, int64_t max_size, int64_t timeout_ms,
                              int64_t connect_timeout_ms, int64_t max_body_bytes, uint32_t eviction, uint32_t threads,
                              uintptr_t *pool, aip_error *error) {
    aip_pool_options options;
    aip_pool_options_init(&options, sizeof options);
    options.max_size = max_size;
    options.timeout_ms = timeout_ms;
    options.connect_timeout_ms = connect_timeout_ms;
    options.max_body_bytes = max_body_bytes;
    options.eviction = eviction;
    options.threads = threads;
    aip_pool *made = NULL;
    int32_t status = (global ? aip_pool_global : aip_pool_new)(with_options ? &options : NULL, &made, error);
    *pool = (uintptr_t)made;
    return status;
}

static int32_t aipgo_pool_session(uintptr_t pool, int leased, const char *key, size_t key_len, int with_options,
                                  const char *partition, size_t partition_len, const char *ca_file, size_t ca_file_len,
                                  const uint8_t *ca_bytes, size_t ca_bytes_len, const char *headers, size_t headers_len,
                                  int64_t timeout_ms, int64_t connect_timeout_ms, int64_t max_body_bytes,
                                  uint32_t http_version, uintptr_t *session, aip_error *error) {
    aip_session_options options;
    aip_session_options_init(&options, sizeof options);
    options.partition = partition;
    options.partition_len = partition_len;
    options.ca_file = ca_file;
    options.ca_file_len = ca_file_len;
    options.ca_bytes = ca_bytes;
    options.ca_bytes_len = ca_bytes_len;
    options.headers = headers;
    options.headers_len = headers_len;
    options.timeout_ms = timeout_ms;
    options.connect_timeout_ms = connect_timeout_ms;
    options.max_body_bytes = max_body_bytes;
    options.http_version = http_version;
    aip_session *got = NULL;
    int32_t status = (leased ? aip_pool_acquire : aip_pool_get_session)(
        (aip_pool *)pool, key, key_len, with_options ? &options : NULL, &got, error);
    *session = (uintptr_t)got;
    return status;
}

static int32_t aipgo_pool_close_session(uintptr_t pool, const char *key, size_t key_len, aip_error *error) {
    return aip_pool_close_session((aip_pool *)pool, key, key_len, error);
}

static int32_t aipgo_pool_close_all(uintptr_t pool, uint32_t drain_ms, aip_error *error) {
    return aip_pool_close_all((aip_pool *)pool, drain_ms, error);
}

static int32_t aipgo_pool_stats(uintptr_t pool, aip_pool_stats *stats, aip_error *error) {
    return aip_pool_get_stats((aip_pool *)pool, stats, sizeof *stats, error);
}

static void aipgo_pool_free(uintptr_t pool) { aip_pool_free((aip_pool *)pool); }

static uint64_t aipgo_session_id(uintptr_t session) { return aip_session_id((aip_session *)session); }

static int32_t aipgo_session_is_closed(uintptr_t session) { return aip_session_is_closed((aip_session *)session); }

static int32_t aipgo_session_close(uintptr_t session, aip_error *error) {
    return aip_session_close((aip_session *)session, error);
}

static int32_t aipgo_session_stats(uintptr_t session, aip_session_stats *stats, aip_error *error) {
    return aip_session_get_stats((aip_session *)session, stats, sizeof *stats, error);
}

static void aipgo_session_free(uintptr_t session) { aip_session_free((aip_session *)session); }

static int32_t aipgo_cancel_new(uintptr_t *cancel, aip_error *error) {
    aip_cancel *made = NULL;
    int32_t status = aip_cancel_new(&made, error);
    *cancel = (uintptr_t)made;
    return status;
}

static void aipgo_cancel_fire(uintptr_t cancel) { aip_cancel_fire((aip_cancel *)cancel); }

static void aipgo_cancel_free(uintptr_t cancel) { aip_cancel_free((aip_cancel *)cancel); }

typedef struct {
    uintptr_t response;
    const uint8_t *body;
    size_t body_len;
    size_t headers_len;
    uint32_t http_status;
    aip_response_info info;
    aip_error error;
} aipgo_outcome;

// Sends, and looks at what came; a response is left for aipgo_finish().
static int32_t aipgo_request(uintptr_t target, int by_key, const char *key, size_t key_len, const char *method,
                             size_t method_len, const char *url, size_t url_len, const char *headers,
                             size_t headers_len, const uint8_t *body, size_t body_len, uintptr_t cancel,
                             int64_t timeout_ms, int64_t connect_timeout_ms, int64_t max_body_bytes,
                             aipgo_outcome *outcome) {
    aip_request request;
    aip_request_init(&request, sizeof request);
    request.method = method;
    request.method_len = method_len;
    request.url = url;
    request.url_len = url_len;
    request.packed_headers = headers;
    request.packed_headers_len = headers_len;
    request.body = body;
    request.body_len = body_len;
    request.cancel = (aip_cancel *)cancel;
    request.timeout_ms = timeout_ms;
    request.connect_timeout_ms = connect_timeout_ms;
    request.max_body_bytes = max_body_bytes;
    aip_response *response = NULL;
    int32_t status = by_key
        ? aip_pool_request((aip_pool *)target, key, key_len, &request, &response, &outcome->error)
        : aip_session_request((aip_session *)target, &request, &response, &outcome->error);
    if (!response) return status;
    outcome->response = (uintptr_t)response;
    outcome->http_status = aip_response_status(response);
    aip_response_get_info(response, &outcome->info, sizeof outcome->info);
    aip_response_headers_copy(response, NULL, 0, &outcome->headers_len, NULL);
    aip_response_body(response, &outcome->body, &outcome->body_len, NULL);
    // An empty body may be at any address, and Go ends the process over a pointer that cannot be one.
    if (outcome->body_len == 0) outcome->body = NULL;
    return status;
}

// Copies the headers out and frees the response.
static void aipgo_finish(uintptr_t response, char *headers, size_t headers_len) {
    aip_response_headers_copy((aip_response *)response, headers, headers_len, NULL, NULL);
    aip_response_free((aip_response *)response);
}

// Nothing here keeps a pointer or calls into Go.
#cgo noescape aipgo_pool_new
#cgo noescape aipgo_pool_session
#cgo noescape aipgo_pool_close_session
#cgo noescape aipgo_pool_close_all
#cgo noescape aipgo_pool_stats
#cgo noescape aipgo_session_close
#cgo noescape aipgo_session_stats
#cgo noescape aipgo_cancel_new
#cgo noescape aipgo_request
#cgo noescape aipgo_finish
#cgo noescape aip_pool_close_global
#cgo noescape aip_stats
#cgo nocallback aipgo_pool_new
#cgo nocallback aipgo_pool_session
#cgo nocallback aipgo_pool_close_session
#cgo nocallback aipgo_pool_close_all
#cgo nocallback aipgo_pool_stats
#cgo nocallback aipgo_pool_free
#cgo nocallback aipgo_session_id
#cgo nocallback aipgo_session_is_closed
#cgo nocallback aipgo_session_close
#cgo nocallback aipgo_session_stats
#cgo nocallback aipgo_session_free
#cgo nocallback aipgo_cancel_new
#cgo nocallback aipgo_cancel_fire
#cgo nocallback aipgo_cancel_free
#cgo nocallback aipgo_request
#cgo nocallback aipgo_finish
#cgo nocallback aip_pool_close_global
#cgo nocallback aip_stats
#cgo nocallback aip_version
#cgo nocallback aip_abi_version
#cgo nocallback aip_status_name
*/
import "C"

import (
	"bytes"
	"syscall"
	"time"
	"unsafe"
)

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

// Go's Off and Unlimited are passed as they are.
const (
	_ = uint(Off - C.AIP_OFF)
	_ = uint(C.AIP_OFF - Off)
	_ = uint(Unlimited - C.AIP_UNLIMITED)
	_ = uint(C.AIP_UNLIMITED - Unlimited)
)

func nativePoolNew(options Options) (uintptr, *Error) {
	return makePool(0, 1, options)
}

func nativePoolGlobal(options *Options) (uintptr, *Error) {
	if options == nil {
		return makePool(1, 0, Options{})
	}
	return makePool(1, 1, *options)
}

func makePool(global, withOptions C.int, options Options) (uintptr, *Error) {
	if failure := checkABI(); failure != nil {
		return 0, failure
	}
	var pool C.uintptr_t
	var failure C.aip_error
	status := C.aipgo_pool_new(global, withOptions, C.int64_t(options.MaxSize), C.int64_t(millis(options.Timeout)),
		C.int64_t(millis(options.ConnectTimeout)), C.int64_t(options.MaxBody), C.uint32_t(options.Eviction),
		C.uint32_t(options.Threads), &pool, &failure)
	return uintptr(pool), toError(status, &failure)
}

func nativeCloseGlobal(drain uint32) *Error {
	var failure C.aip_error
	return toError(C.aip_pool_close_global(C.uint32_t(drain), &failure), &failure)
}

func nativeSession(pool uintptr, key string, options *SessionOptions, headers []byte, leased bool) (uintptr, *Error) {
	var withOptions C.int
	if options != nil {
		withOptions = 1
	} else {
		options = &SessionOptions{}
	}
	var session C.uintptr_t
	var failure C.aip_error
	status := C.aipgo_pool_session(C.uintptr_t(pool), flag(leased), chars(key), C.size_t(len(key)), withOptions,
		chars(options.Partition), C.size_t(len(options.Partition)), chars(options.CAFile),
		C.size_t(len(options.CAFile)), octets(options.CABytes), C.size_t(len(options.CABytes)), packedChars(headers),
		C.size_t(len(headers)), C.int64_t(millis(options.Timeout)), C.int64_t(millis(options.ConnectTimeout)),
		C.int64_t(options.MaxBody), C.uint32_t(options.HTTPVersion), &session, &failure)
	return uintptr(session), toError(status, &failure)
}

func nativeCloseSession(pool uintptr, key string) *Error {
	var failure C.aip_error
	status := C.aipgo_pool_close_session(C.uintptr_t(pool), chars(key), C.size_t(len(key)), &failure)
	return toError(status, &failure)
}

func nativeCloseAll(pool uintptr, drain uint32) *Error {
	var failure C.aip_error
	return toError(C.aipgo_pool_close_all(C.uintptr_t(pool), C.uint32_t(drain), &failure), &failure)
}

func nativePoolStats(pool uintptr) (PoolStats, *Error) {
	var stats C.aip_pool_stats
	var failure C.aip_error
	status := C.aipgo_pool_stats(C.uintptr_t(pool), &stats, &failure)
	return PoolStats{
		Sessions:          uint64(stats.sessions),
		Leased:            uint64(stats.leased),
		OverLimit:         uint64(stats.over_limit),
		InFlight:          uint64(stats.in_flight),
		SessionsCreated:   uint64(stats.sessions_created),
		Evictions:         uint64(stats.evictions),
		Requests:          uint64(stats.requests),
		Failures:          uint64(stats.failures),
		ConnectionsOpened: uint64(stats.connections_opened),
		RequestsReused:    uint64(stats.requests_reused),
	}, toError(status, &failure)
}

func freePool(pool uintptr) {
	C.aipgo_pool_free(C.uintptr_t(pool))
}

func nativeSessionID(session uintptr) uint64 {
	return uint64(C.aipgo_session_id(C.uintptr_t(session)))
}

func nativeSessionClosed(session uintptr) bool {
	return C.aipgo_session_is_closed(C.uintptr_t(session)) != 0
}

func nativeSessionClose(session uintptr) *Error {
	var failure C.aip_error
	return toError(C.aipgo_session_close(C.uintptr_t(session), &failure), &failure)
}

func nativeSessionStats(session uintptr) (SessionStats, *Error) {
	var stats C.aip_session_stats
	var failure C.aip_error
	status := C.aipgo_session_stats(C.uintptr_t(session), &stats, &failure)
	return SessionStats{
		InFlight:          uint64(stats.in_flight),
		Leases:            uint64(stats.leases),
		Requests:          uint64(stats.requests),
		Failures:          uint64(stats.failures),
		ConnectionsOpened: uint64(stats.connections_opened),
		RequestsReused:    uint64(stats.requests_reused),
	}, toError(status, &failure)
}

func freeSession(session uintptr) {
	C.aipgo_session_free(C.uintptr_t(session))
}

func newCancel() (uintptr, *Error) {
	var cancel C.uintptr_t
	var failure C.aip_error
	status := C.aipgo_cancel_new(&cancel, &failure)
	return uintptr(cancel), toError(status, &failure)
}

func fireCancel(cancel uintptr) {
	C.aipgo_cancel_fire(C.uintptr_t(cancel))
}

func freeCancel(cancel uintptr) {
	C.aipgo_cancel_free(C.uintptr_t(cancel))
}

// nativeDo sends over the pool's session of key or, where key is nil, over the session that target is.
func nativeDo(target uintptr, key *string, request *Request, headers []byte, cancel uintptr) (*Response, *Error) {
	byKey := key != nil
	if !byKey {
		key = new(string)
	}
	var outcome C.aipgo_outcome
	status := C.aipgo_request(C.uintptr_t(target), flag(byKey), chars(*key), C.size_t(len(*key)),
		chars(request.Method), C.size_t(len(request.Method)), chars(request.URL), C.size_t(len(request.URL)),
		packedChars(headers), C.size_t(len(headers)), octets(request.Body), C.size_t(len(request.Body)),
		C.uintptr_t(cancel), C.int64_t(millis(request.Timeout)), C.int64_t(millis(request.ConnectTimeout)),
		C.int64_t(request.MaxBody), &outcome)
	failure := toError(status, &outcome.error)
	if outcome.response == 0 {
		return nil, failure
	}
	response := takeResponse(&outcome)
	if failure != nil {
		failure.Response = response
		return nil, failure
	}
	return response, nil
}

// takeResponse copies the native response into Go memory and frees it.
func takeResponse(outcome *C.aipgo_outcome) *Response {
	// Cloned before the response that lends it is freed.
	body := bytes.Clone(unsafe.Slice((*byte)(outcome.body), int(outcome.body_len)))
	headers := make([]byte, int(outcome.headers_len))
	C.aipgo_finish(outcome.response, packedChars(headers), outcome.headers_len)
	info := &outcome.info
	return &Response{
		Status: int(outcome.http_status),
		// Nobody writes to it any more, so it may be a string without another copy.
		Headers: unpack(unsafe.String(unsafe.SliceData(headers), len(headers))),
		Body:    body,
		Info: Info{
			HTTPVersion:   int(info.http_version),
			Reused:        info.reused != 0,
			FirstByte:     time.Duration(info.first_byte_us) * time.Microsecond,
			Total:         time.Duration(info.total_us) * time.Microsecond,
			RemoteAddress: text(info.remote_address[:]),
		},
	}
}

func nativeLibraryStats() LibraryStats {
	var stats C.aip_library_stats
	C.aip_stats(&stats, C.sizeof_aip_library_stats)
	return LibraryStats{
		Pools:       uint64(stats.pools),
		Sessions:    uint64(stats.sessions),
		Responses:   uint64(stats.responses),
		Cancels:     uint64(stats.cancels),
		Guards:      uint64(stats.guards),
		HandOffs:    uint64(stats.hand_offs),
		GuardDrives: uint64(stats.guard_drives),
		GuardLooks:  uint64(stats.guard_looks),
	}
}

func nativeVersion() string {
	return C.GoString(C.aip_version())
}

func nativeABI() (loaded, wanted uint32) {
	return uint32(C.aip_abi_version()), C.AIP_ABI_VERSION
}

func statusName(status Status) string {
	return C.GoString(C.aip_status_name(C.int32_t(status)))
}

// toError is nil where the status is AIP_OK.
func toError(status C.int32_t, failure *C.aip_error) *Error {
	if status == C.AIP_OK {
		return nil
	}
	return &Error{
		Status:     Status(status),
		Detail:     Detail(failure.detail),
		Phase:      Phase(failure.phase),
		Delivery:   Delivery(failure.delivery),
		HTTPStatus: int(failure.http_status),
		OSError:    syscall.Errno(failure.os_error),
		Elapsed:    time.Duration(failure.elapsed_ms) * time.Millisecond,
		Retryable:  failure.flags&C.AIP_ERROR_RETRYABLE != 0,
		Message:    text(failure.message[:]),
	}
}

// text is what stands before the NUL. C.GoString would move every outcome to the heap.
func text(field []C.char) string {
	all := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(field))), len(field))
	before, _, _ := bytes.Cut(all, []byte{0})
	return string(before)
}

func flag(set bool) C.int {
	if set {
		return 1
	}
	return 0
}

func chars(text string) *C.char {
	return (*C.char)(unsafe.Pointer(unsafe.StringData(text)))
}

func packedChars(block []byte) *C.char {
	return (*C.char)(unsafe.Pointer(unsafe.SliceData(block)))
}

func octets(block []byte) *C.uint8_t {
	return (*C.uint8_t)(unsafe.SliceData(block))
}
