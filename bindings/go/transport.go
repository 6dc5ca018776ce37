package aipool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Transport is an [http.RoundTripper] over a pool, for an [http.Client]: its connections, limits and numbers are the pool's.
// It keeps the whole contract of http.RoundTripper and is safe for any number of goroutines. It does no redirects and no
// retries of its own, but for a connection that was dead before the request got anywhere.
//
// Where it differs from http.Transport:
//   - The pool's limits hold: 64 connections to an origin, 30 s of waiting for one, 10 s for a new one, and 5 minutes for the
//     head of a response and between two pieces of a body, if nobody sets FirstByteTimeout and BetweenBytesTimeout.
//   - gzip, br, zstd and deflate are always decoded, also where the request has an Accept-Encoding of its own;
//     Content-Encoding and Content-Length are removed then. Response.Uncompressed is a guess: true where the library asked for
//     compression, and the response has neither Content-Length nor Content-Encoding.
//   - A request without Accept has "Accept: */*". Header names of HTTP/1.1 go out in lower case.
//   - The reason of Response.Status is the standard's for the code, not the server's.
//   - Request trailers, upgrades and CONNECT are refused with an error that matches errors.ErrUnsupported.
//   - http.Client.Timeout doubles a small request's CPU: net/http starts a goroutine for it at each request over any transport but
//     its own. Bound requests by their contexts; the limits above hold without either.
//   - Request.Cancel, which is deprecated, and httptrace are not looked at. Response.TLS is nil.
//
// Since 0.1.
type Transport struct {
	pool    *Pool
	options *SessionOptions

	mu sync.Mutex
	// session is leased; nil before it is needed.
	session *Session
}

// transportKey is the session of transports: no URL, so it takes requests to any origin.
const transportKey = "aipool-transport"

// NewTransport makes a transport over a pool, which must outlive it. Options are those of its session, nil is the defaults;
// transports of one pool share a session, so other connection options want another Partition. Its session is made with the
// first request, which fails as [Pool.Session] does. There is nothing to close, but see CloseIdleConnections. Since 0.1.
func NewTransport(pool *Pool, options *SessionOptions) *Transport {
	transport := &Transport{pool: pool}
	if options != nil {
		copied := *options
		transport.options = &copied
	}
	return transport
}

// RoundTrip sends one request and returns when the head of its response has come. The error of a request whose context
// ended is the context's cause, any other one of the library an [*Error]. It closes request.Body always, perhaps after it has
// returned. The response's Body must be read to its end or closed; after Close it gives http.ErrBodyReadAfterClose.
// Since 0.1.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := refused(request); err != nil {
		closeRequest(request)
		return nil, err
	}
	target, err := targetOf(request.URL)
	if err != nil {
		closeRequest(request)
		return nil, err
	}
	sent := &Request{
		Method: request.Method, URL: target, Headers: headersOf(request), MaxRedirects: Off, MaxRetries: Off,
	}
	if request.Body != nil && request.Body != http.NoBody {
		sent.BodyReader, sent.BodyLength = request.Body, max(request.ContentLength, 0)
	} else {
		closeRequest(request)
	}
	begun, err := t.open(request.Context(), sent)
	if err != nil {
		return nil, ofContext(request.Context(), err)
	}
	head := begun.front
	if head.whole {
		return t.response(request, wholeBody(request.Context(), begun, head.body), head)
	}
	body := newStreamBody(request.Context(), begun)
	body.front = head.body
	return t.response(request, body, head)
}

// open sends over the transport's session, a fresh one where that was closed.
func (t *Transport) open(ctx context.Context, request *Request) (*underWay, error) {
	session, err := t.leased(false)
	if err != nil {
		closing(request.BodyReader)()
		return nil, err
	}
	to := destination{target: session.handle.token.Load(), fresh: func() (uintptr, error) {
		session, err = t.leased(true)
		if err != nil {
			return 0, err
		}
		return session.handle.token.Load(), nil
	}}
	begun, err := openStream(ctx, t.pool, to, request, true)
	runtime.KeepAlive(session)
	return begun, err
}

