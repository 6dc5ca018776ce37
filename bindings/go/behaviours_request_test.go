package aipool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func caFile() *SessionOptions {
	return &SessionOptions{CAFile: os.Getenv("AIPOOL_SANDBOX_CA_PEM")}
}

func fault(name string) Headers {
	return Headers{{"x-sandbox", name}}
}

// echoed is the echo of a request: its head and its body.
func echoed(t *testing.T, response *Response) (head, body string) {
	t.Helper()
	head, body, found := strings.Cut(string(response.Body), "\n\n")
	if !found {
		t.Fatalf("no echo: %s", response.Body)
	}
	return head, body
}

func requestAnswersOverHTTP1(t *testing.T) {
	server := listen(t)
	response := fetch(t, get(t, newPool(t, Options{}), server.http), &Request{URL: "/echo"})
	head, body := echoed(t, response)
	want(t, "request line", strings.Split(head, "\n")[0], "GET /echo HTTP/1.1")
	want(t, "body", body, "")
	want(t, "version", response.Info.HTTPVersion, 11)
	want(t, "address", response.Info.RemoteAddress, strings.TrimPrefix(server.http, "http://"))
	want(t, "total is no less than first byte", response.Info.Total >= response.Info.FirstByte, true)
	want(t, "empty body", len(fetch(t, get(t, newPool(t, Options{}), server.http), &Request{URL: "/bytes/0"}).Body), 0)
}

func requestAnswersOverHTTP2TLS(t *testing.T) {
	server := listen(t)
	response := fetch(t, getWith(t, newPool(t, Options{}), server.https, caFile()), &Request{URL: "/echo"})
	head, _ := echoed(t, response)
	want(t, "request line", strings.HasSuffix(strings.Split(head, "\n")[0], " HTTP/2.0"), true)
	want(t, "version", response.Info.HTTPVersion, 20)
	want(t, "requests over h2", server.count(t, "http2_requests"), 1)
}

func warmConnectionIsReused(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{})
	session := get(t, pool, server.http)
	for i := range 5 {
		want(t, "reused", fetch(t, session, &Request{URL: "/echo"}).Info.Reused, i > 0)
	}
	want(t, "connections", server.count(t, "connections_opened"), 1)
	want(t, "pool's connections", statsOf(t, pool).ConnectionsOpened, 1)
	want(t, "pool's reuses", statsOf(t, pool).RequestsReused, 4)
	stats, err := session.Stats()
	must(t, err)
	want(t, "session's stats", stats, SessionStats{Requests: 5, ConnectionsOpened: 1, RequestsReused: 4})
}

func headersKeepDuplicatesAndOrder(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	sent := Headers{{"x-b", "1"}, {"x-a", "2"}, {"x-b", "3"}, {"x-empty", ""}, {"x-latin", "\xe9"}}
	response := fetch(t, session, &Request{URL: "/echo", Headers: sent})
	head, _ := echoed(t, response)
	if !strings.Contains(head, "x-b: 1\nx-b: 3\nx-a: 2\nx-empty: \nx-latin: \xe9") {
		t.Fatalf("headers arrived as %q", head)
	}
	if values := response.Headers.Values("X-Dup"); !slices.Equal(values, []string{"one", "two"}) {
		t.Fatalf("x-dup came as %q", values)
	}
}

func bodyRoundTripsBinary(t *testing.T) {
	var sent []byte
	for i := range 1 << 16 {
		sent = append(sent, byte(i), byte(i>>8))
	}
	session := get(t, newPool(t, Options{}), listen(t).http)
	_, body := echoed(t, fetch(t, session, &Request{Method: "POST", URL: "/echo", Body: sent}))
	if !bytes.Equal([]byte(body), sent) {
		t.Fatalf("%d bytes came back otherwise than %d were sent", len(body), len(sent))
	}
}

func relativeURLIsAppendedToBase(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{})
	for _, call := range []struct{ base, url string }{
		{server.http, "/echo"}, {server.http, "echo"}, {server.http + "/echo", ""}, {server.http + "/echo/", ""},
	} {
		head, _ := echoed(t, fetch(t, get(t, pool, call.base), &Request{URL: call.url}))
		want(t, "request line", strings.Split(head, "\n")[0], "GET /echo HTTP/1.1")
	}
	head, _ := echoed(t, fetch(t, get(t, pool, server.http+"/echo"), &Request{URL: "?q=1"}))
	want(t, "request line", strings.Split(head, "\n")[0], "GET /echo?q=1 HTTP/1.1")
	fetch(t, get(t, pool, server.http+"/v1"), &Request{URL: "/models"})
}

