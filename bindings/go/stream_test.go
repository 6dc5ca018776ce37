package aipool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// chat is a request for a stream of events, a word of the message each.
func chat(message, fault string) *Request {
	request := &Request{
		Method: "POST", URL: "/v1/chat/completions", EndMarker: "[DONE]",
		Headers: Headers{{"content-type", "application/json"}},
		Body:    []byte(`{"model":"m","stream":true,"messages":[{"role":"user","content":"` + message + `"}]}`),
	}
	if fault != "" {
		request.Headers.Add("x-sandbox", fault)
	}
	return request
}

func open(t testing.TB, session *Session, request *Request) *Stream {
	t.Helper()
	stream, err := session.Stream(background, request)
	must(t, err)
	t.Cleanup(func() { stream.Close() })
	return stream
}

// streaming is a session whose streams are tested; over reqwest there are none.
func streaming(t testing.TB) (*Session, listener) {
	t.Helper()
	server := listen(t)
	session := get(t, newPool(t, Options{}), server.http)
	if overReqwest() {
		_, err := session.Stream(background, &Request{URL: "/echo"})
		lacks(t, err, "flags (AIP_REQUEST_STREAM): ")
		t.Skip("no streams over reqwest")
	}
	return session, server
}

// collect reads all events, and the error at the end.
func collect(stream *Stream) (events []Event, err error) {
	for event, failed := range stream.Events() {
		if failed != nil {
			return events, failed
		}
		events = append(events, event)
	}
	return events, nil
}

func TestChatStreamsItsEvents(t *testing.T) {
	session, _ := streaming(t)
	stream := open(t, session, chat("one two three", ""))
	want(t, "status", stream.Status, 200)
	want(t, "type", strings.HasPrefix(stream.Headers.Get("content-type"), "text/event-stream"), true)
	events, err := collect(stream)
	must(t, err)
	want(t, "more than the words", len(events) > 5, true)
	want(t, "the last", events[len(events)-1].Data, "[DONE]")
	_, err = stream.Body.Read(make([]byte, 1))
	want(t, "read after the end", err, http.ErrBodyReadAfterClose)
}

func TestStreamComesWhileItIsMade(t *testing.T) {
	session, server := streaming(t)
	stream := open(t, session, chat(strings.Repeat("w ", 20), "drip=20"))
	begun, first := time.Now(), time.Duration(0)
	for _, err := range stream.Events() {
		must(t, err)
		if first == 0 {
			first = time.Since(begun)
			want(t, "completed", server.count(t, "streams_completed"), 0)
		}
	}
	want(t, "the first came early", first < time.Since(begun)/2, true)
}

func TestBreakClosesTheStream(t *testing.T) {
	session, _ := streaming(t)
	before := ReadLibraryStats()
	stream := open(t, session, chat(strings.Repeat("w ", 20), "drip=20"))
	for range stream.Events() {
		break
	}
	want(t, "responses", ReadLibraryStats().Responses, before.Responses)
	want(t, "trailer", stream.Trailer() == nil, true)
}

func TestStreamFaults(t *testing.T) {
	session, _ := streaming(t)
	for _, fault := range []struct {
		said   string
		status Status
		least  int
	}{
		{"no-done", StatusTruncated, 5},
		{"cut-after=3", StatusTruncated, 0},
	} {
		events, err := collect(open(t, session, chat("one two three four", fault.said)))
		wantError(t, err, fault.status, DetailNone, ResponseStarted)
		if len(events) < fault.least {
			t.Fatalf("%s: %d events", fault.said, len(events))
		}
	}
	_, err := session.Stream(background, chat("x", "reset"))
	wantError(t, err, StatusReset, DetailNone, MaybeSent)

	body, err := io.ReadAll(open(t, session, &Request{URL: "/bytes/100000", Headers: fault("truncate=70000")}).Body)
	wantError(t, err, StatusTruncated, DetailNone, ResponseStarted)
	want(t, "is ErrUnexpectedEOF", errors.Is(err, io.ErrUnexpectedEOF), true)
	want(t, "came", len(body), 70000)

	_, err = collect(open(t, session, &Request{URL: "/echo"}))
	wantInvalid(t, err, "response: ")

	limited := chat("one two three", "stall=10")
	limited.BetweenBytesTimeout = 100 * time.Millisecond
	_, err = collect(open(t, session, limited))
	wantError(t, err, StatusTimeout, DetailBetweenBytesLimit, ResponseStarted)

	limited = chat("one two three", "stall=10")
	limited.FirstEventTimeout = 100 * time.Millisecond
	_, err = collect(open(t, session, limited))
	wantError(t, err, StatusTimeout, DetailFirstEventLimit, ResponseStarted)

	limited = chat("one two three", "drip=400")
	limited.BetweenEventsTimeout = 100 * time.Millisecond
	_, err = collect(open(t, session, limited))
	wantError(t, err, StatusTimeout, DetailBetweenEventsLimit, ResponseStarted)

	limited = chat(strings.Repeat("x", 2000), "")
	limited.MaxEventBytes = 100
	_, err = collect(open(t, session, limited))
	wantError(t, err, StatusTooLarge, DetailNone, ResponseStarted)
}

