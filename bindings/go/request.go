package aipool

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Header is one header of a request or response. Since 0.1.
type Header struct {
	// Name is a token in any case; in a response it is in lower case.
	Name string
	// Value is any bytes without CR, LF and NUL.
	Value string
}

// Headers are headers in order, repeated names included. Names are compared in any case. Since 0.1.
type Headers []Header

// Get returns the first value of a name, "" where there is none. Since 0.1.
func (h Headers) Get(name string) string {
	for _, header := range h {
		if strings.EqualFold(header.Name, name) {
			return header.Value
		}
	}
	return ""
}

// Values returns all values of a name, in order. Since 0.1.
func (h Headers) Values(name string) []string {
	var values []string
	for _, header := range h {
		if strings.EqualFold(header.Name, name) {
			values = append(values, header.Value)
		}
	}
	return values
}

// Add appends a header. Since 0.1.
func (h *Headers) Add(name, value string) {
	// Clipped: two copies of common headers must not write into one spare place.
	*h = append(slices.Clip(*h), Header{name, value})
}

// Set appends a header in the place of all of that name. Since 0.1.
func (h *Headers) Set(name, value string) {
	h.Del(name)
	h.Add(name, value)
}

// Del removes all headers of a name. Since 0.1.
func (h *Headers) Del(name string) {
	kept := make(Headers, 0, len(*h)+1)
	for _, header := range *h {
		if !strings.EqualFold(header.Name, name) {
			kept = append(kept, header)
		}
	}
	*h = kept
}

// Request is one request. The zero value, like nil, is a GET of the session's base URL. It may be used again and by many
// goroutines at once; its memory is yours again when Do returns. Since 0.1.
type Request struct {
	// Method is a token; "" is GET.
	Method string
	// URL is absolute, or a path that is appended to the session's base URL ("chat", "/chat", "?q=1"; "" is the base).
	URL string
	// Headers of one name are sent in this order; different names may be sent in another.
	Headers Headers
	// Body is the whole body.
	Body []byte
	// BodyReader is the body, in place of Body, read while it goes out, by a goroutine of its own unless it is a reader of
	// bytes or strings. It serves one request, and is closed, whatever becomes of that, where it is an io.Closer; that may be
	// after Do has returned. What it fails with is found in the request's error.
	BodyReader io.Reader
	// BodyLength is how many bytes BodyReader has, sent as content-length and held to; 0 is unknown.
	BodyLength int64
	// Timeout is as in Options, for this request; 0 is the session's, also where a deadline has just passed: give ctx that.
	Timeout time.Duration
	// ConnectTimeout is as in Options, for this request; 0 is the session's.
	ConnectTimeout time.Duration
	// MaxBody is as in Options, for this request; 0 is the session's.
	MaxBody int64
	// QueueTimeout is as in Options, for this request; 0 is the session's.
	QueueTimeout time.Duration
	// DNSTimeout is as in Options, for this request; 0 is the session's.
	DNSTimeout time.Duration
	// TLSTimeout is as in Options, for this request; 0 is the session's.
	TLSTimeout time.Duration
	// SendTimeout is as in Options, for this request; 0 is the session's.
	SendTimeout time.Duration
	// FirstByteTimeout is as in Options, for this request; 0 is the session's.
	FirstByteTimeout time.Duration
	// BetweenBytesTimeout is as in Options, for this request; 0 is the session's.
	BetweenBytesTimeout time.Duration
	// FirstEventTimeout is as in Options, for this request; 0 is the session's.
	FirstEventTimeout time.Duration
	// BetweenEventsTimeout is as in Options, for this request; 0 is the session's.
	BetweenEventsTimeout time.Duration
	// EventFormat is how Stream.Events reads the body; EventsByType, which 0 is, goes by the content-type.
	EventFormat EventFormat
	// MaxEventBytes is the most bytes of one event; 0 is 8 MiB. Off or Unlimited: no limit.
	MaxEventBytes int64
	// EndMarker is the data of the event that ends a stream ("[DONE]"): one that ends without it is StatusTruncated for
	// Stream.Events. "" is none.
	EndMarker string
	// MaxRedirects is as in SessionOptions, for this request; 0 is the session's, Off none.
	MaxRedirects int
	// MaxRetries is as in SessionOptions, for this request; 0 is the session's, Off none.
	MaxRetries int
	// MayRepeat says that the server may get this request twice: it is sent again over a fresh connection when a reused one
	// broke without a byte of an answer. Idempotent methods and requests with an Idempotency-Key header need it not.
	MayRepeat bool
}

// Do gets the session of key and sends a request over it, again on a fresh session when that one was just closed. A session
// it has to make anew after an eviction or CloseSession has default options; one that was only closed keeps its own. Where
// options such as a proxy matter, send over a session you got with them. Otherwise as [Pool.Session] and [Session.Do].
// Since 0.1.
func (p *Pool) Do(ctx context.Context, key string, request *Request) (*Response, error) {
	defer runtime.KeepAlive(p)
	return do(ctx, p, destination{target: p.handle.token.Load(), key: &key}, request)
}