func absoluteURLGoesToAnotherHost(t *testing.T) {
	here, there := listen(t), listen(t)
	fetch(t, get(t, newPool(t, Options{}), here.http), &Request{URL: there.http + "/echo"})
	want(t, "requests here", here.count(t, "requests"), 0)
	want(t, "requests there", there.count(t, "requests"), 1)
}

func opaqueKeyTakesAbsoluteURLsOnly(t *testing.T) {
	session := get(t, newPool(t, Options{}), "my service")
	_, err := session.Do(background, &Request{URL: "/echo"})
	wantInvalid(t, err, "url: is relative")
	fetch(t, session, &Request{URL: listen(t).http + "/echo"})
}

func status400IsAResponse(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	for _, status := range []int{400, 503} {
		response, err := session.Do(background, &Request{URL: fmt.Sprintf("/status/%d", status)})
		must(t, err)
		want(t, "status", response.Status, status)
		want(t, "has a body", len(response.Body) > 0, true)
	}
}

func gzipBrZstdAreDecoded(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	for _, coding := range []string{"gzip", "br", "zstd"} {
		body := fetch(t, session, &Request{URL: "/encoded/" + coding}).Body
		want(t, coding, string(body), strings.Repeat("hello from the sandbox\n", 1000))
	}
}

func bodyOverCapIsTooLargeWithWhatFitted(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	for _, url := range []string{"/bytes/100000", "/bytes/100000?chunked=1"} {
		response, err := session.Do(background, &Request{URL: url, MaxBody: 1000})
		want(t, "no response beside the error", response, nil)
		failure := wantError(t, err, StatusTooLarge, DetailNone, ResponseStarted)
		want(t, "phase", failure.Phase, PhaseBody)
		want(t, "status of the error", failure.HTTPStatus, 200)
		want(t, "status of what fitted", failure.Response.Status, 200)
		want(t, "what fitted", string(failure.Response.Body), strings.Repeat("a", 1000))
	}
	want(t, "body of just the cap", len(fetch(t, session, &Request{URL: "/bytes/1000", MaxBody: 1000}).Body), 1000)
}

func cutBodyIsTruncatedWithWhatCame(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	_, err := session.Do(background, &Request{URL: "/bytes/100", Headers: fault("truncate=10")})
	failure := wantError(t, err, StatusTruncated, DetailNone, ResponseStarted)
	want(t, "is an unexpected EOF", errors.Is(err, io.ErrUnexpectedEOF), true)
	want(t, "status", failure.Response.Status, 200)
	want(t, "what came", string(failure.Response.Body), strings.Repeat("a", 10))
}

func resetBeforeResponseIsResetMaybeSent(t *testing.T) {
	server := listen(t)
	session := get(t, newPool(t, Options{}), server.http)
	_, err := session.Do(background, &Request{Method: "POST", URL: "/echo", Headers: fault("reset")})
	failure := wantError(t, err, StatusReset, DetailNone, MaybeSent)
	want(t, "retryable", failure.Retryable, false)
	want(t, "requests", server.count(t, "requests"), 1)
}

func refusedConnectionIsConnectNotSent(t *testing.T) {
	port, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, port.Close())
	_, err = get(t, newPool(t, Options{}), "http://"+port.Addr().String()).Do(background, &Request{})
	failure := wantError(t, err, StatusConnect, DetailNone, NotSent)
	want(t, "phase", failure.Phase, PhaseConnect)
	want(t, "retryable", failure.Retryable, true)
	want(t, "is the system's error", errors.Is(err, syscall.ECONNREFUSED), true)
}

func unresolvableHostIsDNSNotSent(t *testing.T) {
	_, err := get(t, newPool(t, Options{}), "http://nope.invalid").Do(background, &Request{})
	failure := wantError(t, err, StatusDNS, DetailNone, NotSent)
	want(t, "phase", failure.Phase, PhaseDNS)
}

func untrustedCertificateIsTLSNotSent(t *testing.T) {
	server := listen(t)
	_, err := get(t, newPool(t, Options{}), server.https).Do(background, &Request{URL: "/echo"})
	failure := wantError(t, err, StatusTLS, DetailUntrustedIssuer, NotSent)
	want(t, "phase", failure.Phase, PhaseTLS)
	want(t, "requests", server.count(t, "requests"), 0)
}

