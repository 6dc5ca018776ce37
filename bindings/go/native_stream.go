package aipool

/*
#include "aipool.h"
#include <string.h>

static int32_t aipgo_response_read(uintptr_t response, uint8_t *buf, size_t cap, uint32_t timeout_ms, size_t *count,
                                   aip_error *error) {
    return aip_response_read((aip_response *)response, buf, cap, timeout_ms, count, error);
}

// The head of a stream, and what of its body is there already.
typedef struct {
    uint32_t http_status;
    uint32_t http_version;
    size_t headers_len;
    size_t body_len;
    // The body has ended, nothing follows it, and the response is freed.
    uint32_t whole;
} aipgo_front;

// Puts the packed headers into `room`, and behind them as much of the body as has come and finds room. Where the headers do
// not fit, nothing is put.
static void aipgo_take_front(uintptr_t token, uint8_t *room, size_t cap, aipgo_front *front) {
    aip_response *response = (aip_response *)token;
    aip_response_info info = {0};
    aip_response_get_info(response, &info, sizeof info);
    front->http_status = aip_response_status(response);
    front->http_version = info.http_version;
    if (aip_response_headers_copy(response, (char *)room, cap, &front->headers_len, NULL) != AIP_OK) return;
    room += front->headers_len;
    cap -= front->headers_len;
    int32_t status = AIP_OK;
    while (status == AIP_OK && front->body_len < cap) {
        size_t count = 0;
        status = aip_response_read(response, room + front->body_len, cap - front->body_len, 0, &count, NULL);
        if (status == AIP_OK) front->body_len += count;
    }
    size_t trailers = 0;
    if (status != AIP_END) return;
    aip_response_trailers_copy(response, NULL, 0, &trailers, NULL);
    front->whole = trailers == 0;
    if (front->whole) aip_response_free(response);
}

// An event's numbers, and its texts one after the other: data, name, id.
typedef struct {
    size_t data_len;
    size_t name_len;
    size_t id_len;
    uint64_t retry_ms;
    uint32_t flags;
    uint32_t copied;
} aipgo_event;

// Copies the texts of the next event where `cap` is enough for them; else they are for aipgo_event_copy().
// Another goroutine may free the response at any time: nothing borrowed is looked at.
static int32_t aipgo_event_copy(uintptr_t response, char *texts, const aipgo_event *event, aip_error *error) {
    const uint32_t parts[] = {AIP_PART_DATA, AIP_PART_NAME, AIP_PART_ID};
    const size_t lengths[] = {event->data_len, event->name_len, event->id_len};
    for (int i = 0; i < 3; i++) {
        if (lengths[i] == 0) continue;
        int32_t status = aip_response_event_copy((aip_response *)response, parts[i], texts, lengths[i], NULL, error);
        if (status != AIP_OK) return status;
        texts += lengths[i];
    }
    return AIP_OK;
}

static int32_t aipgo_next_event(uintptr_t response, char *texts, size_t cap, uint32_t timeout_ms, aipgo_event *out,
                                aip_error *error) {
    aip_stream_event event;
    int32_t status = aip_response_next_event((aip_response *)response, timeout_ms, &event, error);
    if (status != AIP_OK) return status;
    out->data_len = event.data_len;
    out->name_len = event.name_len;
    out->id_len = event.id_len;
    out->retry_ms = event.retry_ms;
    out->flags = event.flags;
    out->copied = event.data_len + event.name_len + event.id_len <= cap;
    return out->copied ? aipgo_event_copy(response, texts, out, error) : AIP_OK;
}

static int32_t aipgo_trailers(uintptr_t response, char *buf, size_t cap, size_t *needed) {
    return aip_response_trailers_copy((aip_response *)response, buf, cap, needed, NULL);
}

static int32_t aipgo_upload_new(int64_t length, uintptr_t *upload, aip_error *error) {
    aip_upload *made = NULL;
    int32_t status = aip_upload_new(length, &made, error);
    *upload = (uintptr_t)made;
    return status;
}

static int32_t aipgo_upload_write(uintptr_t upload, const uint8_t *data, size_t len, size_t *taken, aip_error *error) {
    return aip_upload_write((aip_upload *)upload, data, len, 0, taken, error);
}

static int32_t aipgo_upload_finish(uintptr_t upload, aip_error *error) {
    return aip_upload_finish((aip_upload *)upload, error);
}

static void aipgo_upload_free(uintptr_t upload) { aip_upload_free((aip_upload *)upload); }

// Nothing here keeps a pointer or calls into Go.
#cgo noescape aipgo_response_read
#cgo noescape aipgo_take_front
#cgo noescape aipgo_next_event
#cgo noescape aipgo_event_copy
#cgo noescape aipgo_trailers
#cgo noescape aipgo_upload_new
#cgo noescape aipgo_upload_write
#cgo noescape aipgo_upload_finish
#cgo nocallback aipgo_response_read
#cgo nocallback aipgo_take_front
#cgo nocallback aipgo_next_event
#cgo nocallback aipgo_event_copy
#cgo nocallback aipgo_trailers
#cgo nocallback aipgo_upload_new
#cgo nocallback aipgo_upload_write
#cgo nocallback aipgo_upload_finish
#cgo nocallback aipgo_upload_free
*/
import "C"

