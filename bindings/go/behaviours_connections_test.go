package aipool

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func warmOpensConnectionsBeforeRequests(t *testing.T) {
	server := listen(t)
	session := get(t, newPool(t, Options{}), server.http)
	standing, err := session.Warm(background, 3)
	if lacks(t, err, "warm: ") {
		return
	}
	must(t, err)
	want(t, "standing", standing, 3)
	want(t, "requests", server.count(t, "requests"), 0)
	hold := newHold()
	var held []<-chan answer
	for range 3 {
		held = append(held, start(background, session, &Request{URL: hold.url()}))
	}
	hold.waitHeld(t, 3)
	want(t, "connections", server.count(t, "connections_opened"), 3)
	hold.release(t)
	for _, answers := range held {
		wantAnswered(t, answers)
	}
	within, cancel := context.WithTimeout(background, tooLong)
	defer cancel()
	standing, err = session.Warm(within, 2)
	must(t, err)
	want(t, "standing", standing, 3)
	cancel()
	_, err = session.Warm(within, 2)
	wantError(t, err, StatusCancelled, DetailNone, NotSent)
}

// narrowPool has one connection to an origin, and one request may wait for it.
func narrowPool(t *testing.T) *Pool {
	return newPool(t, Options{MaxConnectionsPerOrigin: 1, MaxQueue: 1})
}

func queueFullIsLimitWithOccupancy(t *testing.T) {
	pool := narrowPool(t)
	session := get(t, pool, listen(t).http)
	hold := newHold()
	held := start(background, session, &Request{URL: hold.url()})
	hold.waitHeld(t, 1)
	queued := start(background, session, &Request{URL: "/echo"})
	if overReqwest() {
		// There connections have no bound, so nobody waits.
		wantAnswered(t, queued)
		fetch(t, session, &Request{URL: "/echo"})
		hold.release(t)
		wantAnswered(t, held)
		return
	}
	eventually(t, "one waits", func() bool { return statsOf(t, pool).Waiting == 1 })
	_, err := session.Do(background, &Request{URL: "/echo"})
	failure := wantError(t, err, StatusLimit, DetailQueueFull, NotSent)
	want(t, "retryable", failure.Retryable, true)
	wantPrefix(t, failure.Message, "max_queue: 1 of 1 connections to the origin in use, 1 waiting")
	hold.release(t)
	wantAnswered(t, held)
	wantAnswered(t, queued)
}

func queueLimitIsTimeoutWithOccupancy(t *testing.T) {
	session := get(t, narrowPool(t), listen(t).http)
	hold := newHold()
	held := start(background, session, &Request{URL: hold.url()})
	hold.waitHeld(t, 1)
	_, err := session.Do(background, &Request{URL: "/echo", QueueTimeout: 50 * time.Millisecond})
	hold.release(t)
	wantAnswered(t, held)
	if lacks(t, err, "queue_timeout_ms: ") {
		return
	}
	failure := wantError(t, err, StatusTimeout, DetailQueueLimit, NotSent)
	want(t, "phase", failure.Phase, PhaseQueue)
	want(t, "retryable", failure.Retryable, true)
	wantPrefix(t, failure.Message, "queue_timeout_ms: 50 ms ran out: 1 of 1 connections to the origin in use")
}

func trustAnybodyIsInsecureAndShown(t *testing.T) {
	pool := newPool(t, Options{})
	session, err := pool.Session(listen(t).https, over(&SessionOptions{Trust: TrustAnybody}))
	if lacks(t, err, "trust: ") {
		return
	}
	must(t, err)
	defer session.Close()
	info := fetch(t, session, &Request{URL: "/echo"}).Info
	want(t, "insecure", info.Insecure, true)
	want(t, "handshake", info.TLS, TLSFull)
	want(t, "insecure connections", statsOf(t, pool).ConnectionsInsecure, 1)
}

func proxyIsUsedWhenAsked(t *testing.T) {
	proxy := listen(t)
	session, err := newPool(t, Options{}).Session("http://nope.invalid", over(&SessionOptions{Proxy: proxy.http}))
	if lacks(t, err, "proxy") {
		return
	}
	must(t, err)
	defer session.Close()
	head, _ := echoed(t, fetch(t, session, &Request{URL: "/echo"}))
	want(t, "the server's name", strings.Contains(head+"\n", "\nhost: nope.invalid\n"), true)
	want(t, "requests at the proxy", proxy.count(t, "requests"), 1)
}

func reloadTLSReplacesConnections(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{})
	session := getWith(t, pool, server.https, caFile())
	reused := func() bool { return fetch(t, session, &Request{URL: "/echo"}).Info.Reused }
	want(t, "reused", [2]bool{reused(), reused()}, [2]bool{false, true})
	must(t, pool.ReloadTLS())
	// reqwest's connections are not the pool's to replace.
	want(t, "reused after the reload", reused(), overReqwest())
	if overReqwest() {
		return
	}
	want(t, "handshakes", server.count(t, "tls_handshakes"), 2)
	eventually(t, "the old one is closed", func() bool { return statsOf(t, pool).Closed[ClosedReloaded] == 1 })
}