func extraCAIsTrusted(t *testing.T) {
	pem, err := os.ReadFile(os.Getenv("AIPOOL_SANDBOX_CA_PEM"))
	must(t, err)
	der, err := os.ReadFile(os.Getenv("AIPOOL_SANDBOX_CA_DER"))
	must(t, err)
	pool := newPool(t, Options{})
	for _, options := range []*SessionOptions{
		{CAFile: os.Getenv("AIPOOL_SANDBOX_CA_PEM")},
		{CAFile: os.Getenv("AIPOOL_SANDBOX_CA_DER")},
		{CABytes: pem},
		{CABytes: der},
	} {
		fetch(t, getWith(t, pool, listen(t).https, options), &Request{URL: "/echo"})
	}
}

func totalLimitIsTimeout(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	hold := newHold()
	_, err := session.Do(background, &Request{URL: hold.url(), Timeout: 300 * time.Millisecond})
	failure := wantError(t, err, StatusTimeout, DetailTotalLimit, MaybeSent)
	want(t, "phase", failure.Phase, PhaseFirstByte)
	want(t, "Timeout()", failure.Timeout(), true)
	want(t, "is DeadlineExceeded", errors.Is(err, context.DeadlineExceeded) && errors.Is(err, os.ErrDeadlineExceeded), true)
	hold.waitGone(t)
}

func firstByteLimitIsTimeout(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	_, err := session.Do(background, &Request{
		URL: "/echo", Headers: fault("stall-head"), FirstByteTimeout: 100 * time.Millisecond,
	})
	if lacks(t, err, "first_byte_timeout_ms: ") {
		return
	}
	failure := wantError(t, err, StatusTimeout, DetailFirstByteLimit, MaybeSent)
	want(t, "phase", failure.Phase, PhaseFirstByte)
	want(t, "Timeout()", failure.Timeout(), true)
}

func betweenBytesLimitIsTimeout(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	_, err := session.Do(background, &Request{
		URL: "/bytes/100", Headers: fault("stall=10"), BetweenBytesTimeout: 100 * time.Millisecond,
	})
	if lacks(t, err, "between_bytes_timeout_ms: ") {
		return
	}
	failure := wantError(t, err, StatusTimeout, DetailBetweenBytesLimit, ResponseStarted)
	want(t, "phase", failure.Phase, PhaseBody)
	want(t, "status", failure.HTTPStatus, 200)
}

func redirectsAreFollowedOnRequest(t *testing.T) {
	here, there := listen(t), listen(t)
	session := get(t, newPool(t, Options{}), here.http)
	request := &Request{
		URL:          "/redirect?to=" + there.http + "/redirect?to=/echo",
		Headers:      Headers{{"authorization", "Bearer secret"}, {"x-mine", "yes"}},
		MaxRedirects: 2,
	}
	response, err := session.Do(background, request)
	if lacks(t, err, "max_redirects: ") {
		return
	}
	must(t, err)
	want(t, "redirects", response.Info.Redirects, 2)
	head, _ := echoed(t, response)
	want(t, "own header", strings.Contains(head, "x-mine: yes"), true)
	want(t, "credentials of another origin", strings.Contains(head, "secret"), false)
	want(t, "requests", [2]int{here.count(t, "requests"), there.count(t, "requests")}, [2]int{1, 2})
	request.MaxRedirects = 1
	_, err = session.Do(background, request)
	wantError(t, err, StatusProtocol, DetailRedirect, ResponseStarted)
}

func redirectsAreNotFollowedUnasked(t *testing.T) {
	server := listen(t)
	response, err := get(t, newPool(t, Options{}), server.http).Do(background, &Request{URL: "/redirect?to=/echo"})
	must(t, err)
	want(t, "status", response.Status, 302)
	want(t, "location", response.Headers.Get("location"), "/echo")
	want(t, "redirects", response.Info.Redirects, 0)
	want(t, "requests", server.count(t, "requests"), 1)
}

