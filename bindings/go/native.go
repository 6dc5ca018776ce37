package aipool

/*
#include "native_options.h"

// Handles cross as integers: they are tokens, and the garbage collector must not take them for addresses.

_Static_assert(sizeof(aip_error) == 256, "aip_error is 256 bytes for ever");

// Options and requests come as structs of numbers and lengths: Go's memory must hold no pointers when C sees it.

static int32_t aipgo_pool_new(int global, const aip_pool_options *options, uintptr_t *pool, aip_error *error) {
    aip_pool *made = NULL;
    int32_t status = (global ? aip_pool_global : aip_pool_new)(options, &made, error);
    *pool = (uintptr_t)made;
    return status;
}

static int32_t aipgo_pool_session(uintptr_t pool, int leased, const char *key, size_t key_len,
                                  const aip_session_options *lengths, const char *block, uintptr_t *session,
                                  aip_error *error) {
    aip_session_options options;
    if (lengths) {
        options = *lengths;
        aipgo_fill_options(&options, block);
    }
    aip_session *got = NULL;
    int32_t status = (leased ? aip_pool_acquire : aip_pool_get_session)(
        (aip_pool *)pool, key, key_len, lengths ? &options : NULL, &got, error);
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

static int32_t aipgo_pool_metrics(uintptr_t pool, char *text, size_t cap, size_t *needed, aip_error *error) {
    return aip_pool_metrics((aip_pool *)pool, text, cap, needed, error);
}

static int32_t aipgo_pool_reload_tls(uintptr_t pool, aip_error *error) {
    return aip_pool_reload_tls((aip_pool *)pool, error);
}

static void aipgo_pool_free(uintptr_t pool) { aip_pool_free((aip_pool *)pool); }

static int32_t aipgo_session_warm(uintptr_t session, uint32_t connections, uint32_t timeout_ms, uint32_t *standing,
                                  aip_error *error) {
    return aip_session_warm((aip_session *)session, connections, timeout_ms, standing, error);
}

static uint64_t aipgo_session_id(uintptr_t session) { return aip_session_id((aip_session *)session); }

static int32_t aipgo_session_is_closed(uintptr_t session) { return aip_session_is_closed((aip_session *)session); }

static int32_t aipgo_session_close(uintptr_t session, aip_error *error) {
    return aip_session_close((aip_session *)session, error);
}

static int32_t aipgo_session_stats(uintptr_t session, aip_session_stats *stats, aip_error *error) {
    return aip_session_get_stats((aip_session *)session, stats, sizeof *stats, error);
}

static void aipgo_session_free(uintptr_t session) { aip_session_free((aip_session *)session); }

// A library of another ABI lacks the guard: the linker or the loader says so.
static uint32_t aipgo_abi(void) { return AIP_ABI_GUARD(); }

// Nothing here keeps a pointer or calls into Go.
#cgo noescape aipgo_pool_new
#cgo noescape aipgo_pool_session
#cgo noescape aipgo_pool_close_session
#cgo noescape aipgo_pool_close_all
#cgo noescape aipgo_pool_stats
#cgo noescape aipgo_pool_metrics
#cgo noescape aipgo_pool_reload_tls
#cgo noescape aipgo_session_warm
#cgo noescape aipgo_session_close
#cgo noescape aipgo_session_stats
#cgo noescape aip_pool_close_global
#cgo noescape aip_stats
#cgo noescape aip_events_read
#cgo noescape aip_live_handles
#cgo nocallback aipgo_pool_new
#cgo nocallback aipgo_pool_session
#cgo nocallback aipgo_pool_close_session
#cgo nocallback aipgo_pool_close_all
#cgo nocallback aipgo_pool_stats
#cgo nocallback aipgo_pool_metrics
#cgo nocallback aipgo_pool_reload_tls
#cgo nocallback aipgo_session_warm
#cgo nocallback aipgo_pool_free
#cgo nocallback aipgo_session_id
#cgo nocallback aipgo_session_is_closed
#cgo nocallback aipgo_session_close
#cgo nocallback aipgo_session_stats
#cgo nocallback aipgo_session_free
#cgo nocallback aip_pool_close_global
#cgo nocallback aip_stats
#cgo nocallback aip_events_read
#cgo nocallback aip_live_handles
#cgo nocallback aip_version
#cgo nocallback aipgo_abi
#cgo nocallback aip_status_name
*/
import "C"

