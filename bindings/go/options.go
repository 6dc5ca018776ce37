package aipool

import (
	"math"
	"time"
)

// What a number or a duration may say other than how much; each option says whether it takes them. The zero value is the
// default everywhere. Since 0.1.
const (
	// Off switches a limit or a feature off. MaxSize: Off is the guide's max_size=0: every session is one of its own.
	Off = -1
	// Unlimited lifts a bound: no eviction, no time limit, no limit on a body.
	Unlimited = -2
)

// Eviction says whom a full pool gives up. Since 0.1.
type Eviction uint32

// HTTPVersion says which HTTP a session speaks. Since 0.1.
type HTTPVersion uint32

// Carrier says what carries a session's requests. Since 0.1.
type Carrier uint32

// Trust says whom a session trusts. Since 0.1.
type Trust uint32

// TLSVersion is the least version of TLS. Since 0.1.
type TLSVersion uint32

// ProxyMode says which proxy a session uses where it is given none. Since 0.1.
type ProxyMode uint32

// Options is how a pool is made. The zero value is all defaults; a wrong value is StatusInvalidArgument and named by the
// error. Since 0.1.
type Options struct {
	// MaxSize is how many sessions are kept, 1 to 1000000; 0 is 10. Off keeps none: every Session is one of its own, as
	// the guide's max_size=0. Unlimited: no eviction.
	MaxSize int
	// Timeout is from a request's start to the end of its body, in whole milliseconds, rounded up; 0 is 60 s. Off or
	// Unlimited: no limit.
	Timeout time.Duration
	// ConnectTimeout is for name, TCP, proxy and TLS of a new connection together; 0 is 10 s. Off or Unlimited: no limit.
	ConnectTimeout time.Duration
	// MaxBody is the most bytes of a decoded body; 0 is 64 MiB. Off or Unlimited: no limit.
	MaxBody int64
	// Eviction is EvictLRU, which 0 is too, or EvictFIFO.
	Eviction Eviction
	// Threads is how many threads of its own the library runs, up to 256; 0: the threads that wait drive the I/O.
	Threads uint32
	// QueueTimeout is for waiting for a connection while all allowed are in use; 0 is 30 s. Off or Unlimited: no limit.
	QueueTimeout time.Duration
	// DNSTimeout is for a name look-up; 0 is 5 s. Off or Unlimited: no limit.
	DNSTimeout time.Duration
	// TLSTimeout is for a TLS handshake; 0 is 5 s. Off or Unlimited: no limit.
	TLSTimeout time.Duration
	// SendTimeout is for the time without one more byte of a large request going out; 0 is 30 s. Off or Unlimited: no limit.
	SendTimeout time.Duration
	// FirstByteTimeout is from a request's last byte to the response's head; 0, Off or Unlimited: no limit but Timeout.
	FirstByteTimeout time.Duration
	// BetweenBytesTimeout is for the time without one more byte of the body; 0, Off or Unlimited: no limit but Timeout.
	BetweenBytesTimeout time.Duration
	// MaxConnectionsPerOrigin is how many connections go to one origin, 1 to 100000; 0 is 64. Unlimited: no bound.
	MaxConnectionsPerOrigin int
	// MaxConnections is how many connections the pool has, 1 to 1000000; 0 is 512. Unlimited: no bound.
	MaxConnections int
	// MaxQueue is how many requests may wait for a connection to one origin, 1 to 1000000; 0 is 10000. Unlimited: no bound.
	MaxQueue int
	// IdleTimeout is after what time an idle connection closes; 0 is 50 s, Off or Unlimited 30 days. Servers that say less
	// are believed.
	IdleTimeout time.Duration
	// MaxLifetime is after what time a connection is replaced, give or take 15 %; 0 is 10 min. Off or Unlimited: never.
	MaxLifetime time.Duration
	// FirstEventTimeout is from the going out of a stream's request to its first data event; 0, Off or Unlimited: no limit.
	FirstEventTimeout time.Duration
	// BetweenEventsTimeout is for the time without one more data event of a stream, comments and pings not counted; 0, Off
	// or Unlimited: no limit.
	BetweenEventsTimeout time.Duration
}