func TestEventsLargerThanTheirRoom(t *testing.T) {
	session, _ := streaming(t)
	long := strings.Repeat("x", 3*roomForTexts)
	events, err := collect(open(t, session, chat(long, "")))
	must(t, err)
	var all strings.Builder
	for _, event := range events {
		all.WriteString(event.Data)
	}
	want(t, "holds the word", strings.Contains(all.String(), long), true)
}

func TestEventFormatsAndParts(t *testing.T) {
	if overReqwest() {
		t.Skip("no streams over reqwest")
	}
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("trailer", "x-sum")
		if r.URL.Path == "/lines" {
			io.WriteString(w, "{\"a\":1}\n{\"b\":2}")
		} else {
			io.WriteString(w, "event: ping\nid: 7\nretry: 1500\ndata: a\ndata: b\n\ndata: last\n")
		}
		w.(http.Flusher).Flush()
		w.Header().Set("x-sum", "42")
	})
	session := get(t, newPool(t, Options{}), server)
	stream := open(t, session, &Request{URL: "/events", EventFormat: EventsSSE, EndMarker: "last"})
	events, err := collect(stream)
	must(t, err)
	want(t, "first", events[0], Event{Name: "ping", Data: "a\nb", ID: "7", Retry: 1500 * time.Millisecond})
	want(t, "last", events[1], Event{Data: "last", ID: "7", Incomplete: true})
	want(t, "trailer", stream.Trailer().Get("x-sum"), "42")

	events, err = collect(open(t, session, &Request{URL: "/lines", EventFormat: EventsNDJSON}))
	must(t, err)
	want(t, "lines", len(events), 2)
	want(t, "second", events[1], Event{Data: `{"b":2}`, Incomplete: true})
}

func TestContextEndsAStreamThatIsRead(t *testing.T) {
	session, _ := streaming(t)
	for _, fault := range []string{"stall=0", "stall=1000"} {
		cause := errors.New("the user went away")
		ctx, cancel := context.WithCancelCause(background)
		stream, err := session.Stream(ctx, &Request{URL: "/bytes/100000", Headers: Headers{{"x-sandbox", fault}}})
		must(t, err)
		time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
		begun := time.Now()
		_, err = io.ReadAll(stream.Body)
		wantError(t, err, StatusCancelled, DetailNone, ResponseStarted)
		want(t, "is its cause", errors.Is(err, cause), true)
		want(t, "at once", time.Since(begun) < time.Second, true)
		want(t, "and again", errors.Is(readOne(stream), cause), true)
		must(t, stream.Close())
	}
	hold := newHold()
	ctx, cancel := context.WithCancel(background)
	go func() { hold.waitHeld(t, 1); cancel() }()
	_, err := session.Stream(ctx, &Request{URL: hold.url()})
	wantError(t, err, StatusCancelled, DetailNone, MaybeSent)
	want(t, "is Canceled", errors.Is(err, context.Canceled), true)
	hold.waitGone(t)
}

func readOne(stream *Stream) error {
	_, err := stream.Body.Read(make([]byte, 1))
	return err
}

func TestCloseBringsAReaderBack(t *testing.T) {
	session, _ := streaming(t)
	stream := open(t, session, &Request{URL: "/bytes/100", Headers: fault("stall=0")})
	time.AfterFunc(50*time.Millisecond, func() { stream.Close() })
	want(t, "error", readOne(stream), http.ErrBodyReadAfterClose)
	must(t, stream.Close())
}

// pushed is a body that comes in pieces and counts how often it was closed.
type pushed struct {
	io.Reader
	closed chan struct{}
}

func (p *pushed) Close() error { p.closed <- struct{}{}; return nil }

func push(reader io.Reader) *pushed { return &pushed{reader, make(chan struct{}, 10)} }