import (
	"bytes"
	"syscall"
	"time"
	"unsafe"
)

// Go's Off and Unlimited are passed as they are.
const (
	_ = uint(Off - C.AIP_OFF)
	_ = uint(C.AIP_OFF - Off)
	_ = uint(Unlimited - C.AIP_UNLIMITED)
	_ = uint(C.AIP_UNLIMITED - Unlimited)
)

func nativePoolNew(options Options) (uintptr, *Error) {
	return makePool(0, &options)
}

func nativePoolGlobal(options *Options) (uintptr, *Error) {
	return makePool(1, options)
}

func makePool(global C.int, options *Options) (uintptr, *Error) {
	if failure := checkABI(); failure != nil {
		return 0, failure
	}
	var numbers *C.aip_pool_options
	if options != nil {
		numbers = poolNumbers(options)
	}
	var pool C.uintptr_t
	var failure C.aip_error
	status := C.aipgo_pool_new(global, numbers, &pool, &failure)
	return uintptr(pool), toError(status, &failure)
}

func poolNumbers(options *Options) *C.aip_pool_options {
	return &C.aip_pool_options{
		size:                       C.sizeof_aip_pool_options,
		max_size:                   C.int64_t(options.MaxSize),
		timeout_ms:                 limit(options.Timeout),
		connect_timeout_ms:         limit(options.ConnectTimeout),
		max_body_bytes:             C.int64_t(options.MaxBody),
		eviction:                   C.uint32_t(options.Eviction),
		threads:                    C.uint32_t(options.Threads),
		queue_timeout_ms:           limit(options.QueueTimeout),
		dns_timeout_ms:             limit(options.DNSTimeout),
		tls_timeout_ms:             limit(options.TLSTimeout),
		send_timeout_ms:            limit(options.SendTimeout),
		first_byte_timeout_ms:      limit(options.FirstByteTimeout),
		between_bytes_timeout_ms:   limit(options.BetweenBytesTimeout),
		max_connections_per_origin: C.int64_t(options.MaxConnectionsPerOrigin),
		max_connections:            C.int64_t(options.MaxConnections),
		max_queue:                  C.int64_t(options.MaxQueue),
		idle_timeout_ms:            limit(options.IdleTimeout),
		max_lifetime_ms:            limit(options.MaxLifetime),
		first_event_timeout_ms:     limit(options.FirstEventTimeout),
		between_events_timeout_ms:  limit(options.BetweenEventsTimeout),
	}
}

func nativeCloseGlobal(drain uint32) *Error {
	var failure C.aip_error
	return toError(C.aip_pool_close_global(C.uint32_t(drain), &failure), &failure)
}

// nativeSession gets a session. headers are the options', packed; they are cleared.
func nativeSession(pool uintptr, key string, options *SessionOptions, headers []byte, leased bool) (uintptr, *Error) {
	var lengths *C.aip_session_options
	var block []byte
	// As in nativeClientNew().
	defer func() {
		clear(block[:cap(block)])
		clear(headers)
	}()
	if options != nil {
		lengths = sessionNumbers(options)
		block = putTexts(lengths, options, headers)
	}
	var session C.uintptr_t
	var failure C.aip_error
	status := C.aipgo_pool_session(C.uintptr_t(pool), flag(leased), chars(key), C.size_t(len(key)), lengths,
		packedChars(block), &session, &failure)
	return uintptr(session), toError(status, &failure)
}

