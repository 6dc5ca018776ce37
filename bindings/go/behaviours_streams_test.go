package aipool

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// lacksStreams is what reqwest lacks when a stream is asked for.
const lacksStreams = "flags (AIP_REQUEST_STREAM): "

// opened is the request's stream; nil over reqwest, which refused it by this name.
func opened(t *testing.T, session *Session, request *Request, lacking string) *Stream {
	t.Helper()
	stream, err := session.Stream(background, request)
	if lacks(t, err, lacking) {
		return nil
	}
	must(t, err)
	t.Cleanup(func() { stream.Close() })
	return stream
}

func streamHeadComesBeforeItsBodyEnds(t *testing.T) {
	server := listen(t)
	session := get(t, newPool(t, Options{}), server.http)
	stream := opened(t, session, &Request{URL: "/bytes/10", Headers: fault("stall=3")}, lacksStreams)
	if stream == nil {
		return
	}
	want(t, "status", stream.Status, 200)
	_, err := io.ReadFull(stream.Body, make([]byte, 3))
	must(t, err)
	want(t, "requests, responses", [2]int{server.count(t, "requests"), server.count(t, "responses")}, [2]int{1, 0})
}

func streamBytesAreThoseTheServerSent(t *testing.T) {
	body := make([]byte, 300_000)
	for i := range body {
		body[i] = byte(i)
	}
	session := get(t, newPool(t, Options{}), listen(t).http)
	stream := opened(t, session, &Request{Method: "POST", URL: "/echo", Body: body}, lacksStreams)
	if stream == nil {
		return
	}
	all, err := io.ReadAll(stream.Body)
	must(t, err)
	want(t, "ends with what was sent", bytes.HasSuffix(all, body), true)
}

func sseEventsComeParsedInOrder(t *testing.T) {
	// The echo's head says nothing to a parser of events: its fields are unknown ones, and a blank line ends it.
	sent := "event: ping\nid: 7\nretry: 1500\ndata: a\ndata: b\n\n: a comment\ndata: last\n\n"
	session := get(t, newPool(t, Options{}), listen(t).http)
	request := &Request{Method: "POST", URL: "/echo", Body: []byte(sent), EventFormat: EventsSSE}
	stream := opened(t, session, request, lacksStreams)
	if stream == nil {
		return
	}
	events, err := collect(stream)
	must(t, err)
	want(t, "events", len(events), 2)
	want(t, "first", events[0], Event{Name: "ping", Data: "a\nb", ID: "7", Retry: 1500 * time.Millisecond})
	want(t, "last", events[1], Event{Data: "last", ID: "7"})
}

func ndjsonLinesComeInOrder(t *testing.T) {
	sent := "{\"n\":1}\n{\"n\":2}\n\n{\"n\":3}"
	session := get(t, newPool(t, Options{}), listen(t).http)
	request := &Request{Method: "POST", URL: "/echo", Body: []byte(sent), EventFormat: EventsNDJSON}
	stream := opened(t, session, request, lacksStreams)
	if stream == nil {
		return
	}
	lines, err := collect(stream)
	must(t, err)
	// Before them stands the echo's head, a line each too.
	want(t, "more than three", len(lines) > 3, true)
	for i, line := range lines[len(lines)-3:] {
		want(t, "line", line.Data, []string{`{"n":1}`, `{"n":2}`, `{"n":3}`}[i])
	}
}

func missingEndMarkerIsTruncatedAfterWhatCame(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	whole := opened(t, session, chat("one two three", ""), lacksStreams)
	if whole == nil {
		return
	}
	all, err := collect(whole)
	must(t, err)
	want(t, "the last", all[len(all)-1].Data, "[DONE]")
	some, err := collect(opened(t, session, chat("one two three", "no-done"), ""))
	want(t, "came", len(some), len(all)-1)
	wantPrefix(t, wantError(t, err, StatusTruncated, DetailNone, ResponseStarted).Message, "end_marker: ")
}

func freedStreamLeavesNothingInUse(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{})
	lease := acquire(t, pool, server.http)
	stalled := &Request{URL: "/bytes/1000000", Headers: fault("stall=100")}
	stream := opened(t, lease, stalled, lacksStreams)
	if stream == nil {
		return
	}
	stats := statsOf(t, pool)
	want(t, "leased, in flight, in use", [3]uint64{stats.Leased, stats.InFlight, stats.ConnectionsInUse}, [3]uint64{1, 1, 1})
	must(t, stream.Close())
	// Over HTTP/1.1 the rest never comes, so the connection closes; over HTTP/2 it goes on.
	control(t, "GET", "/control/wait-connections-open?id="+server.id)
	shared := getWith(t, pool, server.https, caFile())
	must(t, opened(t, shared, stalled, "").Close())
	want(t, "reused", fetch(t, shared, &Request{URL: "/echo"}).Info.Reused, true)
	must(t, lease.Close())
	unused(t, pool)
}

