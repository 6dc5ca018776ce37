package aipool

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

// rig runs one behaviour over one transport.
type rig struct {
	testing.TB
	ours bool
	// limits are set before a server is asked for.
	headTimeout time.Duration
	mostConns   int
	idleTimeout time.Duration
	server      *httptest.Server
	transport   http.RoundTripper
	client      *http.Client
}

func (r *rig) serve(handler http.HandlerFunc) string {
	r.server = httptest.NewServer(handler)
	r.begin()
	return r.server.URL
}

func (r *rig) serveTLS(handler http.HandlerFunc) string {
	r.server = httptest.NewUnstartedServer(handler)
	r.server.EnableHTTP2 = true
	r.server.StartTLS()
	r.begin()
	return r.server.URL
}

// serveRaw answers each connection with what it is told, without looking at requests.
func (r *rig) serveRaw(answer func(conn net.Conn)) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(r, err)
	r.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				answer(conn)
			}()
		}
	}()
	r.begin()
	return "http://" + listener.Addr().String()
}

// begin makes the transport and its client.
func (r *rig) begin() {
	if r.ours {
		pool := newPool(r, Options{MaxConnectionsPerOrigin: r.mostConns, IdleTimeout: r.idleTimeout})
		options := &SessionOptions{FirstByteTimeout: r.headTimeout}
		if r.server != nil && r.server.Certificate() != nil {
			// Its certificate is an authority and a leaf at once, which is not taken for a leaf.
			options.Trust = TrustAnybody
		}
		r.transport = NewTransport(pool, options)
	} else {
		var transport *http.Transport
		if r.server != nil {
			transport = r.server.Client().Transport.(*http.Transport)
		} else {
			transport = &http.Transport{}
			r.Cleanup(transport.CloseIdleConnections)
		}
		transport.ResponseHeaderTimeout = r.headTimeout
		transport.MaxConnsPerHost = r.mostConns
		transport.IdleConnTimeout = r.idleTimeout
		r.transport = transport
	}
	r.client = &http.Client{Transport: r.transport}
	if r.server != nil {
		r.Cleanup(func() { r.server.CloseClientConnections(); r.server.Close() })
	}
}

func (r *rig) request(method, url string, body io.Reader) *http.Request {
	r.Helper()
	request, err := http.NewRequest(method, url, body)
	must(r, err)
	return request
}

// do must be answered.
func (r *rig) do(request *http.Request) *http.Response {
	r.Helper()
	response, err := r.client.Do(request)
	must(r, err)
	r.Cleanup(func() { response.Body.Close() })
	return response
}

func (r *rig) get(url string) *http.Response {
	r.Helper()
	return r.do(r.request("GET", url, nil))
}

// text reads a body to its end and closes it.
func (r *rig) text(response *http.Response) string {
	r.Helper()
	body, err := io.ReadAll(response.Body)
	must(r, err)
	must(r, response.Body.Close())
	return string(body)
}

func remote(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) }

// sameConn is whether two GETs, each read to its end, go over one connection.
func (r *rig) sameConn(url string) bool {
	r.Helper()
	first := r.text(r.get(url))
	return first == r.text(r.get(url))
}

type neverEnding byte

func (n neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(n)
	}
	return len(p), nil
}

func zipped(text string) []byte {
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	io.WriteString(writer, text)
	writer.Close()
	return buffer.Bytes()
}

// within runs what must not hang.
func within(t testing.TB, limit time.Duration, what func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); what() }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("not done within %v", limit)
	}
}

// readHead reads a request's head off a connection.
func readHead(conn net.Conn) {
	var head []byte
	for one := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); {
		if _, err := conn.Read(one); err != nil {
			return
		}
		head = append(head, one[0])
	}
}

