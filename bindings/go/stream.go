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
	return stream(ctx, s.pool, destination{target: s.handle.token.Load()}, request)
}

// Stream sends a request over the session of key, which it gets as [Pool.Do] does. Otherwise as [Session.Stream]. Since 0.1.
func (p *Pool) Stream(ctx context.Context, key string, request *Request) (*Stream, error) {
	defer runtime.KeepAlive(p)
	return stream(ctx, p, destination{target: p.handle.token.Load(), key: &key}, request)
}

func stream(ctx context.Context, pool *Pool, to destination, request *Request) (*Stream, error) {
	sent, err := openStream(ctx, pool, to, request, false)
	if err != nil {
		return nil, err
	}
	head := nativeHead(sent.response.Load())
	body := newStreamBody(ctx, sent)
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

// openStream sends and waits for the head. With its front also for what of the body has come by then: the response is 0 where that is
// all.
func openStream(ctx context.Context, pool *Pool, to destination, request *Request, withFront bool) (*underWay, error) {
	sent, err := prepare(ctx, pool, to, request, true)
	if err != nil {
		return nil, err
	}
	var take take
	if withFront {
		take = sent.takeFront
	}
	var response uintptr
	failure := to.try(func(target uintptr) (failure *Error) {
		if !sent.alone {
			if failure = sent.submit(target, to.key, take); failure == nil {
				response, failure = sent.operation.answer()
			}
			return failure
		}
		response, failure = nativeOpen(target, to.key, sent.request, sent.out)
		if response != 0 && withFront {
			response = sent.takeFront(response)
		}
		return failure
	})
	if response == 0 && sent.front == nil {
		return nil, sent.failed(ctx, failure)
	}
	sent.response.Store(response)
	return sent, nil
}

// takeFront looks at a stream's head and at what of its body has come: what is left of the response.
func (s *underWay) takeFront(response uintptr) (left uintptr) {
	s.front = nativeFront(response)
	if s.front.whole {
		return 0
	}
	return response
}

// streamBody reads one body.
type streamBody struct {
	sent      *underWay
	forgotten runtime.Cleanup
	ctx       context.Context
	closed    atomic.Bool
	trailer   atomic.Pointer[Headers]
	// before is called before it is given up; nil where there is nothing to do.
	before func()

	// reading is for one reader at a time, and keeps what follows.
	reading sync.Mutex
	// front came with the head; whole: nothing follows it.
	front []byte
	whole bool
	// ended is the first error that was given, and is given from then on.
	ended error
	texts []byte
}

// newStreamBody is the body of a stream whose head has come.
func newStreamBody(ctx context.Context, sent *underWay) *streamBody {
	body := &streamBody{sent: sent, ctx: ctx}
	body.forgotten = runtime.AddCleanup(body, (*underWay).giveUp, sent)
	return body
}

// wholeBody is a body that has come whole with its head: nothing is under way any more.
func wholeBody(ctx context.Context, sent *underWay, all []byte) *streamBody {
	sent.giveUp()
	return &streamBody{sent: sent, ctx: ctx, front: all, whole: true}
}

// Read reads what has come, and waits where that is nothing.
func (b *streamBody) Read(p []byte) (count int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	err = b.read(func(response uintptr, wait uint32) (failure *Error) {
		if len(b.front) > 0 {
			count = copy(p, b.front)
			b.front = b.front[count:]
			return nil
		}
		if b.whole {
			return streamEnd
		}
		count, failure = nativeRead(response, p, wait)
		return failure
	})
	return count, err
}

// roomForTexts is enough for most events.
const roomForTexts = 4 << 10

func (b *streamBody) nextEvent() (event Event, err error) {
	err = b.read(func(response uintptr, wait uint32) (failure *Error) {
		if b.texts == nil {
			b.texts = make([]byte, roomForTexts)
		}
		event, failure = nativeNextEvent(response, b.texts, wait)
		return failure
	})
	return event, err
}

// read tries until there is something. Where the request is alone it waits while it tries, else with all others.
func (b *streamBody) read(try func(response uintptr, wait uint32) *Error) error {
	defer runtime.KeepAlive(b)
	b.reading.Lock()
	defer b.reading.Unlock()
	var wait uint32
	if b.sent.alone {
		wait = driveMillis
	}
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
		failure := try(b.sent.response.Load(), wait)
		switch {
		case failure == nil:
			return nil
		case failure.Status == StatusWouldBlock:
			b.sent.operation.driver.wait(&b.sent.operation.reader)
		case failure.Status == StatusEnd:
			if !b.whole {
				trailer := nativeTrailers(b.sent.response.Load())
				b.trailer.Store(&trailer)
			}
			return b.end(io.EOF)
		case failure.Detail == DetailWaitLimit:
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
	if b.before != nil {
		b.before()
	}
	b.sent.giveUp()
}