func infoNamesConnectionAndAttempts(t *testing.T) {
	pool := newPool(t, Options{})
	session := get(t, pool, listen(t).http)
	first := fetch(t, session, &Request{URL: "/echo"}).Info
	second := fetch(t, session, &Request{URL: "/echo"}).Info
	want(t, "has a connection", first.ConnectionID != 0, !overReqwest())
	want(t, "connection", second.ConnectionID, first.ConnectionID)
	want(t, "attempts", [2]int{first.Attempts, second.Attempts}, [2]int{1, 1})
	want(t, "redirects, TLS, insecure", first.Redirects == 0 && first.TLS == TLSNone && !first.Insecure, true)
	// A connection that stood already took no time.
	want(t, "reused", second.Reused, true)
	want(t, "dial", second.DNSTime+second.ConnectTime+second.TLSTime, 0)
	// Options that no other test has: tickets are those of equal ones, and outlive a closed pool for a moment.
	options := caFile()
	if !overReqwest() {
		options.Trust = TrustGivenOnly
	}
	secure := fetch(t, getWith(t, pool, listen(t).https, options), &Request{URL: "/echo"}).Info
	want(t, "handshake", secure.TLS == TLSFull, !overReqwest())
	want(t, "its time", secure.TLSTime > 0, !overReqwest())
	want(t, "another connection", secure.ConnectionID != first.ConnectionID, !overReqwest())
}

func metricsArePrometheusText(t *testing.T) {
	pool := newPool(t, Options{})
	session := get(t, pool, listen(t).http)
	for range 2 {
		fetch(t, session, &Request{URL: "/echo"})
	}
	text, err := pool.Metrics()
	must(t, err)
	opened := 1
	if overReqwest() {
		opened = 0
	}
	for _, part := range []string{
		"# TYPE aipool_requests_total counter\naipool_requests_total 2\n",
		"\naipool_requests_reused_total 1\n",
		"\naipool_connections_closed_total{reason=\"idle\"} 0\n",
		fmt.Sprintf("\naipool_connections_opened_total %d\n", opened),
	} {
		if !strings.Contains(text, part) {
			t.Fatalf("%q is not in\n%s", part, text)
		}
	}
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		want(t, line, strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "aipool_"), true)
	}
}

// event is what these tests look at in a line.
type event struct {
	Pool       int
	Event      string
	Host       string
	Port       int
	OK         bool
	HTTPStatus int `json:"http_status"`
}

func eventsAreJSONLines(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{})
	var reader Events
	_, _, err := reader.Lines()
	must(t, err)
	fetch(t, get(t, pool, server.http), &Request{URL: "/echo?secret"})
	must(t, pool.ReloadTLS())
	lines, lost, err := reader.Lines()
	must(t, err)
	want(t, "lost", lost, 0)
	want(t, "tells the query", strings.Contains(strings.Join(lines, ""), "secret"), false)
	connected, answered, reloaded := 0, 0, 0
	for _, line := range lines {
		var event event
		must(t, json.Unmarshal([]byte(line), &event))
		switch {
		case event.Event == "connect" && strings.HasSuffix(server.http, fmt.Sprintf("//%s:%d", event.Host, event.Port)):
			connected = event.Pool
		case event.Event == "request" && event.Pool == connected && event.HTTPStatus == 200:
			answered++
		case event.Event == "reload" && event.OK:
			reloaded++
		}
	}
	want(t, "reloads", reloaded, 1)
	want(t, "a connection, a request", [2]bool{connected != 0, answered == 1}, [2]bool{!overReqwest(), !overReqwest()})
}

func statsReconcile(t *testing.T) {
	plain, secure := listen(t), listen(t)
	pool := newPool(t, Options{})
	closing, staying := get(t, pool, plain.http), getWith(t, pool, secure.https, caFile())
	for range 3 {
		fetch(t, closing, &Request{URL: "/echo"})
		fetch(t, staying, &Request{URL: "/echo"})
	}
	must(t, closing.CloseShared())
	control(t, "GET", "/control/wait-connections-open?id="+plain.id)
	shown := uint64(1)
	if overReqwest() {
		shown = 0
	}
	eventually(t, "the connection is closed", func() bool { return statsOf(t, pool).Closed[ClosedNoSession] == shown })
	counted := func(name string) uint64 { return uint64(plain.count(t, name) + secure.count(t, name)) }
	stats := statsOf(t, pool)
	var closed uint64
	for _, count := range stats.Closed {
		closed += count
	}
	want(t, "requests", stats.Requests, counted("requests"))
	want(t, "reused", stats.RequestsReused, 4)
	want(t, "opened", stats.ConnectionsOpened, counted("connections_opened"))
	want(t, "closed", closed, shown)
	want(t, "open", stats.ConnectionsOpen, (stats.ConnectionsOpened-closed)*shown)
	want(t, "handshakes", stats.HandshakesFull, uint64(secure.count(t, "tls_handshakes"))*shown)
	want(t, "failed, waiting, dialing", stats.ConnectsFailed+stats.Waiting+stats.ConnectionsDialing, 0)
}
