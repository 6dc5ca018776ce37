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

typedef struct {
    uintptr_t response;
    const uint8_t *body;
    size_t body_len;
    size_t headers_len;
    uint32_t http_status;
    aip_response_info info;
    aip_error error;
} aipgo_outcome;

// Looks at what came; the body only of what is whole.
static void aipgo_look(uintptr_t token, int whole, aipgo_outcome *outcome) {
    aip_response *response = (aip_response *)token;
    outcome->response = token;
    outcome->http_status = aip_response_status(response);
    aip_response_get_info(response, &outcome->info, sizeof outcome->info);
    aip_response_headers_copy(response, NULL, 0, &outcome->headers_len, NULL);
    if (whole) aip_response_body(response, &outcome->body, &outcome->body_len, NULL);
}

// Sends, and looks at what came; a response is left for aipgo_finish().
static int32_t aipgo_request(uintptr_t target, int by_key, const char *key, size_t key_len, const aip_request *lengths,
                             const char *method, const char *url, const char *headers, const uint8_t *body,
                             const char *end_marker, uintptr_t cancel, aipgo_outcome *outcome) {
    aip_request request = *lengths;
    aipgo_fill(&request, method, url, headers, body, end_marker, cancel, 0);
    aip_response *response = NULL;
    int32_t status = by_key
        ? aip_pool_request((aip_pool *)target, key, key_len, &request, &response, &outcome->error)
        : aip_session_request((aip_session *)target, &request, &response, &outcome->error);
    if (response) aipgo_look((uintptr_t)response, 1, outcome);
    return status;
}

// Copies the headers out.
static void aipgo_headers(uintptr_t response, char *headers, size_t headers_len) {
    aip_response_headers_copy((aip_response *)response, headers, headers_len, NULL, NULL);
}

// Copies the headers out and frees the response.
static void aipgo_finish(uintptr_t response, char *headers, size_t headers_len) {
    aip_response_headers_copy((aip_response *)response, headers, headers_len, NULL, NULL);
    aip_response_free((aip_response *)response);
}

// Nothing here keeps a pointer or calls into Go.
#cgo noescape aipgo_cancel_new
#cgo noescape aipgo_request
#cgo noescape aipgo_look
#cgo noescape aipgo_headers
#cgo noescape aipgo_finish
#cgo nocallback aipgo_cancel_new
#cgo nocallback aipgo_cancel_fire
#cgo nocallback aipgo_cancel_free
#cgo nocallback aipgo_request
#cgo nocallback aipgo_look
#cgo nocallback aipgo_headers
#cgo nocallback aipgo_finish
*/
import "C"

import (
	"bytes"
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
	response := takeResponse(&outcome)
	if failure != nil {
		failure.Response = response
		return nil, failure
	}
	return response, nil
}

// nativeTake copies a whole native response into Go memory and frees it.
func nativeTake(response uintptr) *Response {
	var outcome C.aipgo_outcome
	C.aipgo_look(C.uintptr_t(response), 1, &outcome)
	return takeResponse(&outcome)
}

// nativeHead copies the head of a stream.
func nativeHead(response uintptr) *Response {
	var outcome C.aipgo_outcome
	C.aipgo_look(C.uintptr_t(response), 0, &outcome)
	headers := make([]byte, int(outcome.headers_len))
	C.aipgo_headers(outcome.response, packedChars(headers), outcome.headers_len)
	return toResponse(&outcome, headers, nil)
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
	headers := make([]byte, int(outcome.headers_len))
	C.aipgo_finish(outcome.response, packedChars(headers), outcome.headers_len)
	return toResponse(outcome, headers, body)
}

func toResponse(outcome *C.aipgo_outcome, headers, body []byte) *Response {
	info := &outcome.info
	return &Response{
		Status: int(outcome.http_status),
		// Nobody writes to it any more, so it may be a string without another copy.
		Headers: unpack(unsafe.String(unsafe.SliceData(headers), len(headers))),
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
