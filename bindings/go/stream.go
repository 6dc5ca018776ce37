package aipool

import (
	"context"
	"io"
	"iter"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
)

// Stream is a response whose body is read while it comes: by Body, or by Events; the first that is used is the only one.
// Read it to its end or close it; the garbage collector gives up one that was forgotten. One goroutine reads, any may close.
// Since 0.1.
type Stream struct {
	// Status is the HTTP status.
	Status int
	// Headers are all headers, names in lower case; repeated ones keep their order.
	Headers Headers
	// Info is how the response came, to its head: Total is 0.
	Info Info
	// Body is the decoded body. It fails with an [*Error], after all that came was read, and with http.ErrBodyReadAfterClose
	// after Close; where the request's context ended, at once.
	Body io.ReadCloser

	body *streamBody
}

// Stream sends a request and returns when the head of the response has come; the body is read while it comes. Timeout and
// MaxBody count only where the request itself sets them; where nobody sets FirstByteTimeout or BetweenBytesTimeout, they are
// 5 minutes. A failure is an [*Error], as Do has it; over reqwest it is StatusUnsupported.
//
// When ctx ends, so does the stream, also while it is read: the error is then as Do has it. Since 0.1.
func (s *Session) Stream(ctx context.Context, request *Request) (*Stream, error) {
	defer runtime.KeepAlive(s)
	body, head, err := openStream(ctx, s.pool, destination{target: s.handle.token.Load()}, request)
	if err != nil {
		return nil, err
	}
	return &Stream{Status: head.Status, Headers: head.Headers, Info: head.Info, Body: body, body: body}, nil
}

// Stream sends a request over the session of key, which it gets as [Pool.Do] does. Otherwise as [Session.Stream]. Since 0.1.
func (p *Pool) Stream(ctx context.Context, key string, request *Request) (*Stream, error) {
	defer runtime.KeepAlive(p)
	body, head, err := openStream(ctx, p, destination{target: p.handle.token.Load(), key: &key}, request)
	if err != nil {
		return nil, err
	}
	return &Stream{Status: head.Status, Headers: head.Headers, Info: head.Info, Body: body, body: body}, nil
}

// Events reads the events of the body, server-sent ones or NDJSON, as Request.EventFormat or the content-type say. The
// stream is closed when the loop ends, however it ends. An error is the last that is given; a stream that ends in good order
// gives none. Errors are those of Body, and StatusTruncated where Request.EndMarker never came, StatusTooLarge beyond
// Request.MaxEventBytes, StatusInvalidArgument where the content-type is of no known framing. Since 0.1.
func (s *Stream) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		defer s.Close()
		for {
			event, err := s.body.nextEvent()
			if err == io.EOF || !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// Trailer returns what came behind the body: nil before its end was read, and where there was nothing. Since 0.1.
func (s *Stream) Trailer() Headers {
	trailer := s.body.trailer.Load()
	if trailer == nil {
		return nil
	}
	return *trailer
}

// Close gives the rest of the stream up; a read that waits returns. Never blocks, may be called again, and returns nil
// always. Since 0.1.
func (s *Stream) Close() error {
	return s.body.Close()
}

// streamBody reads one body.
type streamBody struct {
	response  handle
	sent      *submitted
	forgotten runtime.Cleanup
	ctx       context.Context
	pool      *Pool
	closed    atomic.Bool
	trailer   atomic.Pointer[Headers]

	// reading is for one reader at a time, and keeps what follows.
	reading sync.Mutex
	// ended is the first error that was given, and is given from then on.
	ended error
	texts []byte
}

// openStream sends and waits for the head.
func openStream(ctx context.Context, pool *Pool, to destination, request *Request) (*streamBody, *Response, error) {
	sent, err := submit(ctx, pool, to, request, true)
	if err != nil {
		return nil, nil, err
	}
	response, failure := sent.operation.answer()
	if response == 0 {
		return nil, nil, sent.failed(ctx, failure)
	}
	body := &streamBody{sent: &sent, ctx: ctx, pool: pool}
	body.response.own(response, freeResponse)
	body.forgotten = runtime.AddCleanup(body, (*submitted).giveUp, &sent)
	return body, nativeHead(response), nil
}

// Read reads what has come, and waits where that is nothing.
func (b *streamBody) Read(p []byte) (count int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	err = b.read(func(response uintptr) (failure *Error) {
		count, failure = nativeRead(response, p)
		return failure
	})
	return count, err
}

// roomForTexts is enough for most events.
const roomForTexts = 4 << 10

func (b *streamBody) nextEvent() (event Event, err error) {
	err = b.read(func(response uintptr) (failure *Error) {
		if b.texts == nil {
			b.texts = make([]byte, roomForTexts)
		}
		event, failure = nativeNextEvent(response, b.texts)
		return failure
	})
	return event, err
}

// read tries until there is something.
func (b *streamBody) read(try func(response uintptr) *Error) error {
	defer runtime.KeepAlive(b)
	b.reading.Lock()
	defer b.reading.Unlock()
	for {
		if b.closed.Load() {
			return http.ErrBodyReadAfterClose
		}
		if b.ended != nil {
			return b.ended
		}
		if b.ctx.Err() != nil {
			failure := &Error{Status: StatusCancelled, Phase: PhaseBody, Delivery: ResponseStarted,
				Message: "response: its context has ended while it was read", causes: causes(b.ctx)}
			return b.end(failure)
		}
		failure := try(b.response.token.Load())
		switch {
		case failure == nil:
			return nil
		case failure.Status == StatusWouldBlock:
			b.sent.operation.driver.wait(&b.sent.operation.reader)
		case failure.Status == StatusEnd:
			trailer := nativeTrailers(b.response.token.Load())
			b.trailer.Store(&trailer)
			return b.end(io.EOF)
		case b.closed.Load(), b.ctx.Err() != nil:
			// It failed for that.
		case failure.Status == StatusInvalidArgument:
			// The call was wrong, not the stream.
			return failure
		default:
			if err := b.sent.upload.failed(); err != nil {
				failure.causes = []error{err}
			}
			return b.end(failure)
		}
	}
}

// end keeps the last word, and gives up what is needed no more.
func (b *streamBody) end(err error) error {
	b.ended = err
	b.release()
	return err
}

// Close gives the rest up. Any goroutine, while another reads too.
func (b *streamBody) Close() error {
	if !b.closed.Swap(true) {
		b.release()
	}
	return nil
}

func (b *streamBody) release() {
	b.forgotten.Stop()
	b.response.close()
	b.sent.giveUp()
}
