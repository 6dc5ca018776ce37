package aipool

/*
#include "native_request.h"

// As in native.go: handles cross as integers, a request as a struct of numbers and lengths.

static int32_t aipgo_cancel_new(uintptr_t *cancel, aip_error *error) {
    aip_cancel *made = NULL;
    int32_t status = aip_cancel_new(&made, error);
    *cancel = (uintptr_t)made;
    return status;
}

static void aipgo_cancel_fire(uintptr_t cancel) { aip_cancel_fire((aip_cancel *)cancel); }

static void aipgo_cancel_free(uintptr_t cancel) { aip_cancel_free((aip_cancel *)cancel); }

// Most heads fit in here.
#define AIPGO_ROOM 1024

typedef struct {
    uintptr_t response;
    const uint8_t *body;
    size_t body_len;
    // How long the headers are; they are in `headers` where they fit.
    size_t headers_len;
    uint32_t http_status;
    aip_response_info info;
    aip_error error;
    char headers[AIPGO_ROOM];
} aipgo_outcome;

// Looks at what came; the body only of what is whole.
static void aipgo_look(uintptr_t token, int whole, aipgo_outcome *outcome) {
    aip_response *response = (aip_response *)token;
    outcome->response = token;
    outcome->http_status = aip_response_status(response);
    aip_response_get_info(response, &outcome->info, sizeof outcome->info);
    aip_response_headers_copy(response, outcome->headers, sizeof outcome->headers, &outcome->headers_len, NULL);
    if (whole) aip_response_body(response, &outcome->body, &outcome->body_len, NULL);
}

// Sends and waits: for the whole response, or for a stream's head.
static int32_t aipgo_send(uintptr_t target, int by_key, const char *key, size_t key_len, const aip_request *lengths,
                          const char *method, const char *url, const char *headers, const uint8_t *body,
                          const char *end_marker, uintptr_t cancel, uintptr_t *response, aip_error *error) {
    aip_request request = *lengths;
    aipgo_fill(&request, method, url, headers, body, end_marker, cancel, 0);
    aip_response *came = NULL;
    int32_t status = by_key ? aip_pool_request((aip_pool *)target, key, key_len, &request, &came, error)
                            : aip_session_request((aip_session *)target, &request, &came, error);
    *response = (uintptr_t)came;
    return status;
}

// As aipgo_send, and looks at what came; a response is left for takeResponse.
static int32_t aipgo_request(uintptr_t target, int by_key, const char *key, size_t key_len, const aip_request *lengths,
                             const char *method, const char *url, const char *headers, const uint8_t *body,
                             const char *end_marker, uintptr_t cancel, aipgo_outcome *outcome) {
    uintptr_t response = 0;
    int32_t status = aipgo_send(target, by_key, key, key_len, lengths, method, url, headers, body, end_marker, cancel,
                                &response, &outcome->error);
    if (response) aipgo_look(response, 1, outcome);
    return status;
}

// Copies the headers out where there was no room for them.
static void aipgo_headers(uintptr_t response, char *headers, size_t headers_len) {
    aip_response_headers_copy((aip_response *)response, headers, headers_len, NULL, NULL);
}

static void aipgo_response_free(uintptr_t response) { aip_response_free((aip_response *)response); }

// Nothing here keeps a pointer or calls into Go.
#cgo noescape aipgo_cancel_new
#cgo noescape aipgo_send
#cgo noescape aipgo_request
#cgo noescape aipgo_look
#cgo noescape aipgo_headers
#cgo nocallback aipgo_cancel_new
#cgo nocallback aipgo_cancel_fire
#cgo nocallback aipgo_cancel_free
#cgo nocallback aipgo_send
#cgo nocallback aipgo_request
#cgo nocallback aipgo_look
#cgo nocallback aipgo_headers
#cgo nocallback aipgo_response_free
*/
import "C"

import (
	"bytes"
	"math"
	"unsafe"
)

// outgoing is what belongs to one sending of a request.
type outgoing struct {
	// headers are packed.
	headers []byte
	body    []byte
	// cancel and upload are handles, 0 where there is none.
	cancel, upload uintptr
	stream         bool
}

// nativeDo sends over the pool's session of key or, where key is nil, over the session that target is.
func nativeDo(target uintptr, key *string, request *Request, sent outgoing) (*Response, *Error) {
	byKey := key != nil
	if !byKey {
		key = new(string)
	}
	lengths := requestNumbers(request, sent)
	var outcome C.aipgo_outcome
	status := C.aipgo_request(C.uintptr_t(target), flag(byKey), chars(*key), C.size_t(len(*key)), &lengths,
		chars(request.Method), chars(request.URL), packedChars(sent.headers), octets(sent.body),
		chars(request.EndMarker), C.uintptr_t(sent.cancel), &outcome)
	failure := toError(status, &outcome.error)
	if outcome.response == 0 {
		return nil, failure
	}
	return takeResponse(&outcome), failure
}

// nativeTakeAll copies a whole native response into Go memory and frees it.
func nativeTakeAll(response uintptr) *Response {
	calls.enter()
	defer calls.leave()
	return nativeTake(response, math.MaxInt)
}

// nativeTake does so for who drives; nil, and all is left, where the body is over most.
func nativeTake(response uintptr, most int) *Response {
	var outcome C.aipgo_outcome
	C.aipgo_look(C.uintptr_t(response), 1, &outcome)
	if int(outcome.body_len) > most {
		return nil
	}
	return takeResponse(&outcome)
}

