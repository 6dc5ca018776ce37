package aipool

import (
	"strings"
	"time"
)

// Response is a whole response: plain Go memory, nothing to close. Since 0.1.
type Response struct {
	// Status is the HTTP status.
	Status int
	// Headers are all headers, names in lower case; repeated ones keep their order.
	Headers Headers
	// Body is the decoded body.
	Body []byte
	// Info is how the response came.
	Info Info
}

// Info is how a response came. Since 0.1.
type Info struct {
	// HTTPVersion is 10, 11 or 20: HTTP/1.0, 1.1, 2.
	HTTPVersion int
	// Reused is whether another request, or Warm, used its connection before.
	Reused bool
	// FirstByte is from the call to the response's head.
	FirstByte time.Duration
	// Total is from the call to the end of the body.
	Total time.Duration
	// RemoteAddress is the server's address and port; "" when unknown.
	RemoteAddress string
	// ConnectionID names the connection in its pool, as events do; 0 over reqwest.
	ConnectionID uint64
	// Attempts is how often the request went out.
	Attempts int
	// Redirects is how many were followed.
	Redirects int
	// TLS is how the connection's handshake went; TLSNone over reqwest.
	TLS TLSHandshake
	// Insecure is whether nobody checked the server's certificate (TrustAnybody).
	Insecure bool
	// QueueTime is for waiting for a connection, the dial's own time left out.
	QueueTime time.Duration
	// DNSTime is for the name look-up, where a connection was opened for this request; likewise the next two.
	DNSTime time.Duration
	// ConnectTime is for TCP and proxy.
	ConnectTime time.Duration
	// TLSTime is for the TLS handshake.
	TLSTime time.Duration
}

// TLSHandshake is how a connection's TLS began. Since 0.1.
type TLSHandshake uint32

// unpack reads name NUL value NUL; the headers share the block's memory.
func unpack(block string) Headers {
	headers := make(Headers, 0, strings.Count(block, "\x00")/2)
	for block != "" {
		name, rest, _ := strings.Cut(block, "\x00")
		value, rest, _ := strings.Cut(rest, "\x00")
		headers = append(headers, Header{name, value})
		block = rest
	}
	return headers
}
