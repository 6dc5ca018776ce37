package aipool

/*
#include "native_request.h"

// How many completions are taken at once.
#define AIPGO_BATCH 16

typedef struct {
    uint64_t tag;
    uint32_t kind;
    int32_t status;
    uintptr_t response;
    aip_error error;
} aipgo_news;

static int32_t aipgo_queue_new(uintptr_t pool, uintptr_t *queue, aip_error *error) {
    aip_queue *made = NULL;
    int32_t status = aip_queue_new((aip_pool *)pool, &made, error);
    *queue = (uintptr_t)made;
    return status;
}

static int32_t aipgo_queue_next(uintptr_t queue, aipgo_news *news, uint32_t timeout_ms, size_t *count,
                                aip_error *error) {
    aip_completion got[AIPGO_BATCH];
    int32_t status = aip_queue_next((aip_queue *)queue, got, AIPGO_BATCH, timeout_ms, count, error);
    if (status != AIP_OK) {
        *count = 0;
        return status;
    }
    for (size_t i = 0; i < *count; i++) {
        news[i].tag = got[i].tag;
        news[i].kind = got[i].kind;
        news[i].status = got[i].status;
        news[i].response = (uintptr_t)got[i].response;
        if (got[i].status != AIP_OK) news[i].error = got[i].error;
    }
    return AIP_OK;
}

static void aipgo_queue_wake(uintptr_t queue) { aip_queue_wake((aip_queue *)queue); }

static void aipgo_queue_free(uintptr_t queue) { aip_queue_free((aip_queue *)queue); }

// As often as aip_pool_request() gets a fresh session when the one it got was just closed.
#define AIPGO_SESSIONS 3

static int32_t aipgo_submit(uintptr_t target, int by_key, const char *key, size_t key_len, const aip_request *lengths,
                            const char *method, const char *url, const char *headers, const uint8_t *body,
                            const char *end_marker, uintptr_t cancel, uintptr_t upload, uintptr_t queue, uint64_t tag,
                            aip_error *error) {
    aip_request request = *lengths;
    aipgo_fill(&request, method, url, headers, body, end_marker, cancel, upload);
    if (!by_key) return aip_session_submit((aip_session *)target, &request, (aip_queue *)queue, tag, error);
    for (int i = 1;; i++) {
        aip_session *session = NULL;
        int32_t status = aip_pool_get_session((aip_pool *)target, key, key_len, NULL, &session, error);
        if (status != AIP_OK) return status;
        status = aip_session_submit(session, &request, (aip_queue *)queue, tag, error);
        aip_session_free(session);
        int stale = status == AIP_CLOSED
            && (error->detail == AIP_DETAIL_EVICTED || error->detail == AIP_DETAIL_SESSION_CLOSED);
        if (!stale || i == AIPGO_SESSIONS) return status;
    }
}

// Nothing here keeps a pointer or calls into Go.
#cgo noescape aipgo_queue_new
#cgo noescape aipgo_queue_next
#cgo noescape aipgo_submit
#cgo nocallback aipgo_queue_new
#cgo nocallback aipgo_queue_next
#cgo nocallback aipgo_queue_wake
#cgo nocallback aipgo_queue_free
#cgo nocallback aipgo_submit
*/
import "C"

// The kinds of completions.
const (
	newsHead     = C.AIP_COMPLETION_HEAD
	newsReadable = C.AIP_COMPLETION_READABLE
	newsWritable = C.AIP_COMPLETION_WRITABLE
	newsDone     = C.AIP_COMPLETION_DONE
)

// driveMillis bounds one wait of whoever drives.
const driveMillis = 60_000

// newsBatch is where completions are put, for one caller at a time.
type newsBatch [C.AIPGO_BATCH]C.aipgo_news

// next waits so long for completions and drives the I/O meanwhile: how many there are, none after a wake. With 0 it only looks.
func (b *newsBatch) next(queue uintptr, millis uint32) (int, *Error) {
	var count C.size_t
	var failure C.aip_error
	status := C.aipgo_queue_next(C.uintptr_t(queue), &b[0], C.uint32_t(millis), &count, &failure)
	if status == C.AIP_TIMEOUT || status == C.AIP_WOULD_BLOCK {
		return 0, nil
	}
	return int(count), toError(status, &failure)
}

// mostNews is how many completions are taken at once.
const mostNews = C.AIPGO_BATCH

// news is one completion.
type news struct {
	tag      uint64
	kind     uint32
	response uintptr
	failure  *Error
}

// at is one of the completions.
func (b *newsBatch) at(i int) news {
	came := &b[i]
	return news{uint64(came.tag), uint32(came.kind), uintptr(came.response), toError(C.int32_t(came.status), &came.error)}
}

func nativeQueueNew(pool uintptr) (uintptr, *Error) {
	var queue C.uintptr_t
	var failure C.aip_error
	status := C.aipgo_queue_new(C.uintptr_t(pool), &queue, &failure)
	return uintptr(queue), toError(status, &failure)
}

func wakeQueue(queue uintptr) {
	C.aipgo_queue_wake(C.uintptr_t(queue))
}

func freeQueue(queue uintptr) {
	C.aipgo_queue_free(C.uintptr_t(queue))
}

// nativeSubmit sends over the pool's session of key or, where key is nil, over the session that target is.
func nativeSubmit(target uintptr, key *string, request *Request, sent outgoing, queue uintptr, tag uint64) *Error {
	byKey := key != nil
	if !byKey {
		key = new(string)
	}
	lengths := requestNumbers(request, sent)
	var failure C.aip_error
	status := C.aipgo_submit(C.uintptr_t(target), flag(byKey), chars(*key), C.size_t(len(*key)), &lengths,
		chars(request.Method), chars(request.URL), packedChars(sent.headers), octets(sent.body),
		chars(request.EndMarker), C.uintptr_t(sent.cancel), C.uintptr_t(sent.upload), C.uintptr_t(queue),
		C.uint64_t(tag), &failure)
	return toError(status, &failure)
}