// Do sends a request and waits for the whole response, within the request's limits. A status of 400 or more is a response.
//
// A failure is an [*Error]; on StatusTooLarge and StatusTruncated its Response is what came. When ctx ends, so does the
// request: the error then is StatusCancelled and matches ctx.Err() and context.Cause(ctx). Nothing is sent when ctx has
// ended before. On a session that was closed before it matches ErrClosed, and nothing was sent. Since 0.1.
func (s *Session) Do(ctx context.Context, request *Request) (*Response, error) {
	defer runtime.KeepAlive(s)
	return do(ctx, s.pool, destination{target: s.handle.token.Load()}, request)
}

// do sends and waits for the whole response. A request that is alone waits in the library itself, which is the quickest way;
// as soon as there are others, they take turns.
func do(ctx context.Context, pool *Pool, to destination, request *Request) (*Response, error) {
	sent, err := prepare(ctx, pool, to, request, false)
	if err != nil {
		return nil, err
	}
	var response *Response
	var failure *Error
	if sent.alone {
		response, failure = nativeDo(to.target, to.key, sent.request, sent.out)
	} else {
		response, failure = sent.submitted(to)
	}
	if failure == nil {
		sent.end()
		return response, nil
	}
	failure.Response = response
	return nil, sent.failed(ctx, failure)
}

// destination is where a request goes.
type destination struct {
	// target is a session or, where there is a key, a pool.
	target uintptr
	key    *string
	// fresh is asked for another session when this one was just closed; nil where there is none.
	fresh func() (uintptr, error)
}

// mostSessions is how many are tried, as Pool.Do does it.
const mostSessions = 3

// try sends, and again to another session while the one it got was just closed.
func (d destination) try(send func(target uintptr) *Error) *Error {
	for tried := 1; ; tried++ {
		failure := send(d.target)
		if failure == nil || d.fresh == nil || tried == mostSessions || !failure.stale() {
			return failure
		}
		again, err := d.fresh()
		if err != nil {
			return failure
		}
		d.target = again
	}
}

// stale is whether another session would take the request.
func (e *Error) stale() bool {
	return e.Status == StatusInvalidHandle ||
		e.Status == StatusClosed && (e.Detail == DetailEvicted || e.Detail == DetailSessionClosed)
}

// underWay is a request that was begun.
type underWay struct {
	pool    *Pool
	request *Request
	out     outgoing
	watched *watched
	upload  *upload
	// pumped: a goroutine reads the upload's body, and frees it.
	pumped bool
	// alone: it waits in the library itself, not with others at the pool's queue. One at a time does.
	alone bool
	// operation is its part at the queue; nil where it is alone.
	operation *operation
	// front is what who drives has taken of a stream.
	front *front
	// response is a stream's, until it is given up.
	response atomic.Uintptr
	ended    atomic.Bool
}

// prepare checks a request and makes what it needs, until end.
func prepare(ctx context.Context, pool *Pool, to destination, request *Request, stream bool) (sent *underWay, err error) {
	if request == nil {
		request = &Request{}
	}
	closeBody := closing(request.BodyReader)
	defer func() {
		if err != nil {
			closeBody()
		}
	}()
	if err := ended(ctx); err != nil {
		return nil, err
	}
	if to.target == 0 {
		return nil, &Error{Status: StatusInvalidHandle, Message: "handle: is closed; get the session or pool again"}
	}
	sent = &underWay{pool: pool, request: request, out: outgoing{body: request.Body, stream: stream}}
	if sent.out.headers, err = pack(request.Headers); err != nil {
		return nil, err
	}
	if err := sent.takeBody(closeBody); err != nil {
		return nil, err
	}
	var failure *Error
	if sent.watched, failure = watch(ctx); failure != nil {
		sent.freeUpload()
		return nil, failure
	}
	sent.out.cancel = sent.watched.token()
	sent.alone = pool.underWay.Add(1) == 1 && sent.upload == nil
	return sent, nil
}

// takeBody takes a BodyReader for the request's body: whole where it is in memory, else as an upload.
func (s *underWay) takeBody(closeBody func()) error {
	request := s.request
	if request.BodyReader == nil {
		return nil
	}
	if request.Body != nil || request.BodyLength < 0 {
		return invalid("BodyReader: stands beside a Body, or BodyLength is below 0; give one, and its length or 0")
	}
	if known, length := inMemory(request.BodyReader); known != nil {
		defer closeBody()
		body, err := readWhole(known, length, request.BodyLength)
		if err != nil {
			return invalid(err.Error())
		}
		s.out.body = body
		return nil
	}
	upload, failure := newUploadOf(request, closeBody)
	if failure != nil {
		return failure
	}
	s.upload, s.out.upload = upload, upload.token
	return nil
}

