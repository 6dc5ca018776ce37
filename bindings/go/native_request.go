package aipool

/*
#include "aipool.h"

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

// Sends, and looks at what came; a response is left for aipgo_finish().
static int32_t aipgo_request(uintptr_t target, int by_key, const char *key, size_t key_len, const aip_request *lengths,
                             const char *method, const char *url, const char *headers, const uint8_t *body,
                             uintptr_t cancel, aipgo_outcome *outcome) {
    aip_request request = *lengths;
    request.method = method;
    request.url = url;
    request.packed_headers = headers;
    request.body = body;
    request.cancel = (aip_cancel *)cancel;
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
    return status;
}

// Copies the headers out and frees the response.
static void aipgo_finish(uintptr_t response, char *headers, size_t headers_len) {
    aip_response_headers_copy((aip_response *)response, headers, headers_len, NULL, NULL);
    aip_response_free((aip_response *)response);
}

// Nothing here keeps a pointer or calls into Go.
#cgo noescape aipgo_cancel_new
#cgo noescape aipgo_request
#cgo noescape aipgo_finish
#cgo nocallback aipgo_cancel_new
#cgo nocallback aipgo_cancel_fire
#cgo nocallback aipgo_cancel_free
#cgo nocallback aipgo_request
#cgo nocallback aipgo_finish
*/
import "C"

import (
	"bytes"
	"unsafe"
)

// nativeDo sends over the pool's session of key or, where key is nil, over the session that target is.
func nativeDo(target uintptr, key *string, request *Request, headers []byte, cancel uintptr) (*Response, *Error) {
	byKey := key != nil
	if !byKey {
		key = new(string)
	}
	lengths := requestNumbers(request)
	lengths.packed_headers_len = C.size_t(len(headers))
	var outcome C.aipgo_outcome
	status := C.aipgo_request(C.uintptr_t(target), flag(byKey), chars(*key), C.size_t(len(*key)), &lengths,
		chars(request.Method), chars(request.URL), packedChars(headers), octets(request.Body), C.uintptr_t(cancel),
		&outcome)
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

func requestNumbers(request *Request) C.aip_request {
	numbers := C.aip_request{
		size:                     C.sizeof_aip_request,
		method_len:               C.size_t(len(request.Method)),
		url_len:                  C.size_t(len(request.URL)),
		body_len:                 C.size_t(len(request.Body)),
		timeout_ms:               limit(request.Timeout),
		connect_timeout_ms:       limit(request.ConnectTimeout),
		max_body_bytes:           C.int64_t(request.MaxBody),
		queue_timeout_ms:         limit(request.QueueTimeout),
		dns_timeout_ms:           limit(request.DNSTimeout),
		tls_timeout_ms:           limit(request.TLSTimeout),
		send_timeout_ms:          limit(request.SendTimeout),
		first_byte_timeout_ms:    limit(request.FirstByteTimeout),
		between_bytes_timeout_ms: limit(request.BetweenBytesTimeout),
		max_redirects:            C.int64_t(request.MaxRedirects),
		max_retries:              C.int64_t(request.MaxRetries),
	}
	if request.MayRepeat {
		numbers.flags = C.AIP_REQUEST_MAY_REPEAT
	}
	return numbers
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