func retriesFollowRetryAfter(t *testing.T) {
	server := listen(t)
	session := get(t, newPool(t, Options{}), server.http)
	request := &Request{URL: "/echo", Headers: fault("status=503, retry-after=1")}
	response, err := session.Do(background, request)
	must(t, err)
	want(t, "attempts unasked", response.Info.Attempts, 1)
	request.MaxRetries = 1
	response, err = session.Do(background, request)
	if lacks(t, err, "max_retries: ") {
		return
	}
	must(t, err)
	want(t, "status, attempts", [2]int{response.Status, response.Info.Attempts}, [2]int{503, 2})
	want(t, "waits as told", response.Info.Total >= time.Second, true)
	want(t, "requests", server.count(t, "requests"), 3)
}

func cancelFromAnotherThreadEndsTheCall(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	hold := newHold()
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	answers := start(ctx, session, &Request{URL: hold.url()})
	hold.waitHeld(t, 1)
	cancel()
	failure := wantError(t, (<-answers).err, StatusCancelled, DetailNone, MaybeSent)
	want(t, "is Canceled", errors.Is(failure, context.Canceled), true)
	want(t, "is no timeout", failure.Timeout(), false)
	// The server saw it go: the native request really ended.
	hold.waitGone(t)
}

func firedCancelIsSticky(t *testing.T) {
	server := listen(t)
	session := get(t, newPool(t, Options{}), server.http)
	ctx, cancel := context.WithCancel(background)
	cancel()
	token, failure := newCancel()
	must(t, orNil(failure))
	defer freeCancel(token)
	fireCancel(token)
	for range 2 {
		_, err := session.Do(ctx, &Request{URL: "/echo"})
		wantError(t, err, StatusCancelled, DetailNone, NotSent)
		// The context is not even asked for this one: it is the native handle that stays fired.
		_, failure := nativeDo(session.handle.token.Load(), nil, &Request{URL: "/echo"}, outgoing{cancel: token})
		want(t, "native status", failure.Status, StatusCancelled)
	}
	want(t, "requests", server.count(t, "requests"), 0)
}

func defaultHeadersAndLimitsBelongToTheHandle(t *testing.T) {
	pool := newPool(t, Options{})
	key := listen(t).http
	mine := getWith(t, pool, key, &SessionOptions{Headers: Headers{{"x-key", "mine"}, {"x-both", "handle"}}, MaxBody: 2000})
	other := get(t, pool, key)
	want(t, "one session", mine.ID(), other.ID())
	head, _ := echoed(t, fetch(t, mine, &Request{URL: "/echo", Headers: Headers{{"X-Both", "request"}}}))
	want(t, "own header", strings.Contains(head, "x-key: mine"), true)
	want(t, "request's header", strings.Contains(head, "x-both: request") && !strings.Contains(head, "handle"), true)
	head, _ = echoed(t, fetch(t, other, &Request{URL: "/echo"}))
	want(t, "another handle's header", strings.Contains(head, "x-key"), false)
	_, err := mine.Do(background, &Request{URL: "/bytes/3000"})
	wantError(t, err, StatusTooLarge, DetailNone, ResponseStarted)
	fetch(t, mine, &Request{URL: "/bytes/3000", MaxBody: Unlimited})
	fetch(t, other, &Request{URL: "/bytes/3000"})
}

func badURLNamesTheField(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	for _, url := range []string{"http://[::1", "ftp://host/x", "//host/x", "http://user:secret@host/"} {
		_, err := session.Do(background, &Request{URL: url})
		wantInvalid(t, err, "url: ")
		want(t, "tells the password", strings.Contains(err.Error(), "secret"), false)
	}
	_, err := session.pool.Session("http://user:secret@host/", nil)
	wantInvalid(t, err, "key: ")
}

func badHeaderNamesTheField(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	for _, bad := range []Header{
		{"bad name", "x"}, {"", "x"}, {"x-key", "secret\r\nx-evil: 1"}, {"x-key", "secret\x00"}, {"x\x00", "secret"},
	} {
		headers := Headers{{"x-good", "1"}, bad}
		_, err := session.Do(background, &Request{URL: "/echo", Headers: headers})
		failure := wantError(t, err, StatusInvalidArgument, DetailNone, NotSent)
		want(t, "names the header", strings.Contains(failure.Message, "headers[1]: "), true)
		want(t, "tells the value", strings.Contains(err.Error(), "secret"), false)
		_, err = session.pool.Session("http://host", &SessionOptions{Headers: headers})
		wantInvalid(t, err, "headers[1]")
	}
}
