package aipool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// settled waits until as few native handles are live as before: forgotten ones go with a garbage collection.
func settled(t *testing.T, before LibraryStats) {
	t.Helper()
	eventually(t, "no native handle is left over", func() bool {
		runtime.GC()
		now := ReadLibraryStats()
		return now.Pools <= before.Pools && now.Sessions <= before.Sessions &&
			now.Responses <= before.Responses && now.Cancels <= before.Cancels &&
			now.Queues <= before.Queues && now.Uploads <= before.Uploads && now.Clients <= before.Clients
	})
}

// everywhere runs work in many goroutines and waits for them.
func everywhere(work func(goroutine int)) {
	var all sync.WaitGroup
	for i := range 32 {
		all.Add(1)
		go func() {
			defer all.Done()
			work(i)
		}()
	}
	all.Wait()
}

func TestCancelStormLeavesNothingBehind(t *testing.T) {
	before := ReadLibraryStats()
	pool := newPool(t, Options{})
	session := get(t, pool, listen(t).http)
	storm := make(chan struct{})
	go func() {
		for {
			select {
			case <-storm:
				return
			default:
				runtime.GC()
			}
		}
	}()
	everywhere(func(goroutine int) {
		for range 25 {
			ctx, cancel := context.WithCancelCause(background)
			stalls := rand.IntN(2) == 0
			if !stalls && rand.IntN(4) == 0 {
				cancel(errStorm)
			}
			go func() {
				for range rand.IntN(2000) {
					runtime.Gosched()
				}
				cancel(errStorm)
			}()
			request := &Request{URL: "/echo"}
			if stalls {
				request.Headers = fault("stall-head")
			}
			if _, err := session.Do(ctx, request); err != nil && !errors.Is(err, errStorm) || stalls && err == nil {
				t.Errorf("goroutine %d: %v", goroutine, err)
			}
		}
	})
	close(storm)
	want(t, "in flight", statsOf(t, pool).InFlight, 0)
	now := ReadLibraryStats()
	want(t, "cancels", now.Cancels, before.Cancels)
	want(t, "responses", now.Responses, before.Responses)
	fetch(t, session, &Request{URL: "/echo"})
	must(t, session.Close())
	must(t, pool.Close())
	settled(t, before)
}

var errStorm = errors.New("storm")