// putTexts sets the lengths of the options' texts and returns the texts one after the other, in the order in which
// aipgo_fill_options() takes them apart.
func putTexts(lengths *C.aip_session_options, options *SessionOptions, headers []byte) []byte {
	var pins []byte
	for _, pin := range options.Pins {
		pins = append(pins, pin[:]...)
	}
	block := make([]byte, 0, sessionBytes(options, len(pins)+len(headers)))
	lengths.partition_len = put(&block, options.Partition)
	lengths.ca_file_len = put(&block, options.CAFile)
	lengths.ca_bytes_len = put(&block, options.CABytes)
	lengths.headers_len = put(&block, headers)
	lengths.client_cert_file_len = put(&block, options.ClientCertFile)
	lengths.client_cert_bytes_len = put(&block, options.ClientCertBytes)
	lengths.client_key_file_len = put(&block, options.ClientKeyFile)
	lengths.client_key_bytes_len = put(&block, options.ClientKeyBytes)
	lengths.server_name_len = put(&block, options.ServerName)
	lengths.pins_len = put(&block, pins)
	lengths.key_log_file_len = put(&block, options.KeyLogFile)
	lengths.proxy_len = put(&block, options.Proxy)
	lengths.no_proxy_len = put(&block, options.NoProxy)
	lengths.unix_socket_len = put(&block, options.UnixSocket)
	lengths.resolve_len = put(&block, options.Resolve)
	lengths.local_address_len = put(&block, options.LocalAddress)
	return block
}

// sessionBytes is enough for all texts, as credentialBytes() is.
func sessionBytes(o *SessionOptions, more int) int {
	for _, text := range [...]string{
		o.Partition, o.CAFile, o.ClientCertFile, o.ClientKeyFile, o.ServerName, o.KeyLogFile, o.Proxy, o.NoProxy, o.UnixSocket,
		o.Resolve, o.LocalAddress,
	} {
		more += len(text)
	}
	return more + len(o.CABytes) + len(o.ClientCertBytes) + len(o.ClientKeyBytes)
}

// put appends a text and returns its length.
func put[T string | []byte](block *[]byte, text T) C.size_t {
	*block = append(*block, text...)
	return C.size_t(len(text))
}

// sessionNumbers is the options but for their texts, which putTexts() adds.
func sessionNumbers(options *SessionOptions) *C.aip_session_options {
	return &C.aip_session_options{
		size:                      C.sizeof_aip_session_options,
		timeout_ms:                limit(options.Timeout),
		connect_timeout_ms:        limit(options.ConnectTimeout),
		max_body_bytes:            C.int64_t(options.MaxBody),
		http_version:              C.uint32_t(options.HTTPVersion),
		transport:                 C.uint32_t(options.Transport),
		queue_timeout_ms:          limit(options.QueueTimeout),
		dns_timeout_ms:            limit(options.DNSTimeout),
		tls_timeout_ms:            limit(options.TLSTimeout),
		send_timeout_ms:           limit(options.SendTimeout),
		first_byte_timeout_ms:     limit(options.FirstByteTimeout),
		between_bytes_timeout_ms:  limit(options.BetweenBytesTimeout),
		max_redirects:             C.int64_t(options.MaxRedirects),
		max_retries:               C.int64_t(options.MaxRetries),
		trust:                     C.uint32_t(options.Trust),
		min_tls:                   C.uint32_t(options.MinTLS),
		keepalive_ms:              limit(options.Keepalive),
		stream_window_bytes:       C.int64_t(options.StreamWindow),
		proxy_mode:                C.uint32_t(options.ProxyMode),
		first_event_timeout_ms:    limit(options.FirstEventTimeout),
		between_events_timeout_ms: limit(options.BetweenEventsTimeout),
	}
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
	shown := PoolStats{
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

		ConnectionsOpen:     uint64(stats.connections_open),
		ConnectionsIdle:     uint64(stats.connections_idle),
		ConnectionsInUse:    uint64(stats.connections_in_use),
		ConnectionsInsecure: uint64(stats.connections_insecure),
		ConnectionsDialing:  uint64(stats.connections_dialing),
		Waiting:             uint64(stats.waiting),
		ConnectsFailed:      uint64(stats.connects_failed),
		HandshakesFull:      uint64(stats.handshakes_full),
		HandshakesResumed:   uint64(stats.handshakes_resumed),
		ConnectionsReused:   uint64(stats.connections_reused),
		Waits:               uint64(stats.waits),
		WaitTime:            micros(stats.waits_us),
	}
	for reason, count := range stats.closed {
		shown.Closed[reason] = uint64(count)
	}
	return shown, toError(status, &failure)
}