// mostInTurn is the most of a body that who drives copies, one way or the other: all others wait meanwhile.
const mostInTurn = 64 << 10

// submit gives it to the pool's queue, or leaves that to whoever drives.
func (s *underWay) submit(target uintptr, key *string, take take) (failure *Error) {
	if s.operation, failure = s.pool.driver.register(s.pool.token, take); failure != nil {
		return failure
	}
	s.watched.bring(s.operation)
	send := func(queue uintptr, tag uint64) *Error {
		return nativeSubmit(target, key, s.request, s.out, queue, tag)
	}
	if s.upload == nil && len(s.out.body) <= mostInTurn {
		s.operation.submitLater(send)
		return nil
	}
	failure = s.operation.submit(func(queue uintptr, tag uint64) *Error {
		return calls.through(func() *Error { return send(queue, tag) })
	})
	if failure == nil && s.upload != nil {
		s.pumped = true
		go s.upload.pump(s.operation)
	}
	return failure
}

// submitted waits for the whole response at the queue.
func (s *underWay) submitted(to destination) (response *Response, failure *Error) {
	failure = s.submit(to.target, to.key, func(token uintptr) uintptr {
		if response = nativeTake(token, mostInTurn); response == nil {
			return token
		}
		return 0
	})
	if failure != nil {
		return nil, failure
	}
	token, failure := s.operation.answer()
	if token != 0 {
		response = nativeTakeAll(token)
	}
	return response, failure
}

// freeUpload is for one that nobody pumps.
func (s *underWay) freeUpload() {
	if s.upload != nil && !s.pumped {
		freeUpload(s.upload.token)
	}
}

// end gives up what a request that has ended needed. It may be called again.
func (s *underWay) end() {
	if !s.ended.Swap(true) {
		s.watched.end()
		s.upload.stop()
		s.freeUpload()
		s.pool.underWay.Add(-1)
	}
}

// giveUp is for a stream that nobody reads any more. It may be called again.
func (s *underWay) giveUp() {
	if response := s.response.Swap(0); response != 0 {
		freeResponse(response)
	}
	s.end()
	if s.operation != nil {
		s.operation.forget()
	}
}

// failed ends a request without an answer: its error says why.
func (s *underWay) failed(ctx context.Context, failure *Error) error {
	s.end()
	if failure.Status == StatusCancelled {
		failure.causes = nil
		if ctx.Err() != nil {
			failure.causes = causes(ctx)
		}
	}
	if err := s.upload.failed(); err != nil && ctx.Err() == nil {
		failure.causes = []error{err}
	}
	return failure
}

// watched fires a native cancel handle when a context ends. Nil watches nothing.
type watched struct {
	cancel    atomic.Uintptr
	stop      func() bool
	operation atomic.Pointer[operation]
}

// watch makes the cancel handle; nil where ctx never ends.
func watch(ctx context.Context) (*watched, *Error) {
	if ctx.Done() == nil {
		return nil, nil
	}
	token, failure := newCancel()
	if failure != nil {
		return nil, failure
	}
	w := new(watched)
	w.cancel.Store(token)
	w.stop = context.AfterFunc(ctx, w.fire)
	return w, nil
}

// fire ends the request, and brings back who reads from it. A stale handle is harmless.
func (w *watched) fire() {
	fireCancel(w.cancel.Load())
	if operation := w.operation.Load(); operation != nil {
		operation.interrupt()
	}
}

func (w *watched) token() uintptr {
	if w == nil {
		return 0
	}
	return w.cancel.Load()
}

// bring names the operation whose reader is brought back when the context ends.
func (w *watched) bring(operation *operation) {
	if w != nil {
		w.operation.Store(operation)
	}
}

// end watches no more. It may be called again.
func (w *watched) end() {
	if w != nil {
		w.stop()
		if token := w.cancel.Swap(0); token != 0 {
			freeCancel(token)
		}
	}
}

// ended is the error of a context that has ended before anything was sent.
func ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return &Error{Status: StatusCancelled, Message: "request: its context has ended before", causes: causes(ctx)}
}

// pack writes headers as name NUL value NUL, which needs no pointers in C.
func pack(headers Headers) ([]byte, error) {
	size := 0
	for i, header := range headers {
		// A NUL would end the part early and shift all that follows.
		if strings.IndexByte(header.Name, 0) >= 0 {
			return nil, invalid(fmt.Sprintf("headers[%d]: the name holds a NUL; remove it", i))
		}
		if strings.IndexByte(header.Value, 0) >= 0 {
			return nil, invalid(fmt.Sprintf("headers[%d]: the value holds a NUL; remove it", i))
		}
		size += len(header.Name) + len(header.Value) + 2
	}
	packed := make([]byte, 0, size)
	for _, header := range headers {
		packed = append(append(packed, header.Name...), 0)
		packed = append(append(packed, header.Value...), 0)
	}
	return packed, nil
}