// SessionOptions is what a session is asked for with. CAFile, CABytes, HTTPVersion and all from Transport on shape
// connections: they are the session's identity. Another Partition is another session. All else belongs to the handle that
// is asked for. The zero value is all defaults. Since 0.1.
type SessionOptions struct {
	// Partition tells sessions under the same key apart.
	Partition string
	// CAFile is a file of certificates, PEM or DER, trusted as Trust says.
	CAFile string
	// CABytes are certificates, PEM or DER, trusted as Trust says.
	CABytes []byte
	// Headers are sent with every request that does not carry the same name.
	Headers Headers
	// Timeout is as in Options, for requests of this handle; 0 is the pool's.
	Timeout time.Duration
	// ConnectTimeout is as in Options, for requests of this handle; 0 is the pool's.
	ConnectTimeout time.Duration
	// MaxBody is as in Options, for requests of this handle; 0 is the pool's.
	MaxBody int64
	// HTTPVersion is HTTPAuto, HTTP1 or HTTP2.
	HTTPVersion HTTPVersion
	// QueueTimeout is as in Options, for requests of this handle; 0 is the pool's.
	QueueTimeout time.Duration
	// DNSTimeout is as in Options, for requests of this handle; 0 is the pool's.
	DNSTimeout time.Duration
	// TLSTimeout is as in Options, for requests of this handle; 0 is the pool's.
	TLSTimeout time.Duration
	// SendTimeout is as in Options, for requests of this handle; 0 is the pool's.
	SendTimeout time.Duration
	// FirstByteTimeout is as in Options, for requests of this handle; 0 is the pool's.
	FirstByteTimeout time.Duration
	// BetweenBytesTimeout is as in Options, for requests of this handle; 0 is the pool's.
	BetweenBytesTimeout time.Duration
	// FirstEventTimeout is as in Options, for requests of this handle; 0 is the pool's.
	FirstEventTimeout time.Duration
	// BetweenEventsTimeout is as in Options, for requests of this handle; 0 is the pool's.
	BetweenEventsTimeout time.Duration
	// MaxRedirects is how many redirects are followed, up to 30; 0 and Off: none. Credentials never cross an origin.
	MaxRedirects int
	// MaxRetries is how many further attempts are made, up to 10: after failures where nothing was sent, after a broken
	// connection where the request may be sent twice (see Request.MayRepeat), and after 429, 503, 529 or what the server marks
	// with x-should-retry, waiting as its Retry-After says; 0 and Off: none. All within Timeout.
	MaxRetries int
	// Transport is TransportEngine or TransportReqwest.
	Transport Carrier
	// Trust is TrustSystemAndGiven, TrustGivenOnly or TrustAnybody.
	Trust Trust
	// MinTLS is TLS12 or TLS13.
	MinTLS TLSVersion
	// ClientCertFile is the client's certificate chain, a PEM file, for servers that ask for one.
	ClientCertFile string
	// ClientCertBytes is the same as PEM bytes.
	ClientCertBytes []byte
	// ClientKeyFile is the chain's key, a PEM file without a password.
	ClientKeyFile string
	// ClientKeyBytes is the same as PEM bytes.
	ClientKeyBytes []byte
	// ServerName is asked for (SNI) and verified in place of the URL's host.
	ServerName string
	// Pins are SHA-256 hashes of public keys (SPKI): the server's chain must hold one of them.
	Pins [][32]byte
	// KeyLogFile is a file that TLS session secrets are appended to, for a packet capture.
	KeyLogFile string
	// Proxy is http://, https://, socks5:// or socks5h://, with user and password where it wants them.
	Proxy string
	// NoProxy are hosts that Proxy is not used for, as in no_proxy: names, .suffixes, addresses, CIDR, separated by commas.
	NoProxy string
	// ProxyMode is ProxyEnvironment or ProxyOff, where Proxy is not set.
	ProxyMode ProxyMode
	// UnixSocket is where connections go, whatever the URL's host is.
	UnixSocket string
	// Resolve are addresses of host names that are not to be looked up: "host=address,address host=address".
	Resolve string
	// LocalAddress is the address connections come from.
	LocalAddress string
	// Keepalive is the silence before TCP keep-alive probes, a second at the least; 0 is 30 s. Off or Unlimited: no probes.
	Keepalive time.Duration
	// StreamWindow is how many bytes of one HTTP/2 stream may wait unread, 1024 to 16 MiB; 0 is 64 KiB, Off or Unlimited
	// 16 MiB.
	StreamWindow int64
}

// millis is a limit as the library takes it, rounded up so that no limit becomes 0, the default.
func millis(limit time.Duration) int64 {
	if limit <= 0 {
		// 0, Off and Unlimited mean the same there; any other negative number is refused there, by name.
		return int64(limit)
	}
	whole := int64(limit / time.Millisecond)
	if limit%time.Millisecond != 0 {
		whole++
	}
	return whole
}

// drainMillis is a drain limit as the library takes it: literal, 0 is not at all.
func drainMillis(drain time.Duration) (uint32, error) {
	if limit := millis(drain); limit >= 0 && limit <= math.MaxUint32 {
		return uint32(limit), nil
	}
	return 0, invalid("drain: is " + drain.String() + "; use 0 to 49 days")
}
