package aipool

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// Pool is a pool of sessions keyed by base URL, for any number of goroutines. Close it when done; the garbage collector
// closes one that was forgotten. Since 0.1.
type Pool struct {
	handle handle
	// shared: it is a handle to the process's one shared pool.
	shared bool
	// underWay is how many requests were begun and have not ended: streams until they were read to their end or closed.
	underWay atomic.Int32
	driver   driver
}

// PoolStats are a pool's state and counters since it was made. Since 0.1.
type PoolStats struct {
	// Sessions is how many are in the pool now.
	Sessions uint64
	// Leased is how many of these are held by leases.
	Leased uint64
	// OverLimit is how many are beyond MaxSize because all are leased.
	OverLimit uint64
	// InFlight is how many requests are under way now.
	InFlight uint64
	// SessionsCreated is how many sessions were ever made.
	SessionsCreated uint64
	// Evictions is how many sessions were given up because the pool was full.
	Evictions uint64
	// Requests is how many were begun.
	Requests uint64
	// Failures is how many requests ended without a whole response.
	Failures uint64
	// ConnectionsOpened is how many connections were opened.
	ConnectionsOpened uint64
	// RequestsReused is how many requests were answered over a connection that was open already.
	RequestsReused uint64
	// ConnectionsOpen is how many connections stand now. This and all that follows is of the pool's own connections, not of
	// reqwest's.
	ConnectionsOpen uint64
	// ConnectionsIdle is how many of these are idle.
	ConnectionsIdle uint64
	// ConnectionsInUse is how many of these have a request under way.
	ConnectionsInUse uint64
	// ConnectionsInsecure is how many of these go to servers whose certificate nobody checked (TrustAnybody).
	ConnectionsInsecure uint64
	// ConnectionsDialing is how many are being opened now.
	ConnectionsDialing uint64
	// Waiting is how many requests wait for a connection now.
	Waiting uint64
	// ConnectsFailed is how many connections were wanted and could not be opened.
	ConnectsFailed uint64
	// HandshakesFull is how many TLS handshakes there were in full.
	HandshakesFull uint64
	// HandshakesResumed is how many were shortened by a ticket of an earlier connection.
	HandshakesResumed uint64
	// ConnectionsReused is how often a connection was taken again.
	ConnectionsReused uint64
	// Waits is how often a request waited for a connection, be it opened for it or given back by another.
	Waits uint64
	// WaitTime is of all these waits together.
	WaitTime time.Duration
	// Closed is how many connections closed, by CloseReason.
	Closed [16]uint64
}

// CloseReason is why a connection closed: a place in PoolStats.Closed. Since 0.1.
type CloseReason int

// New makes a pool. It fails with StatusInvalidArgument, which names the wrong option, StatusSystem when no thread can be
// started, and StatusUnsupported when the loaded library does not fit this package. Since 0.1.
func New(options Options) (*Pool, error) {
	return openPool(nativePoolNew(options))
}

// Default returns a handle to the process's one shared pool, which is made with all defaults on first use and shared with
// every other user of the library in this process. Each handle is closed on its own; none ends the shared pool, which
// [CloseDefault] does. Since 0.1.
func Default() (*Pool, error) {
	return openShared(nil)
}

// DefaultWith is [Default] for whoever sets the options: they hold if this is the first use, and are
// StatusInvalidArgument if the shared pool exists with others. Since 0.1.
func DefaultWith(options Options) (*Pool, error) {
	return openShared(&options)
}

func openPool(token uintptr, failure *Error) (*Pool, error) {
	if failure != nil {
		return nil, failure
	}
	pool := new(Pool)
	pool.handle.own(token, freePool)
	return pool, nil
}

func openShared(options *Options) (*Pool, error) {
	pool, err := openPool(nativePoolGlobal(options))
	if err != nil {
		return nil, err
	}
	pool.shared = true
	return pool, nil
}

// token is the native pool, for as long as done is not called. Sessions of the shared pool outlive this handle to it.
func (p *Pool) token() (token uintptr, done func()) {
	token, done = p.handle.token.Load(), func() {}
	if token == 0 && p.shared {
		if again, failure := nativePoolGlobal(nil); failure == nil {
			return again, func() { freePool(again) }
		}
	}
	return token, done
}