func TestCloseRacesWithDo(t *testing.T) {
	before := ReadLibraryStats()
	server := listen(t)
	for range 20 {
		pool := newPool(t, Options{})
		session := get(t, pool, server.http)
		closer := rand.IntN(32)
		everywhere(func(goroutine int) {
			if goroutine == closer {
				session.Close()
				pool.Close()
				return
			}
			_, err := session.Do(background, &Request{URL: "/echo"})
			_, alsoErr := pool.Do(background, server.http, &Request{URL: "/echo"})
			if err := errors.Join(err, alsoErr); err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
	}
	settled(t, before)
}

func TestManyGoroutinesShareOneSession(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{})
	session := get(t, pool, server.http)
	everywhere(func(goroutine int) {
		for i := range 20 {
			sent := fmt.Sprintf("%d of %d", i, goroutine)
			response, err := session.Do(background, &Request{Method: "POST", URL: "/echo", Body: []byte(sent)})
			if err != nil {
				t.Error(err)
				return
			}
			if !strings.HasSuffix(string(response.Body), "\n\n"+sent) {
				t.Errorf("sent %q, got %q", sent, response.Body)
			}
		}
	})
	want(t, "requests", server.count(t, "requests"), 32*20)
	stats := statsOf(t, pool)
	want(t, "sessions created", stats.SessionsCreated, 1)
	want(t, "opened and reused", stats.ConnectionsOpened+stats.RequestsReused >= stats.Requests, true)
}

func TestWithEndsTheLeaseOnReturnErrorAndPanic(t *testing.T) {
	pool := newPool(t, Options{})
	key := listen(t).http
	var lent *Session
	use := func(end func() error) func(*Session) error {
		return func(session *Session) error {
			lent = session
			want(t, "leased inside", statsOf(t, pool).Leased, 1)
			fetch(t, session, &Request{URL: "/echo"})
			return end()
		}
	}
	ended := func() {
		t.Helper()
		want(t, "leased after", statsOf(t, pool).Leased, 0)
		_, err := lent.Do(background, &Request{})
		wantError(t, err, StatusInvalidHandle, DetailNone, NotSent)
	}
	must(t, pool.With(background, key, use(func() error { return nil })))
	ended()
	want(t, "error", pool.With(background, key, use(func() error { return errStorm })), errStorm)
	ended()
	func() {
		defer func() { want(t, "panic", recover(), any(errStorm)) }()
		pool.With(background, key, use(func() error { panic(errStorm) }))
	}()
	ended()
	want(t, "the session outlives its leases", statsOf(t, pool).SessionsCreated, 1)

	cancelled, cancel := context.WithCancel(background)
	cancel()
	err := pool.With(cancelled, key, func(*Session) error { t.Error("used after the end"); return nil })
	want(t, "is Canceled", errors.Is(err, context.Canceled), true)
}

func TestLiveHandlesAreReportedByKind(t *testing.T) {
	pool, err := New(Options{Threads: threads(t)})
	must(t, err)
	defer pool.Close()
	report, err := LiveHandles()
	must(t, err)
	for _, line := range strings.Split(strings.TrimSuffix(report, "\n"), "\n") {
		var kind struct {
			Kind           string
			Live, Older    int
			OldestMs       int `json:"oldest_ms"`
			Under10Minutes int `json:"under_10min"`
		}
		must(t, json.Unmarshal([]byte(line), &kind))
		if kind.Kind == "pool" && kind.Live > 0 {
			return
		}
	}
	t.Fatal("no line of pools in", report)
}

func TestForgottenHandlesAreFreed(t *testing.T) {
	before := ReadLibraryStats()
	key := listen(t).http
	func() {
		pool, err := New(Options{Threads: threads(t)})
		must(t, err)
		session, err := pool.Session(key, nil)
		must(t, err)
		fetch(t, session, &Request{URL: "/echo"})
		_, err = pool.Acquire(key, nil)
		must(t, err)
	}()
	settled(t, before)
}

func TestSessionKeepsItsPool(t *testing.T) {
	session := func() *Session {
		pool, err := New(Options{Threads: threads(t)})
		must(t, err)
		session, err := pool.Session(listen(t).http, nil)
		must(t, err)
		return session
	}()
	for range 5 {
		runtime.GC()
		fetch(t, session, &Request{URL: "/echo"})
	}
	must(t, session.Close())
}

// Beside a request that is held, others are given to the queue and taken out of it by whoever drives.
func TestRequestsBesideOthersAreAsAlone(t *testing.T) {
	before := ReadLibraryStats()
	pool := newPool(t, Options{})
	session := get(t, pool, listen(t).http)
	hold := newHold()
	held := beside(background, t, session, hold)
	everywhere(func(goroutine int) {
		switch goroutine % 4 {
		case 0:
			// Over and under what who drives copies for others.
			for _, length := range []int{0, 1, mostInTurn, mostInTurn + 1, 1 << 20} {
				response, err := session.Do(background, &Request{URL: fmt.Sprint("/bytes/", length)})
				if err != nil || len(response.Body) != length {
					t.Error(length, err)
				}
			}
		case 1:
			// Refused by the library, not by this package.
			_, err := session.Do(background, &Request{Method: "NO METHOD"})
			var failure *Error
			if !errors.As(err, &failure) || !strings.HasPrefix(failure.Message, "method: ") {
				t.Error(err)
			}
		case 2:
			ctx, cancel := context.WithCancel(background)
			cancel()
			if _, err := session.Do(ctx, &Request{URL: "/echo"}); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		default:
			// A failure that has a response with it.
			_, err := session.Do(background, &Request{URL: "/bytes/100000", MaxBody: 10})
			var failure *Error
			if !errors.As(err, &failure) || failure.Response == nil || len(failure.Response.Body) != 10 {
				t.Error(err)
			}
		}
	})
	hold.release(t)
	wantAnswered(t, held)
	must(t, session.Close())
	must(t, pool.Close())
	settled(t, before)
}