func TestUploads(t *testing.T) {
	if overReqwest() {
		t.Skip("no uploads over reqwest")
	}
	server := listen(t)
	session := get(t, newPool(t, Options{}), server.http)
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for _, length := range []int64{0, int64(len(large))} {
		for _, reader := range []io.Reader{bytes.NewReader(large), push(bytes.NewReader(large))} {
			response := fetch(t, session, &Request{Method: "POST", URL: "/echo", BodyReader: reader, BodyLength: length})
			want(t, "came back", bytes.HasSuffix(response.Body, large), true)
			if pushed, is := reader.(*pushed); is {
				<-pushed.closed
			}
		}
	}
	stream := open(t, session, &Request{Method: "PUT", URL: "/echo", BodyReader: push(strings.NewReader("up"))})
	body, err := io.ReadAll(stream.Body)
	must(t, err)
	want(t, "came back", strings.HasSuffix(string(body), "\n\nup"), true)

	broken := errors.New("the disk is broken")
	reader := push(io.MultiReader(strings.NewReader("half"), failing{broken}))
	_, err = session.Do(background, &Request{Method: "POST", URL: "/echo", BodyReader: reader})
	want(t, "is its failure", errors.Is(err, broken), true)
	<-reader.closed

	for _, length := range []int64{1, 3} {
		reader = push(strings.NewReader("xy"))
		_, err = session.Do(background, &Request{Method: "POST", URL: "/echo", BodyReader: reader, BodyLength: length})
		want(t, fmt.Sprint("length ", length, " fails: ", err), err != nil, true)
		<-reader.closed
	}
	// A request that is refused closes its body, too.
	reader = push(strings.NewReader("xy"))
	_, err = session.Do(background, &Request{Headers: Headers{{"no name", ""}}, BodyReader: reader})
	wantError(t, err, StatusInvalidArgument, DetailNone, NotSent)
	<-reader.closed
	_, err = session.Do(background, &Request{Body: []byte("x"), BodyReader: reader})
	wantInvalid(t, err, "BodyReader: ")

	// A body that never comes does not hold a request that has ended.
	ctx, cancel := context.WithCancel(background)
	pipe, writer := io.Pipe()
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = session.Do(ctx, &Request{Method: "POST", URL: "/echo", BodyReader: pipe})
	want(t, "is Canceled", errors.Is(err, context.Canceled), true)
	_, err = writer.Write([]byte("x"))
	want(t, "closed", err, io.ErrClosedPipe)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestStreamsLeaveNothingBehind(t *testing.T) {
	before, goroutines := ReadLibraryStats(), runtime.NumGoroutine()
	session, _ := streaming(t)
	ctx, cancel := context.WithCancel(background)
	var all sync.WaitGroup
	for i := range 60 {
		all.Add(1)
		go func() {
			defer all.Done()
			stream, err := session.Stream(ctx, chat("one two three", ""))
			if err != nil {
				t.Error(err)
				return
			}
			switch i % 3 {
			case 0:
				if _, err := collect(stream); err != nil {
					t.Error(err)
				}
			case 1:
				stream.Close()
			}
			// The third is forgotten.
		}()
	}
	all.Wait()
	must(t, session.Close())
	must(t, session.pool.Close())
	settled(t, before)
	cancel()
	eventually(t, "no goroutine is left over", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
}

func TestPoolCloseLetsStreamsFinish(t *testing.T) {
	before := ReadLibraryStats()
	session, _ := streaming(t)
	stream := open(t, session, chat("one two three four five", "drip=20"))
	must(t, session.pool.Close())
	events, err := collect(stream)
	must(t, err)
	want(t, "the last", events[len(events)-1].Data, "[DONE]")
	_, err = session.Stream(background, chat("x", ""))
	want(t, "is ErrClosed", errors.Is(err, ErrClosed), true)
	must(t, session.Close())
	settled(t, before)
}

func TestSharedPoolStreamsAfterItsHandleIsClosed(t *testing.T) {
	if overReqwest() {
		t.Skip("no streams over reqwest")
	}
	pool, err := Default()
	must(t, err)
	session, err := pool.Session(listen(t).http, nil)
	must(t, err)
	for range 2 {
		_, err = collect(open(t, session, chat("one", "")))
		must(t, err)
		must(t, pool.Close())
	}
	must(t, session.Close())
	must(t, CloseDefault(0))
}

func TestManyDoAndStreamAtOnce(t *testing.T) {
	session, _ := streaming(t)
	everywhere(func(goroutine int) {
		for i := range 10 {
			sent := fmt.Sprintf("%d-%d", goroutine, i)
			if goroutine%2 == 0 {
				response, err := session.Do(background, &Request{Method: "POST", URL: "/echo", Body: []byte(sent)})
				if err != nil || !strings.HasSuffix(string(response.Body), sent) {
					t.Error(err)
				}
				continue
			}
			stream, err := session.Stream(background, chat(sent, ""))
			if err != nil {
				t.Error(err)
				continue
			}
			events, err := collect(stream)
			if err != nil || !strings.Contains(fmt.Sprint(events), sent) {
				t.Error(err, events)
			}
		}
	})
}