// roundTrips are the behaviours that net/http and we have in common, under the names of net/http/transport_test.go; those
// behind the line are not tested there under one name. testdata/transport_rest.txt lists the tests that have no place here.
var roundTrips = []struct {
	name string
	test func(*rig)
}{
	{"ReuseRequest", func(r *rig) {
		request := r.request("GET", r.serve(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }), nil)
		for range 2 {
			must(r, r.do(request).Body.Close())
		}
	}},
	{"TransportKeepAlives", func(r *rig) { want(r, "same", r.sameConn(r.serve(remote)), true) }},
	{"TransportConnectionCloseOnResponse", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) { w.Header().Set("Connection", "close"); remote(w, q) })
		want(r, "same", r.sameConn(url), false)
		response := r.get(url)
		want(r, "Close", response.Close, true)
	}},
	{"TransportConnectionCloseOnRequest", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("X-Saw-Close", fmt.Sprint(q.Close))
			remote(w, q)
		})
		request := r.request("GET", url, nil)
		request.Close = true
		response := r.do(request)
		want(r, "server saw", response.Header.Get("X-Saw-Close"), "true")
		want(r, "Close", response.Close, true)
		first := r.text(response)
		want(r, "another connection", first != r.text(r.do(request)), true)
	}},
	{"TransportRespectRequestWantsClose", func(r *rig) {
		url := r.serve(remote)
		request := r.request("GET", url, nil)
		request.Header.Set("Connection", "close")
		first := r.text(r.do(request))
		want(r, "another connection", first != r.text(r.get(url)), true)
	}},
	{"TransportIdleCacheKeys", func(r *rig) {
		url := r.serve(remote)
		first := r.text(r.get(url))
		r.client.CloseIdleConnections()
		want(r, "another connection", first != r.text(r.get(url)), true)
	}},
	{"TransportReadToEndReusesConn", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path == "/chunked" {
				w.WriteHeader(200)
				w.(http.Flusher).Flush()
			} else {
				w.Header().Set("Content-Length", fmt.Sprint(len(q.RemoteAddr)))
			}
			remote(w, q)
		})
		addrs := map[string]bool{}
		for range 3 {
			for _, path := range []string{"/", "/chunked"} {
				response := r.get(url + path)
				// Read to the end, and never closed.
				body, err := io.ReadAll(response.Body)
				must(r, err)
				addrs[string(body)] = true
			}
		}
		want(r, "connections", len(addrs), 1)
	}},
	{"TransportMaxConnsPerHost", func(r *rig) {
		r.mostConns = 2
		var now, most atomic.Int32
		var mu sync.Mutex
		connections := map[string]bool{}
		mate := make(chan struct{})
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			mu.Lock()
			connections[q.RemoteAddr] = true
			mu.Unlock()
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			// Two at once come through, and no fewer.
			select {
			case mate <- struct{}{}:
			case <-mate:
			}
			now.Add(-1)
		})
		everywhere(func(int) {
			response, err := r.client.Get(url)
			if err != nil {
				r.Error(err)
				return
			}
			response.Body.Close()
		})
		want(r, "at once", most.Load(), 2)
		mu.Lock()
		defer mu.Unlock()
		want(r, "connections", len(connections), 2)
	}},
	{"TransportRemovesDeadIdleConnections", func(r *rig) {
		url := r.serve(remote)
		for range 3 {
			r.text(r.get(url))
			r.server.CloseClientConnections()
		}
	}},
	{"TransportServerClosingUnexpectedly", func(r *rig) {
		url := r.serve(remote)
		for range 5 {
			first := r.text(r.get(url))
			r.server.CloseClientConnections()
			want(r, "another connection", first != r.text(r.get(url)), true)
		}
	}},
	{"StressSurpriseServerCloses", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "Hello")
			w.(http.Flusher).Flush()
			conn, writer, _ := w.(http.Hijacker).Hijack()
			writer.Flush()
			conn.Close()
		})
		within(r, 20*time.Second, func() {
			everywhere(func(int) {
				for range 5 {
					if response, err := r.client.Get(url); err == nil {
						response.Body.Close()
					}
				}
			})
		})
	}},
	{"TransportHeadResponses", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Length", "123")
			w.WriteHeader(200)
		})
		for range 2 {
			response := r.do(r.request("HEAD", url, nil))
			want(r, "header", response.Header.Get("Content-Length"), "123")
			want(r, "length", response.ContentLength, 123)
			want(r, "body", r.text(response), "")
		}
	}},
	{"TransportHeadChunkedResponse", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Transfer-Encoding", "chunked")
			w.Header().Set("X-Conn", q.RemoteAddr)
			w.WriteHeader(200)
		})
		first := r.do(r.request("HEAD", url, nil))
		want(r, "body", r.text(first), "")
		second := r.do(r.request("HEAD", url, nil))
		want(r, "connection", first.Header.Get("X-Conn"), second.Header.Get("X-Conn"))
	}},
	{"RoundTripGzip", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			if !strings.Contains(q.Header.Get("Accept-Encoding"), "gzip") {
				r.Error("not asked for gzip")
			}
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(zipped("test response body"))
		})
		request := r.request("GET", url, nil)
		response := r.do(request)
		want(r, "body", r.text(response), "test response body")
		want(r, "encoding", response.Header.Get("Content-Encoding"), "")
		want(r, "length header", response.Header.Get("Content-Length"), "")
		want(r, "length", response.ContentLength, -1)
		want(r, "Uncompressed", response.Uncompressed, true)
		want(r, "request as it was", len(request.Header), 0)
	}},
	{"TransportGzip", func(r *rig) {
		// What shrinks more than a hundredfold is taken for a bomb.
		var text strings.Builder
		for i := range 100_000 {
			fmt.Fprint(&text, "The test string ", i*i%99_991)
		}
		long := text.String()
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			if q.Method != "HEAD" {
				w.Write(zipped(q.URL.Query().Get("s") + long))
			}
		})
		response := r.get(url + "/?s=x")
		begin := make([]byte, 3)
		_, err := io.ReadFull(response.Body, begin)
		must(r, err)
		want(r, "begin", string(begin), "xTh")
		want(r, "rest", len(r.text(response)), len(long)-2)
		_, err = response.Body.Read(begin)
		want(r, "after Close", err != nil && err != io.EOF, true)
		want(r, "HEAD", r.text(r.do(r.request("HEAD", url, nil))), "")
	}},
	{"TransportGzipShort", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write([]byte{0x1f, 0x8b})
		})
		_, err := io.ReadAll(r.get(url).Body)
		want(r, "is ErrUnexpectedEOF", errors.Is(err, io.ErrUnexpectedEOF), true)
	}},
	{"TransportPersistConnLeak", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
		r.text(r.get(url))
		before := runtime.NumGoroutine()
		for range 25 {
			r.text(r.get(url))
		}
		eventually(r, "no goroutines", func() bool { return runtime.NumGoroutine() < before+10 })
	}},
	{"TransportPersistConnLeakShortBody", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 4<<20)) })
		before := runtime.NumGoroutine()
		for range 20 {
			must(r, r.get(url).Body.Close())
		}
		r.client.CloseIdleConnections()
		eventually(r, "no goroutines", func() bool { return runtime.NumGoroutine() < before+10 })
	}},
	{"TransportIdleConnCrash", func(r *rig) {
		entered, unblock := make(chan bool), make(chan bool)
		url := r.serve(func(w http.ResponseWriter, _ *http.Request) {
			entered <- true
			<-unblock
			io.WriteString(w, "x")
		})
		done := make(chan error)
		go func() {
			response, err := r.client.Get(url)
			if err == nil {
				_, err = io.ReadAll(response.Body)
			}
			done <- err
		}()
		<-entered
		r.client.CloseIdleConnections()
		unblock <- true
		must(r, <-done)
	}},
	{"Issue3644", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			for range 200_000 {
				io.WriteString(w, "12345")
			}
		})
		want(r, "length", len(r.text(r.get(url))), 1_000_000)
	}},
	{"Issue3595", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "sorry, denied.", 401) })
		response, err := r.client.Post(url, "application/octet-stream", neverEnding('a'))
		must(r, err)
		want(r, "status", response.StatusCode, 401)
		want(r, "body", strings.Contains(r.text(response), "denied"), true)
	}},
	{"ChunkedNoContent", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) { w.WriteHeader(204) })
		for range 3 {
			response := r.get(url)
			want(r, "body", r.text(response), "")
			want(r, "length", response.ContentLength, 0)
		}
	}},
	{"TransportConcurrency", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) { io.WriteString(w, q.FormValue("echo")) })
		everywhere(func(goroutine int) {
			for i := range 10 {
				text := fmt.Sprintf("%d-%d", goroutine, i)
				response, err := r.client.Get(url + "/?echo=" + text)
				if err != nil {
					r.Error(err)
					return
				}
				body, err := io.ReadAll(response.Body)
				if err != nil || string(body) != text {
					r.Error(err, string(body))
				}
				response.Body.Close()
			}
		})
	}},
	{"Issue4191_InfiniteGetTimeout", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, neverEnding('a')) })
		r.client.Timeout = 100 * time.Millisecond
		_, err := io.Copy(io.Discard, r.get(url).Body)
		var timeout net.Error
		want(r, "is a timeout", errors.As(err, &timeout) && timeout.Timeout(), true)
	}},
	{"Issue4191_InfiniteGetToPutTimeout", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			if q.Method == "PUT" {
				io.Copy(io.Discard, q.Body)
				return
			}
			io.Copy(w, neverEnding('a'))
		})
		ctx, cancel := context.WithTimeout(background, 100*time.Millisecond)
		defer cancel()
		from := r.do(r.request("GET", url, nil).WithContext(ctx))
		_, err := r.client.Do(r.request("PUT", url, from.Body).WithContext(ctx))
		want(r, "fails", err != nil, true)
	}},
	{"TransportResponseHeaderTimeout", func(r *rig) {
		r.headTimeout = 100 * time.Millisecond
		release := make(chan struct{})
		url := r.serve(func(_ http.ResponseWriter, q *http.Request) {
			if q.URL.Path == "/slow" {
				<-release
			}
		})
		defer close(release)
		r.text(r.get(url))
		_, err := r.client.Get(url + "/slow")
		var timeout net.Error
		want(r, "is a timeout", errors.As(err, &timeout) && timeout.Timeout(), true)
	}},
	{"TransportCancelRequest", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			io.WriteString(w, "Hello")
			w.(http.Flusher).Flush()
			<-q.Context().Done()
		})
		ctx, cancel := context.WithCancel(background)
		response := r.do(r.request("GET", url, nil).WithContext(ctx))
		time.AfterFunc(50*time.Millisecond, cancel)
		body, err := io.ReadAll(response.Body)
		want(r, "error", err, context.Canceled)
		want(r, "body", string(body), "Hello")
	}},
	{"TransportCancelRequestInDo", func(r *rig) {
		url := r.serve(func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() })
		ctx, cancel := context.WithCancel(background)
		time.AfterFunc(50*time.Millisecond, cancel)
		_, err := r.transport.RoundTrip(r.request("GET", url, nil).WithContext(ctx))
		want(r, "error", err, context.Canceled)
	}},
	{"TransportCancelRequestWithBodyInDo", func(r *rig) {
		url := r.serve(func(_ http.ResponseWriter, q *http.Request) { io.ReadAll(q.Body); <-q.Context().Done() })
		cause := errors.New("changed my mind")
		ctx, cancel := context.WithCancelCause(background)
		time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
		_, err := r.transport.RoundTrip(r.request("POST", url, bytes.NewReader([]byte("body"))).WithContext(ctx))
		want(r, "error", err, cause)
	}},
	{"TransportCancelRequestWithBody", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			io.ReadAll(q.Body)
			io.WriteString(w, "Hello")
			w.(http.Flusher).Flush()
			<-q.Context().Done()
		})
		ctx, cancel := context.WithCancel(background)
		response := r.do(r.request("POST", url, strings.NewReader("withbody")).WithContext(ctx))
		time.AfterFunc(50*time.Millisecond, cancel)
		_, err := io.ReadAll(response.Body)
		want(r, "error", err, context.Canceled)
	}},
	{"TransportCancelRequestBeforeDo", func(r *rig) {
		url := r.serve(remote)
		ctx, cancel := context.WithCancel(background)
		cancel()
		_, err := r.transport.RoundTrip(r.request("GET", url, nil).WithContext(ctx))
		want(r, "error", err, context.Canceled)
	}},
	{"TransportCancelRequestBeforeResponseHeaders", func(r *rig) {
		arrived := make(chan struct{}, 1)
		url := r.serveRaw(func(conn net.Conn) { readHead(conn); arrived <- struct{}{}; io.ReadAll(conn) })
		ctx, cancel := context.WithCancel(background)
		go func() { <-arrived; cancel() }()
		_, err := r.transport.RoundTrip(r.request("GET", url, nil).WithContext(ctx))
		want(r, "error", err, context.Canceled)
	}},
	{"TransportCloseResponseBody", func(r *rig) {
		failed := make(chan error, 1)
		url := r.serve(func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := io.WriteString(w, "foobar"); err != nil {
					failed <- err
					return
				}
				w.(http.Flusher).Flush()
			}
		})
		response := r.get(url)
		_, err := io.ReadFull(response.Body, make([]byte, 18))
		must(r, err)
		must(r, response.Body.Close())
		within(r, tooLong, func() { <-failed })
	}},
	{"TransportNoHost", func(r *rig) {
		r.begin()
		_, err := r.transport.RoundTrip(&http.Request{Header: http.Header{}, URL: &url.URL{Scheme: "http"}})
		want(r, "names the host", err != nil && strings.Contains(err.Error(), "host") || strings.Contains(fmt.Sprint(err), "Host"), true)
	}},
	{"TransportEmptyMethod", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) { io.WriteString(w, q.Method) })
		request := r.request("GET", url, nil)
		request.Method = ""
		want(r, "method", r.text(r.do(request)), "GET")
	}},
	{"TransportReading100Continue", func(r *rig) {
		url := r.serveRaw(func(conn net.Conn) {
			readHead(conn)
			io.ReadFull(conn, make([]byte, 5))
			io.WriteString(conn, "HTTP/1.1 100 Continue\r\nContent-Length: 10\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		})
		want(r, "body", r.text(r.do(r.request("POST", url, strings.NewReader("12345")))), "ok")
	}},
	{"TransportIgnore1xxResponses", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Early", "1")
			w.WriteHeader(103)
			w.Header().Set("X-Late", "1")
			io.WriteString(w, "Hello")
		})
		response := r.get(url)
		want(r, "status", response.StatusCode, 200)
		want(r, "late", response.Header.Get("X-Late"), "1")
		want(r, "body", r.text(response), "Hello")
	}},
	{"TransportLimits1xxResponses", func(r *rig) {
		url := r.serveRaw(func(conn net.Conn) {
			readHead(conn)
			for range 100_000 {
				if _, err := io.WriteString(conn, "HTTP/1.1 103 Early\r\nX: "+strings.Repeat("y", 1000)+"\r\n\r\n"); err != nil {
					return
				}
			}
		})
		_, err := r.client.Get(url)
		want(r, "fails", err != nil, true)
	}},
	{"TransportTreat101Terminal", func(r *rig) {
		url := r.serveRaw(func(conn net.Conn) {
			readHead(conn)
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
		})
		response, err := r.client.Get(url)
		// net/http hands it out; we cannot speak another protocol, and say so.
		want(r, "refused", err != nil, r.ours)
		if err == nil {
			want(r, "status", response.StatusCode, 101)
		}
		request := r.request("GET", url, nil)
		request.Header.Set("Connection", "Upgrade")
		request.Header.Set("Upgrade", "websocket")
		if r.ours {
			_, err = r.client.Do(request)
			want(r, "is ErrUnsupported", errors.Is(err, errors.ErrUnsupported), true)
		}
	}},
	{"TransportClosesRequestBody", func(r *rig) {
		url := r.serve(func(_ http.ResponseWriter, q *http.Request) { io.Copy(io.Discard, q.Body) })
		body := push(strings.NewReader("hello"))
		r.text(r.do(r.request("POST", url, body)))
		within(r, tooLong, func() { <-body.closed })
	}},
	{"TLSServerClosesConnection", func(r *rig) {
		url := r.serveTLS(func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path == "/keep" {
				io.WriteString(w, "foo")
				return
			}
			w.WriteHeader(200)
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
		r.server.Config.ErrorLog = nil
		want(r, "whole", r.text(r.get(url+"/keep")), "foo")
		_, err := io.ReadAll(r.get(url).Body)
		want(r, "cut", err != nil, true)
		want(r, "whole", r.text(r.get(url+"/keep")), "foo")
	}},
	{"TransportNoReuseAfterEarlyResponse", func(r *rig) {
		var early atomic.Pointer[string]
		url := r.serveRaw(func(conn net.Conn) {
			readHead(conn)
			addr := conn.RemoteAddr().String()
			early.Store(&addr)
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(addr), addr)
			io.ReadAll(conn)
		})
		pipe, writer := io.Pipe()
		first := r.text(r.do(r.request("POST", url, pipe)))
		want(r, "another connection", first != r.text(r.get(url)), true)
		if r.ours {
			_, err := writer.Write([]byte("x"))
			want(r, "body closed", err, io.ErrClosedPipe)
		}
	}},
	{"TransportIssue10457", func(r *rig) {
		url := r.serveRaw(func(conn net.Conn) {
			readHead(conn)
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nFoo: Bar\r\nContent-Length: 0\r\n\r\n")
		})
		want(r, "header", r.get(url).Header.Get("Foo"), "Bar")
	}},
	{"RetryRequestsOnError", func(r *rig) {
		var count atomic.Int32
		url := r.serve(func(w http.ResponseWriter, _ *http.Request) {
			if count.Add(1) == 2 {
				conn, _, _ := w.(http.Hijacker).Hijack()
				conn.Close()
			}
		})
		r.text(r.get(url))
		// Over the reused connection it fails without a byte of an answer, and is sent again.
		r.text(r.get(url))
		want(r, "requests", count.Load(), 3)
	}},
	{"TransportClosesBodyOnError", func(r *rig) {
		read := make(chan error, 1)
		url := r.serve(func(_ http.ResponseWriter, q *http.Request) { _, err := io.ReadAll(q.Body); read <- err })
		fake := errors.New("fake error")
		body := push(io.MultiReader(io.LimitReader(neverEnding('x'), 1<<20), iotest.ErrReader(fake)))
		_, err := r.client.Do(r.request("POST", url, body))
		want(r, "names it", err != nil && strings.Contains(err.Error(), fake.Error()), true)
		within(r, tooLong, func() {
			want(r, "server saw a failure", <-read != nil, true)
			<-body.closed
		})
	}},
	{"TransportDialContext", func(r *rig) {
		r.begin()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		must(r, err)
		must(r, listener.Close())
		_, err = r.client.Get("http://" + listener.Addr().String())
		want(r, "is refused", errors.Is(err, connectionRefused), true)
	}},
	{"TransportResponseCancelRace", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 4096)) })
		response := r.get(url)
		_, err := response.Body.Read(make([]byte, 1024))
		must(r, err)
		must(r, response.Body.Close())
		want(r, "length", len(r.text(r.get(url))), 4096)
	}},
	{"TransportContentEncodingCaseInsensitive", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Encoding", q.URL.Query().Get("as"))
			w.Write(zipped("foobar"))
		})
		for _, as := range []string{"gzip", "GZIP", "gZip"} {
			want(r, as, r.text(r.get(url+"/?as="+as)), "foobar")
		}
	}},
	{"TransportFlushesBodyChunks", func(r *rig) {
		lines := make(chan string)
		url := r.serve(func(_ http.ResponseWriter, q *http.Request) {
			for buffer := make([]byte, 100); ; {
				n, err := q.Body.Read(buffer)
				if n > 0 {
					lines <- string(buffer[:n])
				}
				if err != nil {
					return
				}
			}
		})
		pipe, writer := io.Pipe()
		go func() {
			for i := range 3 {
				line := fmt.Sprintf("num%d", i)
				io.WriteString(writer, line)
				if got := <-lines; got != line {
					r.Error(got)
				}
			}
			writer.Close()
		}()
		within(r, tooLong, func() { r.text(r.do(r.request("POST", url, pipe))) })
	}},
	{"TransportFlushesRequestHeader", func(r *rig) {
		got := make(chan struct{})
		url := r.serve(func(_ http.ResponseWriter, q *http.Request) { close(got); io.ReadAll(q.Body) })
		pipe, writer := io.Pipe()
		go func() { <-got; writer.Close() }()
		within(r, tooLong, func() { r.text(r.do(r.request("POST", url, pipe))) })
	}},
	{"TransportPrefersResponseOverWriteError", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			if q.ContentLength >= 1<<20 {
				w.WriteHeader(413)
			}
		})
		for range 10 {
			request := r.request("POST", url, bytes.NewReader(make([]byte, 2<<20)))
			request.ContentLength = 2 << 20
			want(r, "status", r.do(request).StatusCode, 413)
		}
	}},
	{"TransportAutomaticHTTP2", func(r *rig) {
		response := r.get(r.serveTLS(remote))
		want(r, "proto", response.Proto, "HTTP/2.0")
		want(r, "major", response.ProtoMajor, 2)
	}},
	{"TransportReuseConnEmptyResponseBody", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) { w.Header().Set("X-Addr", q.RemoteAddr) })
		addrs := map[string]bool{}
		for range 10 {
			response := r.get(url)
			addrs[response.Header.Get("X-Addr")] = true
			must(r, response.Body.Close())
		}
		want(r, "connections", len(addrs), 1)
	}},
	{"TransportReuseConnection_Gzip", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("X-Addr", q.RemoteAddr)
			if q.URL.Path == "/chunked" {
				w.(http.Flusher).Flush()
			}
			w.Write(zipped("hello"))
		})
		addrs := map[string]bool{}
		for _, path := range []string{"/", "/chunked", "/", "/chunked"} {
			response := r.get(url + path)
			want(r, "body", r.text(response), "hello")
			addrs[response.Header.Get("X-Addr")] = true
		}
		want(r, "connections", len(addrs), 1)
	}},
	{"TransportResponseHeaderLength", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path == "/long" {
				w.Header().Set("Long", strings.Repeat("a", 20<<20))
			}
		})
		r.text(r.get(url))
		_, err := r.client.Get(url + "/long")
		want(r, "fails", err != nil, true)
	}},
	{"TransportRejectsAlphaPort", func(r *rig) {
		r.begin()
		_, err := r.client.Get("http://dummy.tld:123foo/bar")
		want(r, "fails", err != nil, true)
	}},
	{"TransportIdleConnTimeout", func(r *rig) {
		r.idleTimeout = 50 * time.Millisecond
		closed := make(chan struct{})
		var conns atomic.Int32
		url := r.serveRaw(func(conn net.Conn) {
			readHead(conn)
			number := conns.Add(1)
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			if number == 1 {
				io.Copy(io.Discard, conn)
				close(closed)
			}
		})
		r.text(r.get(url))
		<-closed
		r.text(r.get(url))
		want(r, "connections", conns.Load(), 2)
	}},
	{"MissingStatusNoPanic", func(r *rig) {
		url := r.serveRaw(func(conn net.Conn) {
			readHead(conn)
			io.WriteString(conn, "HTTP/1.1\r\nContent-Length: 10\r\n\r\nAloha Olaa")
		})
		_, err := r.client.Get(url)
		want(r, "fails", err != nil, true)
	}},
	{"NoBodyOnChunked304Response", func(r *rig) {
		url := r.serveRaw(func(conn net.Conn) {
			readHead(conn)
			io.WriteString(conn, "HTTP/1.1 304 NOT MODIFIED\r\nTransfer-Encoding: chunked\r\n\r\n")
			io.ReadAll(conn)
		})
		response := r.get(url)
		want(r, "no body", response.Body, io.ReadCloser(http.NoBody))
	}},
	{"TransportCheckContextDoneEarly", func(r *rig) {
		r.begin()
		cause := errors.New("some error")
		ctx, cancel := context.WithCancelCause(background)
		cancel(cause)
		_, err := r.transport.RoundTrip(r.request("GET", "http://fake.tld/", nil).WithContext(ctx))
		want(r, "error", err, cause)
	}},
	{"ClientTimeoutKillsConn_BeforeHeaders", func(r *rig) {
		gone := make(chan struct{})
		url := r.serve(func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done(); close(gone) })
		r.client.Timeout = 50 * time.Millisecond
		_, err := r.client.Get(url)
		want(r, "fails", err != nil, true)
		within(r, tooLong, func() { <-gone })
	}},
	{"ClientTimeoutKillsConn_AfterHeaders", func(r *rig) {
		gone := make(chan struct{})
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.(http.Flusher).Flush()
			<-q.Context().Done()
			close(gone)
		})
		r.client.Timeout = 100 * time.Millisecond
		_, err := io.ReadAll(r.get(url).Body)
		want(r, "fails", err != nil, true)
		within(r, tooLong, func() { <-gone })
	}},
	{"TransportIgnores408", func(r *rig) {
		var conns atomic.Int32
		read, closed := make(chan struct{}), make(chan struct{})
		url := r.serveRaw(func(conn net.Conn) {
			readHead(conn)
			first := conns.Add(1) == 1
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			if first {
				<-read
				io.WriteString(conn, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
				io.Copy(io.Discard, conn)
				close(closed)
			}
		})
		r.text(r.get(url))
		close(read)
		<-closed
		want(r, "status", r.get(url).StatusCode, 200)
		want(r, "connections", conns.Load(), 2)
	}},
	{"TransportClosesBodyOnInvalidRequests", func(r *rig) {
		r.begin()
		good := func() *http.Request { return r.request("POST", "http://fake.tld/", push(strings.NewReader("x"))) }
		for what, spoil := range map[string]func(*http.Request){
			"nil URL":     func(q *http.Request) { q.URL = nil },
			"nil Header":  func(q *http.Request) { q.Header = nil },
			"bad name":    func(q *http.Request) { q.Header[":"] = []string{"x"} },
			"bad value":   func(q *http.Request) { q.Header["Foo"] = []string{"x\ny"} },
			"bad method":  func(q *http.Request) { q.Method = " " },
			"bad scheme":  func(q *http.Request) { q.URL.Scheme = "ftp" },
			"no host":     func(q *http.Request) { q.URL.Host = "" },
			"bad trailer": func(q *http.Request) { q.Trailer = http.Header{"X": {"\n"}} },
			"ended before": func(q *http.Request) {
				ctx, cancel := context.WithCancel(q.Context())
				cancel()
				*q = *q.WithContext(ctx)
			},
		} {
			request := good()
			spoil(request)
			_, err := r.transport.RoundTrip(request)
			want(r, what+" fails", err != nil, true)
			within(r, tooLong, func() { <-request.Body.(*pushed).closed })
		}
	}},
	{"CancelRequestWhenSharingConnection", func(r *rig) {
		url := r.serveTLS(func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path == "/wait" {
				<-q.Context().Done()
			}
		})
		ctx, cancel := context.WithCancel(background)
		failed := make(chan error)
		go func() {
			_, err := r.client.Do(r.request("GET", url+"/wait", nil).WithContext(ctx))
			failed <- err
		}()
		for range 20 {
			r.text(r.get(url))
		}
		cancel()
		want(r, "is Canceled", errors.Is(<-failed, context.Canceled), true)
		r.text(r.get(url))
	}},
	{"HandlerAbortRacesBodyRead", func(r *rig) {
		url := r.serve(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		within(r, tooLong, func() {
			everywhere(func(int) {
				response, err := r.client.Post(url, "text/plain", io.LimitReader(neverEnding('a'), 1<<18))
				if err == nil {
					response.Body.Close()
				}
			})
		})
	}},
	{"RequestSanitization", func(r *rig) {
		url := r.serve(func(_ http.ResponseWriter, q *http.Request) {
			if _, has := q.Header["X-Evil"]; has {
				r.Error("a header was smuggled in")
			}
		})
		request := r.request("GET", url, nil)
		request.Host = "go.dev\r\nX-Evil:evil"
		if response, err := r.client.Do(request); err == nil {
			response.Body.Close()
		}
	}},
	{"TransportRejectsSignInContentLength", func(r *rig) {
		url := r.serveRaw(func(conn net.Conn) {
			readHead(conn)
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc")
		})
		_, err := r.client.Get(url)
		want(r, "fails", err != nil, true)
	}},
	{"TransportRangeAndGzip", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			io.WriteString(w, q.Header.Get("Range")+" "+fmt.Sprint(strings.Contains(q.Header.Get("Accept-Encoding"), "gzip")))
		})
		request := r.request("GET", url, nil)
		request.Header.Set("Range", "bytes=7-11")
		want(r, "seen", r.text(r.do(request)), "bytes=7-11 false")
	}},
	{"TransportRace", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) { io.Copy(w, q.Body) })
		everywhere(func(int) {
			ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
			defer cancel()
			request, _ := http.NewRequestWithContext(ctx, "POST", url, io.LimitReader(neverEnding('a'), 1<<20))
			if response, err := r.client.Do(request); err == nil {
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
		})
	}},

	// ---- What is not one test there ----

	{"trailers come at the end", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "body")
			w.(http.Flusher).Flush()
			w.Header().Set("X-Sum", "42")
		})
		response := r.get(url)
		values, announced := response.Trailer["X-Sum"]
		want(r, "announced", announced && values == nil, true)
		want(r, "no header", response.Header.Get("Trailer"), "")
		want(r, "body", r.text(response), "body")
		want(r, "trailer", response.Trailer.Get("X-Sum"), "42")
	}},
	{"host is overridden", func(r *rig) {
		for _, url := range []string{
			r.serve(func(w http.ResponseWriter, q *http.Request) { io.WriteString(w, q.Host) }),
			r.serveTLS(func(w http.ResponseWriter, q *http.Request) { io.WriteString(w, q.Host) }),
		} {
			if r.server.Certificate() == nil {
				continue
			}
			request := r.request("GET", url, nil)
			request.Host = "other.example"
			want(r, "host", r.text(r.do(request)), "other.example")
		}
	}},
	{"headers repeat and keep their order", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			w.Header()["Set-Cookie"] = q.Header["X-Many"]
			io.WriteString(w, q.Header.Get("User-Agent"))
		})
		request := r.request("GET", url, nil)
		request.Header["X-Many"] = []string{"a=1", "b=2", "a=3"}
		response := r.do(request)
		want(r, "values", slices.Equal(response.Header["Set-Cookie"], request.Header["X-Many"]), true)
		want(r, "agent", r.text(response), "Go-http-client/1.1")
		request.Header["User-Agent"] = nil
		want(r, "no agent", r.text(r.do(request)), "")
	}},
	{"lengths and framing", func(r *rig) {
		url := r.serve(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("X-Length", fmt.Sprint(q.ContentLength, q.TransferEncoding))
			if q.URL.Path == "/chunked" {
				w.(http.Flusher).Flush()
			}
			io.WriteString(w, "12345")
		})
		response := r.do(r.request("POST", url, strings.NewReader("abc")))
		want(r, "length", response.ContentLength, 5)
		want(r, "sent", response.Header.Get("X-Length"), "3 []")
		want(r, "proto", response.Proto+" "+response.Status, "HTTP/1.1 200 OK")
		want(r, "request", response.Request.URL.String(), url)
		response = r.do(r.request("POST", url+"/chunked", iotest.OneByteReader(strings.NewReader("abc"))))
		want(r, "length", response.ContentLength, -1)
		want(r, "coding", fmt.Sprint(response.TransferEncoding), "[chunked]")
		want(r, "no header", response.Header.Get("Transfer-Encoding"), "")
		want(r, "sent", response.Header.Get("X-Length"), "-1 [chunked]")
		want(r, "empty post", r.do(r.request("POST", url, nil)).Header.Get("X-Length"), "0 []")
	}},
	{"read after close", func(r *rig) {
		response := r.get(r.serve(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "body") }))
		must(r, response.Body.Close())
		must(r, response.Body.Close())
		_, err := response.Body.Read(make([]byte, 1))
		want(r, "error", err != nil && err != io.EOF, true)
		want(r, "as the contract has it", err == http.ErrBodyReadAfterClose, r.ours)
	}},
	{"many origins over one transport", func(r *rig) {
		first := r.serve(remote)
		second := serve(r, remote)
		for range 2 {
			r.text(r.get(first))
			r.text(r.get(second))
		}
	}},
	{"connections close under requests", func(r *rig) {
		url := r.serve(remote)
		everywhere(func(goroutine int) {
			for range 10 {
				if goroutine == 0 {
					r.client.CloseIdleConnections()
					continue
				}
				response, err := r.client.Post(url, "text/plain", strings.NewReader("x"))
				if err != nil {
					r.Error(err)
					return
				}
				response.Body.Close()
			}
		})
	}},
	{"bodies go both ways at once", func(r *rig) {
		url := r.serveTLS(func(w http.ResponseWriter, q *http.Request) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			for buffer := make([]byte, 100); ; {
				n, err := q.Body.Read(buffer)
				w.Write(buffer[:n])
				w.(http.Flusher).Flush()
				if err != nil {
					return
				}
			}
		})
		pipe, writer := io.Pipe()
		response := r.do(r.request("POST", url, pipe))
		for i := range 3 {
			var number [4]byte
			binary.BigEndian.PutUint32(number[:], uint32(i))
			_, err := writer.Write(number[:])
			must(r, err)
			var back [4]byte
			_, err = io.ReadFull(response.Body, back[:])
			must(r, err)
			want(r, "came back", back, number)
		}
		must(r, writer.Close())
		want(r, "rest", r.text(response), "")
	}},
	{"user, password and fragment stay here", func(r *rig) {
		at := r.serve(func(w http.ResponseWriter, q *http.Request) {
			io.WriteString(w, q.RequestURI+" "+q.Header.Get("Authorization"))
		})
		request := r.request("GET", at+"/a%2Fb?q=1#part", nil)
		request.URL.User = url.UserPassword("u", "p")
		want(r, "seen", r.text(r.do(request)), "/a%2Fb?q=1 Basic dTpw")
	}},
}

func TestRoundTrips(t *testing.T) {
	if overReqwest() {
		t.Skip("no streams over reqwest")
	}
	before := ReadLibraryStats()
	for _, behaviour := range roundTrips {
		for name, ours := range map[string]bool{"http": false, "aipool": true} {
			t.Run(strings.ReplaceAll(behaviour.name, " ", "_")+"/"+name, func(t *testing.T) {
				behaviour.test(&rig{TB: t, ours: ours})
			})
		}
	}
	settled(t, before)
}

func TestManyBehavioursOfNetHTTPAreTested(t *testing.T) {
	count := slices.IndexFunc(roundTrips, func(b struct {
		name string
		test func(*rig)
	}) bool {
		return b.name == "trailers come at the end"
	})
	want(t, fmt.Sprint(count, " is 40 or more"), count >= 40, true)
}