// CloseDefault ends the shared pool as [Pool.CloseAll] does; its handles say ErrClosed from then on, and the next Default
// makes a new one. No error where there is none. Since 0.1.
func CloseDefault(drain time.Duration) error {
	limit, err := drainMillis(drain)
	if err != nil {
		return err
	}
	return orNil(nativeCloseGlobal(limit))
}

// Session gets the session of a base URL, making it when there is none or when it is closed. The same key gives the same
// session, compared normalised. A key that is no http or https URL is legal and takes absolute request URLs only.
//
// Nil options accept the session that exists, or the connection part of the closed one it replaces. Options whose
// connection part differs from the session that exists are StatusInvalidArgument, unless Partition differs too. A file
// among them that cannot be read is StatusSystem, what reqwest lacks is StatusUnsupported. The error matches ErrClosed when
// the pool is closed. Since 0.1.
func (p *Pool) Session(key string, options *SessionOptions) (*Session, error) {
	return p.session(key, options, false)
}

// Acquire is as Session, and a lease: until the returned handle is closed, its session is not evicted. [Pool.With] closes
// it for you. Since 0.1.
func (p *Pool) Acquire(key string, options *SessionOptions) (*Session, error) {
	return p.session(key, options, true)
}

func (p *Pool) session(key string, options *SessionOptions, leased bool) (*Session, error) {
	defer runtime.KeepAlive(p)
	var headers []byte
	if options != nil {
		packed, err := pack(options.Headers)
		if err != nil {
			return nil, err
		}
		headers = packed
	}
	token, failure := nativeSession(p.handle.token.Load(), key, options, headers, leased)
	if failure != nil {
		return nil, failure
	}
	session := &Session{pool: p}
	session.handle.own(token, freeSession)
	return session, nil
}

// With lends a leased session to use. The lease ends exactly once, when use returns or panics; after that the session must
// not be used. The error is use's own, or that of the lease; use is not called when ctx has ended. Since 0.1.
func (p *Pool) With(ctx context.Context, key string, use func(*Session) error) error {
	if err := ended(ctx); err != nil {
		return err
	}
	session, err := p.Acquire(key, nil)
	if err != nil {
		return err
	}
	defer session.Close()
	return use(session)
}

// CloseSession closes the session of key in every partition and forgets it; no error where there is none. Requests under
// way finish, later ones match ErrClosed, the next Session makes a fresh one. Never blocks. Since 0.1.
func (p *Pool) CloseSession(key string) error {
	defer runtime.KeepAlive(p)
	return orNil(nativeCloseSession(p.handle.token.Load(), key))
}

// CloseAll closes every session and waits up to drain for requests under way; what is left then ends with StatusClosed and
// DetailDrainLimit. A drain of 0 cuts at once. The pool stays usable. It fails with StatusTimeout when requests had to be
// cut off. Since 0.1.
func (p *Pool) CloseAll(drain time.Duration) error {
	defer runtime.KeepAlive(p)
	limit, err := drainMillis(drain)
	if err != nil {
		return err
	}
	return orNil(nativeCloseAll(p.handle.token.Load(), limit))
}

// Stats returns the pool's state and counters. It matches ErrClosed after Close. Since 0.1.
func (p *Pool) Stats() (PoolStats, error) {
	defer runtime.KeepAlive(p)
	stats, failure := nativePoolStats(p.handle.token.Load())
	return stats, orNil(failure)
}

// Metrics returns the pool's numbers as Prometheus text (format 0.0.4). It matches ErrClosed after Close. Since 0.1.
func (p *Pool) Metrics() (string, error) {
	defer runtime.KeepAlive(p)
	text, failure := nativePoolMetrics(p.handle.token.Load())
	return text, orNil(failure)
}

// ReloadTLS reads the certificate files of the pool's sessions again, the system's roots too. Connections made from now on
// use them; those that stand finish what is under way and carry no new requests. On failure everything stays as it was; the
// error names the file. Since 0.1.
func (p *Pool) ReloadTLS() error {
	defer runtime.KeepAlive(p)
	return orNil(nativeReloadTLS(p.handle.token.Load()))
}

// Close gives the pool up: its sessions are closed, requests under way finish. Of the shared pool it gives up this handle
// only. Never blocks, may be called again, and returns nil always. Since 0.1.
func (p *Pool) Close() error {
	p.handle.close()
	p.driver.close(!p.shared)
	return nil
}

// orNil keeps a nil *Error from becoming an error that is not nil.
func orNil(failure *Error) error {
	if failure == nil {
		return nil
	}
	return failure
}
