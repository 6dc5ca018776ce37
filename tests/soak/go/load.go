package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	aipool "github.com/aipool/aipool/bindings/go"
)

// Far more keys than the pool keeps, so that sessions go and come.
const maxSize, keys = 6, 16

// No error.
const ok = aipool.Status(0)

// The ends that this weather may bring, by their places in load.ends; any other is a bug.
var ends = []aipool.Status{ok, aipool.StatusTimeout, aipool.StatusCancelled, aipool.StatusReset, aipool.StatusConnect,
	aipool.StatusTLS, aipool.StatusProtocol, aipool.StatusTruncated, aipool.StatusClosed}

// load is what operations there are, and what became of them.
type load struct {
	pool                     *aipool.Pool
	client                   *http.Client
	seed                     uint64
	bases                    [2]string
	accepted, ended, retries atomic.Int64
	http                     atomic.Int64
	ends                     []atomic.Int64
}

func newLoad(seed uint64) *load {
	pool, err := aipool.New(aipool.Options{MaxSize: maxSize})
	if err != nil {
		fail("%v", err)
		os.Exit(1)
	}
	transport := aipool.NewTransport(pool, &aipool.SessionOptions{CAFile: os.Getenv("AIPOOL_SANDBOX_CA_PEM")})
	bases := [2]string{os.Getenv("AIPOOL_SANDBOX_HTTP"), os.Getenv("AIPOOL_SANDBOX_HTTPS")}
	client := &http.Client{Transport: transport}
	return &load{pool: pool, client: client, seed: seed, bases: bases, ends: make([]atomic.Int64, len(ends))}
}

func (l *load) key(n int) string { return fmt.Sprintf("%s/soak-%d", l.bases[n%2], n) }

func (l *load) closeAny(chance *rand.Rand) {
	if err := l.pool.CloseSession(l.key(chance.IntN(keys))); err != nil {
		fail("CloseSession: %v", err)
	}
}

// session is any of the keys', half of the time leased. Half of each scheme's speak HTTP/1.1, half HTTP/2.
func (l *load) session(chance *rand.Rand) (*aipool.Session, error) {
	n := chance.IntN(keys)
	version := aipool.HTTP1
	if n/2%2 == 1 {
		version = aipool.HTTP2
	}
	options := aipool.SessionOptions{CAFile: os.Getenv("AIPOOL_SANDBOX_CA_PEM"), HTTPVersion: version}
	if chance.IntN(2) == 0 {
		return l.pool.Acquire(l.key(n), &options)
	}
	return l.pool.Session(l.key(n), &options)
}

// one is one operation by chance, from its beginning to its end.
func (l *load) one(chance *rand.Rand) {
	session, err := l.session(chance)
	if err != nil {
		fail("no session: %v", err)
		return
	}
	defer session.Close()
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if chance.IntN(10) == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(1+chance.IntN(800))*time.Millisecond)
		if chance.IntN(2) == 0 {
			ctx, cancel = cancelled(time.Duration(1+chance.IntN(800)) * time.Millisecond)
		}
	}
	defer cancel()
	l.accepted.Add(1)
	var status int
	switch kind := chance.IntN(20); {
	case kind < 8:
		status, err = l.whole(ctx, session, chance)
	case kind < 14:
		status, err = l.stream(ctx, session, chance)
	case kind < 17:
		status, err = l.upload(ctx, session, chance)
	default:
		status, err = l.overTransport(ctx, chance)
	}
	l.count(status, err)
}

// cancelled is a context that somebody cancels so much later.
func cancelled(after time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	timer := time.AfterFunc(after, cancel)
	return ctx, func() { timer.Stop(); cancel() }
}

func (l *load) base(chance *rand.Rand) string { return l.bases[chance.IntN(2)] }

