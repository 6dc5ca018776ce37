package aipool

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
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
	return do(ctx, p.handle.token.Load(), &key, request)
}

// Do sends a request and waits for the whole response, within the request's limits. A status of 400 or more is a response.
//
// A failure is an [*Error]; on StatusTooLarge and StatusTruncated its Response is what came. When ctx ends, so does the
// request: the error then is StatusCancelled and matches ctx.Err() and context.Cause(ctx). Nothing is sent when ctx has
// ended before. On a session that was closed before it matches ErrClosed, and nothing was sent. Since 0.1.
func (s *Session) Do(ctx context.Context, request *Request) (*Response, error) {
	defer runtime.KeepAlive(s)
	return do(ctx, s.handle.token.Load(), nil, request)
}

// do sends over the pool's session of key or, where key is nil, over the session that target is.
func do(ctx context.Context, target uintptr, key *string, request *Request) (*Response, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	if request == nil {
		request = &Request{}
	}
	packed, err := pack(request.Headers)
	if err != nil {
		return nil, err
	}
	cancel, unwatch, err := watch(ctx)
	if err != nil {
		return nil, err
	}
	defer unwatch()
	response, failure := nativeDo(target, key, request, packed, cancel)
	if failure == nil {
		return response, nil
	}
	if failure.Status == StatusCancelled {
		failure.causes = causes(ctx)
	}
	return nil, failure
}

// watch makes a native cancel handle that fires when ctx ends; 0 where ctx never does.
func watch(ctx context.Context) (cancel uintptr, unwatch func(), err error) {
	if ctx.Done() == nil {
		return 0, func() {}, nil
	}
	token, failure := newCancel()
	if failure != nil {
		return 0, nil, failure
	}
	stop := context.AfterFunc(ctx, func() { fireCancel(token) })
	return token, func() {
		stop()
		// A fire that runs at this moment finds a stale handle, which is harmless.
		freeCancel(token)
	}, nil
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