// leased is the transport's session; fresh makes another where it is closed.
func (t *Transport) leased(fresh bool) (*Session, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session != nil && !(fresh && t.session.Closed()) {
		return t.session, nil
	}
	session, err := t.pool.Acquire(transportKey, t.options)
	if err != nil {
		return nil, err
	}
	t.session = session
	return session, nil
}

// CloseIdleConnections closes the transport's session for all transports that share it: idle connections close, requests
// under way finish, and the next request makes a fresh one. Since 0.1.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	session := t.session
	t.session = nil
	t.mu.Unlock()
	if session != nil {
		session.CloseShared()
		// The handle is left to the garbage collector: a request may be about to use it, and finds it closed.
	}
}

// refused is what is wrong with a request, or is not done here.
func refused(request *http.Request) error {
	switch {
	case request.URL == nil:
		return errors.New("aipool: nil Request.URL")
	case request.Header == nil:
		return errors.New("aipool: nil Request.Header")
	case request.URL.Scheme != "http" && request.URL.Scheme != "https":
		return invalid(fmt.Sprintf("url: has the scheme %q; use http or https", request.URL.Scheme))
	case request.URL.Host == "":
		return invalid("url: has no host; name one")
	case len(request.Trailer) > 0:
		return &Error{Status: StatusUnsupported, Message: "Request.Trailer: is not sent; put it into the body or a header"}
	case request.Header.Get("Upgrade") != "":
		return &Error{Status: StatusUnsupported, Message: "upgrade: another protocol cannot be spoken; use http.Transport"}
	case request.Method == http.MethodConnect:
		return &Error{Status: StatusUnsupported, Message: "method: CONNECT asks for a tunnel; use http.Transport"}
	case (request.Body == nil || request.Body == http.NoBody) && request.ContentLength > 0:
		return invalid(fmt.Sprintf("ContentLength: is %d with a nil Body; give one", request.ContentLength))
	}
	return nil
}

// targetOf is the URL without what stays here: user, password and fragment.
func targetOf(from *url.URL) (string, error) {
	path := from.RequestURI()
	if !strings.HasPrefix(path, "/") {
		return "", invalid("url: its Opaque part is no path; write one that begins with /")
	}
	return from.Scheme + "://" + from.Host + path, nil
}

// userAgent is sent where the request has none, as net/http does.
const userAgent = "Go-http-client/1.1"

// headersOf are the request's headers as they go out; those that belong to the transport are its own.
func headersOf(request *http.Request) Headers {
	headers := make(Headers, 0, len(request.Header)+4)
	if request.Host != "" && request.Host != request.URL.Host {
		headers = append(headers, Header{"host", request.Host})
	}
	// A part of what is compressed, or its length, is of no use to who asked for it.
	plain := request.Method == http.MethodHead || request.Header.Get("Range") != ""
	if plain && request.Header.Get("Accept-Encoding") == "" {
		headers = append(headers, Header{"accept-encoding", "identity"})
	}
	agent := []string{userAgent}
	for name, values := range request.Header {
		switch textproto.CanonicalMIMEHeaderKey(name) {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
			continue
		case "User-Agent":
			agent = values
			continue
		}
		for _, value := range values {
			headers = append(headers, Header{name, textproto.TrimString(value)})
		}
	}
	if len(agent) > 0 && agent[0] != "" {
		headers = append(headers, Header{"user-agent", agent[0]})
	}
	if request.Close && !slices.ContainsFunc(headers, isClose) {
		headers = append(headers, Header{"connection", "close"})
	}
	return headers
}

func isClose(header Header) bool {
	return strings.EqualFold(header.Name, "connection") && strings.EqualFold(header.Value, "close")
}

func closeRequest(request *http.Request) {
	if request.Body != nil {
		request.Body.Close()
	}
}

// ofContext is the context's cause where the request failed because of it.
func ofContext(ctx context.Context, err error) error {
	var failure *Error
	if ctx.Err() != nil && errors.As(err, &failure) && failure.Status == StatusCancelled {
		return context.Cause(ctx)
	}
	return err
}