// unused waits until no session is leased, no request under way, no connection in use.
func unused(t *testing.T, pool *Pool) {
	t.Helper()
	eventually(t, "nothing is in use", func() bool {
		stats := statsOf(t, pool)
		return stats.Leased+stats.InFlight+stats.ConnectionsInUse == 0
	})
}

// wantLimit checks that a limit ended a response that had begun.
func wantLimit(t *testing.T, err error, detail Detail, field string) {
	t.Helper()
	wantPrefix(t, wantError(t, err, StatusTimeout, detail, ResponseStarted).Message, field)
}

func firstEventLimitIsTimeout(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	request := chat("one", "stall=10")
	request.FirstEventTimeout = 500 * time.Millisecond
	stream := opened(t, session, request, "first_event_timeout_ms: ")
	if stream == nil {
		return
	}
	events, err := collect(stream)
	want(t, "events", len(events), 0)
	wantLimit(t, err, DetailFirstEventLimit, "first_event_timeout_ms: ")
}

func betweenEventsLimitIsTimeout(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	request := chat("one two", "drip=20000")
	request.BetweenEventsTimeout = 100 * time.Millisecond
	stream := opened(t, session, request, "between_events_timeout_ms: ")
	if stream == nil {
		return
	}
	events, err := collect(stream)
	want(t, "events", len(events), 1)
	wantLimit(t, err, DetailBetweenEventsLimit, "between_events_timeout_ms: ")
}

func betweenBytesLimitEndsAStreamAfterWhatCame(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	request := &Request{URL: "/bytes/100", Headers: fault("stall=10"), BetweenBytesTimeout: 100 * time.Millisecond}
	stream := opened(t, session, request, "between_bytes_timeout_ms: ")
	if stream == nil {
		return
	}
	came, err := io.ReadAll(stream.Body)
	want(t, "came", string(came), "aaaaaaaaaa")
	wantLimit(t, err, DetailBetweenBytesLimit, "between_bytes_timeout_ms: ")
}

func uploadInPiecesArrivesWhole(t *testing.T) {
	server := listen(t)
	session := get(t, newPool(t, Options{}), server.http)
	piece := bytes.Repeat([]byte("u"), 70_000)
	for _, length := range []int64{0, 700_000} {
		reader, writer := io.Pipe()
		go func() {
			defer writer.Close()
			for range 10 {
				writer.Write(piece)
			}
		}()
		request := &Request{Method: "POST", URL: "/echo", BodyReader: reader, BodyLength: length}
		response, err := session.Do(background, request)
		if lacks(t, err, "upload: ") {
			continue
		}
		must(t, err)
		want(t, "came back", bytes.HasSuffix(response.Body, bytes.Repeat(piece, 10)), true)
	}
	wanted := 1_400_000
	if overReqwest() {
		wanted = 0
	}
	want(t, "bytes at the server", server.count(t, "bytes_in"), wanted)
}

func uploadOfAnotherLengthIsRefusedByName(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	for _, body := range []struct{ text, refusal string }{
		{"beyond", "data: goes beyond the upload's length of 5 bytes"},
		{"four", "upload: is 1 bytes short"},
	} {
		request := &Request{Method: "POST", URL: "/echo", BodyReader: push(strings.NewReader(body.text)), BodyLength: 5}
		_, err := session.Do(background, request)
		if lacks(t, err, "upload: ") {
			continue
		}
		var failure *Error
		want(t, "is an error of ours", errors.As(err, &failure), true)
		want(t, "status", failure.Status, StatusCancelled)
		wantInvalid(t, failure.Unwrap()[0], body.refusal)
	}
}

// waiting reads nothing, and fails when it is told to.
type waiting struct {
	told <-chan struct{}
	err  error
}

func (w waiting) Read([]byte) (int, error) { <-w.told; return 0, w.err }

func freedUploadCancelsItsRequest(t *testing.T) {
	arrived, cut := make(chan struct{}), make(chan error, 1)
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		io.ReadFull(r.Body, make([]byte, 4))
		close(arrived)
		_, err := io.ReadAll(r.Body)
		cut <- err
	})
	session := get(t, newPool(t, Options{}), server)
	end := waiting{arrived, errors.New("the disk is broken")}
	reader := push(io.MultiReader(strings.NewReader("half"), end))
	_, err := session.Do(background, &Request{Method: "POST", URL: "/", BodyReader: reader})
	if lacks(t, err, "upload: ") {
		return
	}
	wantPrefix(t, wantError(t, err, StatusCancelled, DetailNone, MaybeSent).Message, "upload: was freed")
	want(t, "is its failure", errors.Is(err, end.err), true)
	want(t, "the server sees that it is not whole", <-cut != nil, true)
}