import (
	"bytes"
	"sync"
	"time"
)

// nativeRead reads what is there, and waits for it so long: StatusWouldBlock where that is nothing, StatusEnd at the end.
func nativeRead(response uintptr, buffer []byte, wait uint32) (int, *Error) {
	if wait == 0 {
		calls.enter()
		defer calls.leave()
	}
	var count C.size_t
	var failure C.aip_error
	status := C.aipgo_response_read(C.uintptr_t(response), octets(buffer), C.size_t(len(buffer)), C.uint32_t(wait), &count,
		&failure)
	if failure := toOutcome(status, &failure); failure != nil {
		return 0, failure
	}
	return int(count), nil
}

// front is the head of a stream, and what of its body had come by then.
type front struct {
	status, version int
	// headers are packed.
	headers string
	body    []byte
	// whole: that was the whole body, nothing follows it, and the native response is freed.
	whole bool
}

// frontBytes is enough for most heads, and for small bodies.
const frontBytes = 8 << 10

var fronts = sync.Pool{New: func() any { return new([frontBytes]byte) }}

// nativeFront takes a stream's head and what of its body is there.
func nativeFront(response uintptr) *front {
	room := fronts.Get().(*[frontBytes]byte)
	defer fronts.Put(room)
	var came C.aipgo_front
	C.aipgo_take_front(C.uintptr_t(response), octets(room[:]), frontBytes, &came)
	taken := &front{status: int(came.http_status), version: int(came.http_version), whole: came.whole != 0}
	length := int(came.headers_len)
	if length > frontBytes {
		taken.headers = nativeHeaders(response, length)
		return taken
	}
	taken.headers = string(room[:length])
	taken.body = bytes.Clone(room[length : length+int(came.body_len)])
	return taken
}

// nativeNextEvent reads the next event, as nativeRead does; texts is room for what it says, if that is enough.
func nativeNextEvent(response uintptr, texts []byte, wait uint32) (Event, *Error) {
	if wait == 0 {
		calls.enter()
		defer calls.leave()
	}
	var event C.aipgo_event
	var failure C.aip_error
	status := C.aipgo_next_event(C.uintptr_t(response), packedChars(texts), C.size_t(len(texts)), C.uint32_t(wait), &event,
		&failure)
	if failure := toOutcome(status, &failure); failure != nil {
		return Event{}, failure
	}
	data, name, id := int(event.data_len), int(event.name_len), int(event.id_len)
	if event.copied == 0 {
		texts = make([]byte, data+name+id)
		status := C.aipgo_event_copy(C.uintptr_t(response), packedChars(texts), &event, &failure)
		if failure := toError(status, &failure); failure != nil {
			return Event{}, failure
		}
	}
	all := string(texts[:data+name+id])
	shown := Event{
		Data:       all[:data],
		Name:       all[data : data+name],
		ID:         all[data+name:],
		Incomplete: event.flags&C.AIP_EVENT_INCOMPLETE != 0,
	}
	if event.flags&C.AIP_EVENT_RETRY != 0 {
		shown.Retry = time.Duration(event.retry_ms) * time.Millisecond
	}
	return shown, nil
}

// Outcomes that come often, and say all by their status.
var (
	wouldBlock = &Error{Status: StatusWouldBlock, Message: "nothing to read, take or write just now"}
	streamEnd  = &Error{Status: StatusEnd, Message: "the stream has ended"}
)

func toOutcome(status C.int32_t, failure *C.aip_error) *Error {
	switch status {
	case C.AIP_WOULD_BLOCK:
		return wouldBlock
	case C.AIP_END:
		return streamEnd
	}
	return toError(status, failure)
}

func nativeTrailers(response uintptr) Headers {
	var needed C.size_t
	C.aipgo_trailers(C.uintptr_t(response), nil, 0, &needed)
	if needed == 0 {
		return nil
	}
	block := make([]byte, int(needed))
	if C.aipgo_trailers(C.uintptr_t(response), packedChars(block), needed, &needed) != C.AIP_OK {
		return nil
	}
	return unpack(string(block))
}

// newUpload makes an upload of so many bytes; 0 is unknown.
func newUpload(length int64) (uintptr, *Error) {
	if length == 0 {
		length = Unlimited
	}
	var upload C.uintptr_t
	var failure C.aip_error
	status := C.aipgo_upload_new(C.int64_t(length), &upload, &failure)
	return uintptr(upload), toError(status, &failure)
}

// nativeWrite gives the upload more, without waiting: how much it took, StatusWouldBlock where that is nothing.
func nativeWrite(upload uintptr, data []byte) (int, *Error) {
	calls.enter()
	defer calls.leave()
	var taken C.size_t
	var failure C.aip_error
	status := C.aipgo_upload_write(C.uintptr_t(upload), octets(data), C.size_t(len(data)), &taken, &failure)
	if failure := toOutcome(status, &failure); failure != nil {
		return 0, failure
	}
	return int(taken), nil
}

func finishUpload(upload uintptr) *Error {
	var failure C.aip_error
	return toError(C.aipgo_upload_finish(C.uintptr_t(upload), &failure), &failure)
}

func freeUpload(upload uintptr) {
	C.aipgo_upload_free(C.uintptr_t(upload))
}