// response is the head as net/http has it.
func (t *Transport) response(request *http.Request, body *streamBody, head *front) (*http.Response, error) {
	if head.status == http.StatusSwitchingProtocols {
		body.Close()
		return nil, &Error{Status: StatusUnsupported, Phase: PhaseBody, Delivery: ResponseStarted, HTTPStatus: head.status,
			Message: "response: the server switches to another protocol, which was not asked for"}
	}
	response := &http.Response{
		Status: strings.TrimSpace(strconv.Itoa(head.status) + " " + http.StatusText(head.status)), StatusCode: head.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: headerOf(head.headers), Request: request,
	}
	switch head.version {
	case 10:
		response.Proto, response.ProtoMinor = "HTTP/1.0", 0
	case 20:
		response.Proto, response.ProtoMajor, response.ProtoMinor = "HTTP/2.0", 2, 0
	}
	takeFraming(response)
	if request.Method == http.MethodHead || response.ContentLength == 0 {
		// There is none; its end is here already, or about to be.
		_, err := body.Read(make([]byte, 1))
		body.Close()
		if err != io.EOF && err != nil {
			return nil, ofContext(request.Context(), err)
		}
		response.Body = http.NoBody
		return response, nil
	}
	response.Uncompressed = response.ContentLength < 0 && request.Header.Get("Accept-Encoding") == "" &&
		response.Header.Get("Content-Encoding") == ""
	response.Body = &transportBody{body: body, response: response}
	return response, nil
}

// headerOf unpacks headers; the values stand in one place.
func headerOf(packed string) http.Header {
	count := strings.Count(packed, "\x00") / 2
	header, places := make(http.Header, count), make([]string, count)
	for i := range places {
		name, rest, _ := strings.Cut(packed, "\x00")
		places[i], packed, _ = strings.Cut(rest, "\x00")
		name = textproto.CanonicalMIMEHeaderKey(name)
		if earlier := header[name]; earlier != nil {
			header[name] = append(earlier, places[i])
			continue
		}
		header[name] = places[i : i+1 : i+1]
	}
	return header
}

// takeFraming moves what says how the body is sent from the headers to the response's fields.
func takeFraming(response *http.Response) {
	header := response.Header
	if response.ProtoMajor == 1 {
		if strings.EqualFold(header.Get("Transfer-Encoding"), "chunked") {
			response.TransferEncoding = []string{"chunked"}
		}
		header.Del("Transfer-Encoding")
		connection := strings.ToLower(strings.Join(header["Connection"], ","))
		response.Close = strings.Contains(connection, "close") ||
			response.ProtoMinor == 0 && !strings.Contains(connection, "keep-alive")
	}
	response.ContentLength = -1
	if length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64); err == nil && response.TransferEncoding == nil {
		response.ContentLength = length
	}
	if status := response.StatusCode; status == http.StatusNoContent || status == http.StatusNotModified {
		response.ContentLength, response.TransferEncoding = 0, nil
	}
	for _, names := range header["Trailer"] {
		for name := range strings.SplitSeq(names, ",") {
			if name = textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name)); name != "" {
				setTrailer(response, name, nil)
			}
		}
	}
	header.Del("Trailer")
}

func setTrailer(response *http.Response, name string, values []string) {
	if response.Trailer == nil {
		response.Trailer = http.Header{}
	}
	response.Trailer[name] = append(response.Trailer[name], values...)
}

// transportBody is a response's body as net/http has it.
type transportBody struct {
	body     *streamBody
	response *http.Response
	ended    bool
}

func (b *transportBody) Read(p []byte) (int, error) {
	count, err := b.body.Read(p)
	if err == nil || err == http.ErrBodyReadAfterClose {
		return count, err
	}
	if err == io.EOF && !b.ended {
		b.ended = true
		if trailer := b.body.trailer.Load(); trailer != nil {
			for _, header := range *trailer {
				setTrailer(b.response, textproto.CanonicalMIMEHeaderKey(header.Name), []string{header.Value})
			}
		}
	}
	return count, ofContext(b.response.Request.Context(), err)
}

func (b *transportBody) Close() error {
	return b.body.Close()
}
