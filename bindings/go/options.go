package aipool

import (
	"math"
	"time"
)

// What an option says other than a number. They fit every option, durations too; the zero value is the default everywhere.
// Since 0.1.
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

// Options is how a pool is made. The zero value is all defaults; a wrong value is StatusInvalidArgument and named by the
// error. Since 0.1.
type Options struct {
	// MaxSize is how many sessions are kept, 1 to 1000000; 0 is 10. Off keeps none: every Session is one of its own, as
	// the guide's max_size=0. Unlimited: no eviction.
	MaxSize int
	// Timeout is from a request's start to the end of its body, in whole milliseconds, rounded up; 0 is 60 s. Off or
	// Unlimited: no limit.
	Timeout time.Duration
	// ConnectTimeout is for name, TCP and TLS of a new connection; 0 is 10 s. Off or Unlimited: no limit.
	ConnectTimeout time.Duration
	// MaxBody is the most bytes of a decoded body; 0 is 64 MiB. Off or Unlimited: no limit.
	MaxBody int64
	// Eviction is EvictLRU, which 0 is too, or EvictFIFO.
	Eviction Eviction
	// Threads is how many threads of its own the library runs, up to 256; 0: the threads that wait drive the I/O.
	Threads uint32
}

// SessionOptions is what a session is asked for with. CAFile, CABytes and HTTPVersion shape connections: they are the
// session's identity. The rest belongs to the handle. The zero value is all defaults. Since 0.1.
type SessionOptions struct {
	// Partition tells sessions under the same key apart.
	Partition string
	// CAFile is a file of certificates, PEM or DER, trusted besides the system's.
	CAFile string
	// CABytes are certificates, PEM or DER, trusted besides the system's.
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