func nativePoolMetrics(pool uintptr) (string, *Error) {
	return nativeText(func(text *C.char, size C.size_t, needed *C.size_t, failure *C.aip_error) C.int32_t {
		return C.aipgo_pool_metrics(C.uintptr_t(pool), text, size, needed, failure)
	})
}

func nativeLiveHandles() (string, *Error) {
	return nativeText(func(text *C.char, size C.size_t, needed *C.size_t, failure *C.aip_error) C.int32_t {
		return C.aip_live_handles(text, size, needed, failure)
	})
}

// nativeText is what a function copies out that says how much it needs.
func nativeText(copyOut func(*C.char, C.size_t, *C.size_t, *C.aip_error) C.int32_t) (string, *Error) {
	text := make([]byte, 16<<10)
	for {
		var needed C.size_t
		var failure C.aip_error
		status := copyOut(packedChars(text), C.size_t(len(text)), &needed, &failure)
		if status == C.AIP_OK {
			return string(text[:needed]), nil
		}
		if status != C.AIP_INVALID_ARGUMENT || int(needed) <= len(text) {
			return "", toError(status, &failure)
		}
		// The text may have grown again when it is asked for again.
		text = make([]byte, int(needed)+1024)
	}
}

func nativeReloadTLS(pool uintptr) *Error {
	var failure C.aip_error
	return toError(C.aipgo_pool_reload_tls(C.uintptr_t(pool), &failure), &failure)
}

func nativeWarm(session uintptr, connections, timeout uint32) (uint32, *Error) {
	var standing C.uint32_t
	var failure C.aip_error
	status := C.aipgo_session_warm(C.uintptr_t(session), C.uint32_t(connections), C.uint32_t(timeout), &standing, &failure)
	return uint32(standing), toError(status, &failure)
}

// nativeEvents reads what came after a number into buffer.
func nativeEvents(after uint64, buffer []byte) (length int, next, lost uint64, err *Error) {
	var written C.size_t
	var further, gone C.uint64_t
	var failure C.aip_error
	status := C.aip_events_read(C.uint64_t(after), packedChars(buffer), C.size_t(len(buffer)), &written, &further, &gone,
		&failure)
	return int(written), uint64(further), uint64(gone), toError(status, &failure)
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
		Queues:      uint64(stats.queues),
		Uploads:     uint64(stats.uploads),
		Clients:     uint64(stats.clients),
	}
}

func nativeVersion() string {
	return C.GoString(C.aip_version())
}

func nativeABI() (loaded, wanted uint32) {
	return uint32(C.aipgo_abi()), C.AIP_ABI_VERSION
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
		RetryAfter: time.Duration(failure.retry_after_ms) * time.Millisecond,
		Message:    text(failure.message[:]),
	}
}

// text is what stands before the NUL. C.GoString would move every outcome to the heap.
func text(field []C.char) string {
	all := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(field))), len(field))
	before, _, _ := bytes.Cut(all, []byte{0})
	return string(before)
}

func limit(time time.Duration) C.int64_t {
	return C.int64_t(millis(time))
}

func micros(number C.uint64_t) time.Duration {
	return time.Duration(number) * time.Microsecond
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