func (l *load) whole(ctx context.Context, session *aipool.Session, chance *rand.Rand) (int, error) {
	length, fault := chance.IntN(100000), ""
	if chance.IntN(8) == 0 {
		fault = []string{",status=503,retry-after=0.01", ",goaway", ",close-after", ",drop-next"}[chance.IntN(4)]
	}
	request := aipool.Request{
		URL:        fmt.Sprintf("%s/bytes/%d?sandbox=delay=%d%s", l.base(chance), length, chance.IntN(600), fault),
		Timeout:    10 * time.Second,
		MaxRetries: 2,
	}
	if chance.IntN(8) == 0 {
		request.Timeout = time.Duration(20+chance.IntN(200)) * time.Millisecond
	}
	response, err := session.Do(ctx, &request)
	if err != nil {
		return 0, err
	}
	l.retries.Add(int64(response.Info.Attempts - 1))
	if response.Status == http.StatusOK && len(response.Body) != length {
		fail("a whole answer of %d bytes, not %d: %s", len(response.Body), length, request.URL)
	}
	return response.Status, nil
}

func (l *load) chat(chance *rand.Rand) (url, body string) {
	words := strings.Repeat("word ", 5+chance.IntN(30))
	return fmt.Sprintf("%s/v1/chat/completions?sandbox=delay=%d,drip=%d", l.base(chance), chance.IntN(200), 1+chance.IntN(20)),
		`{"model":"m","stream":true,"messages":[{"role":"user","content":"` + words + `"}]}`
}

func (l *load) stream(ctx context.Context, session *aipool.Session, chance *rand.Rand) (int, error) {
	url, body := l.chat(chance)
	stream, err := session.Stream(ctx, &aipool.Request{
		Method: "POST", URL: url, Body: []byte(body), EndMarker: "[DONE]", Timeout: 15 * time.Second,
		Headers:              aipool.Headers{{Name: "content-type", Value: "application/json"}},
		BetweenEventsTimeout: 5 * time.Second,
	})
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	last, givenUp := "", chance.IntN(8) == 0
	for event, err := range stream.Events() {
		if err != nil {
			return stream.Status, err
		}
		if last = event.Data; givenUp {
			return stream.Status, nil
		}
	}
	if last != "[DONE]" {
		fail("a stream ended well with %q", last)
	}
	return stream.Status, nil
}

func (l *load) upload(ctx context.Context, session *aipool.Session, chance *rand.Rand) (int, error) {
	const length = 600_000
	// Behind another reader, so that it is read while it goes out.
	reader := io.LimitReader(zeros{}, length)
	request := aipool.Request{Method: "POST", URL: l.base(chance) + "/echo", BodyReader: reader, BodyLength: length, Timeout: 10 * time.Second}
	response, err := session.Do(ctx, &request)
	if err != nil {
		return 0, err
	}
	if len(response.Body) < length {
		fail("an echo of %d bytes", len(response.Body))
	}
	return response.Status, nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// overTransport streams over an http.Client, as an SDK does.
func (l *load) overTransport(ctx context.Context, chance *rand.Rand) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	url, body := l.chat(chance)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := l.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && !strings.HasSuffix(string(text), "data: [DONE]\n\n") {
		fail("a body ended well without its last event, %d bytes", len(text))
	}
	return response.StatusCode, err
}

// count counts the one end of an operation.
func (l *load) count(status int, err error) {
	defer l.ended.Add(1)
	if err == nil && status >= http.StatusBadRequest {
		l.http.Add(1)
		return
	}
	end := ok
	var failure *aipool.Error
	switch {
	case errors.As(err, &failure):
		end = failure.Status
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		end = aipool.StatusCancelled
	case errors.Is(err, io.ErrUnexpectedEOF):
		end = aipool.StatusTruncated
	case err != nil:
		fail("an end of another kind: %v", err)
		return
	}
	for i, known := range ends {
		if end == known {
			l.ends[i].Add(1)
			return
		}
	}
	fail("an operation ended with %v: %v", end, err)
}

// outcomes are the ends by name.
func (l *load) outcomes() string {
	text := fmt.Sprintf(" HTTP=%d", l.http.Load())
	for i, end := range ends {
		text += fmt.Sprintf(" %s=%d", strings.TrimPrefix(end.String(), "AIP_"), l.ends[i].Load())
	}
	return text
}