// nativeOpen sends as nativeDo does, and returns the handle of a stream whose head has come.
func nativeOpen(target uintptr, key *string, request *Request, sent outgoing) (uintptr, *Error) {
	byKey := key != nil
	if !byKey {
		key = new(string)
	}
	lengths := requestNumbers(request, sent)
	var response C.uintptr_t
	var failure C.aip_error
	status := C.aipgo_send(C.uintptr_t(target), flag(byKey), chars(*key), C.size_t(len(*key)), &lengths,
		chars(request.Method), chars(request.URL), packedChars(sent.headers), octets(sent.body),
		chars(request.EndMarker), C.uintptr_t(sent.cancel), &response, &failure)
	return uintptr(response), toError(status, &failure)
}

// nativeHead copies the head of a stream.
func nativeHead(response uintptr) *Response {
	calls.enter()
	defer calls.leave()
	var outcome C.aipgo_outcome
	C.aipgo_look(C.uintptr_t(response), 0, &outcome)
	return toResponse(&outcome, nil)
}

func requestNumbers(request *Request, sent outgoing) C.aip_request {
	numbers := C.aip_request{
		size:                      C.sizeof_aip_request,
		method_len:                C.size_t(len(request.Method)),
		url_len:                   C.size_t(len(request.URL)),
		packed_headers_len:        C.size_t(len(sent.headers)),
		body_len:                  C.size_t(len(sent.body)),
		timeout_ms:                limit(request.Timeout),
		connect_timeout_ms:        limit(request.ConnectTimeout),
		max_body_bytes:            C.int64_t(request.MaxBody),
		queue_timeout_ms:          limit(request.QueueTimeout),
		dns_timeout_ms:            limit(request.DNSTimeout),
		tls_timeout_ms:            limit(request.TLSTimeout),
		send_timeout_ms:           limit(request.SendTimeout),
		first_byte_timeout_ms:     limit(request.FirstByteTimeout),
		between_bytes_timeout_ms:  limit(request.BetweenBytesTimeout),
		first_event_timeout_ms:    limit(request.FirstEventTimeout),
		between_events_timeout_ms: limit(request.BetweenEventsTimeout),
		max_redirects:             C.int64_t(request.MaxRedirects),
		max_retries:               C.int64_t(request.MaxRetries),
		event_format:              C.uint32_t(request.EventFormat),
		max_event_bytes:           C.int64_t(request.MaxEventBytes),
		end_marker_len:            C.size_t(len(request.EndMarker)),
	}
	if request.MayRepeat {
		numbers.flags |= C.AIP_REQUEST_MAY_REPEAT
	}
	if sent.stream {
		numbers.flags |= C.AIP_REQUEST_STREAM
	}
	return numbers
}

// takeResponse copies the native response into Go memory and frees it.
func takeResponse(outcome *C.aipgo_outcome) *Response {
	// Cloned before the response that lends it is freed.
	body := bytes.Clone(unsafe.Slice((*byte)(outcome.body), int(outcome.body_len)))
	response := toResponse(outcome, body)
	C.aipgo_response_free(outcome.response)
	return response
}

// headersOfOutcome are packed.
func headersOfOutcome(outcome *C.aipgo_outcome) string {
	length := int(outcome.headers_len)
	if length <= len(outcome.headers) {
		return string(unsafe.Slice((*byte)(unsafe.Pointer(&outcome.headers)), length))
	}
	return nativeHeaders(uintptr(outcome.response), length)
}

// nativeHeaders copies packed headers of a known length.
func nativeHeaders(response uintptr, length int) string {
	headers := make([]byte, length)
	C.aipgo_headers(C.uintptr_t(response), packedChars(headers), C.size_t(length))
	// Nobody writes to it any more, so it may be a string without another copy.
	return unsafe.String(unsafe.SliceData(headers), length)
}

func toResponse(outcome *C.aipgo_outcome, body []byte) *Response {
	info := &outcome.info
	return &Response{
		Status:  int(outcome.http_status),
		Headers: unpack(headersOfOutcome(outcome)),
		Body:    body,
		Info: Info{
			HTTPVersion:   int(info.http_version),
			Reused:        info.reused != 0,
			FirstByte:     micros(info.first_byte_us),
			Total:         micros(info.total_us),
			RemoteAddress: text(info.remote_address[:]),
			ConnectionID:  uint64(info.connection_id),
			Attempts:      int(info.attempts),
			Redirects:     int(info.redirects),
			TLS:           TLSHandshake(info.tls),
			Insecure:      info.insecure != 0,
			QueueTime:     micros(info.queue_us),
			DNSTime:       micros(info.dns_us),
			ConnectTime:   micros(info.connect_us),
			TLSTime:       micros(info.tls_us),
		},
	}
}

func freeResponse(response uintptr) {
	calls.enter()
	defer calls.leave()
	nativeFree(response)
}

// nativeFree is freeResponse for who drives, which enters no gate.
func nativeFree(response uintptr) {
	C.aipgo_response_free(C.uintptr_t(response))
}

func newCancel() (uintptr, *Error) {
	calls.enter()
	defer calls.leave()
	var cancel C.uintptr_t
	var failure C.aip_error
	status := C.aipgo_cancel_new(&cancel, &failure)
	return uintptr(cancel), toError(status, &failure)
}

func fireCancel(cancel uintptr) {
	C.aipgo_cancel_fire(C.uintptr_t(cancel))
}

func freeCancel(cancel uintptr) {
	calls.enter()
	defer calls.leave()
	C.aipgo_cancel_free(C.uintptr_t(cancel))
}
