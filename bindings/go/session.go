package aipool

import (
	"context"
	"math"
	"runtime"
	"time"
)

// Session is a handle of yours to a shared session: a base URL and warm connections, for any number of goroutines. Close
// it when done; the garbage collector closes one that was forgotten. Since 0.1.
type Session struct {
	handle handle
	// pool is kept from the garbage collector, which would close its sessions.
	pool *Pool
}

// SessionStats are a session's state and counters since it was made. Since 0.1.
type SessionStats struct {
	// InFlight is how many requests are under way now.
	InFlight uint64
	// Leases is how many leases are live.
	Leases uint64
	// Requests is how many were begun.
	Requests uint64
	// Failures is how many requests ended without a whole response.
	Failures uint64
	// ConnectionsOpened is how many connections were opened.
	ConnectionsOpened uint64
	// RequestsReused is how many requests were answered over a connection that was open already.
	RequestsReused uint64
}

// ID is a number that names the shared session: equal for two handles of one session, never used again, 0 after Close.
// Since 0.1.
func (s *Session) ID() uint64 {
	defer runtime.KeepAlive(s)
	return nativeSessionID(s.handle.token.Load())
}

// Closed is whether the shared session is closed or evicted, or this handle is closed. Since 0.1.
func (s *Session) Closed() bool {
	defer runtime.KeepAlive(s)
	return nativeSessionClosed(s.handle.token.Load())
}

// Stats returns the shared session's state and counters. It matches ErrClosed after Close. Since 0.1.
func (s *Session) Stats() (SessionStats, error) {
	defer runtime.KeepAlive(s)
	stats, failure := nativeSessionStats(s.handle.token.Load())
	return stats, orNil(failure)
}

// Warm opens connections to the session's base URL before requests need them, until as many stand as can take that many
// requests at once, 1 to 64: HTTP/2 needs one for many. It returns how many stand to the server.
//
// It ends with ctx's deadline, after 10 s without one; ctx that is cancelled meanwhile does not end it. It fails as a request
// would, and nothing was sent; over reqwest it is StatusUnsupported. Since 0.1.
func (s *Session) Warm(ctx context.Context, connections int) (standing int, err error) {
	defer runtime.KeepAlive(s)
	if err := ended(ctx); err != nil {
		return 0, err
	}
	if connections < 0 || connections > math.MaxInt32 {
		return 0, invalid("connections: is out of range; use 1 to 64")
	}
	var limit uint32
	if deadline, bounded := ctx.Deadline(); bounded {
		left := min(max(time.Until(deadline), time.Millisecond), math.MaxUint32*time.Millisecond)
		limit = uint32(millis(left))
	}
	number, failure := nativeWarm(s.handle.token.Load(), uint32(connections), limit)
	return int(number), orNil(failure)
}

// CloseShared closes the shared session for everybody: requests under way finish, later ones match ErrClosed, the next
// [Pool.Session] makes a fresh one. This handle still wants Close. Never blocks. Since 0.1.
func (s *Session) CloseShared() error {
	defer runtime.KeepAlive(s)
	return orNil(nativeSessionClose(s.handle.token.Load()))
}

// Close gives this handle up, and the lease where it is one. The shared session stays in its pool for others. Never
// blocks, may be called again, and returns nil always. Since 0.1.
func (s *Session) Close() error {
	s.handle.close()
	return nil
}
