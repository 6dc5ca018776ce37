package aipool

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// threadsNow is how many operating system threads this process has.
func threadsNow(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc")
	}
	_, after, _ := strings.Cut(string(status), "Threads:")
	number, err := strconv.Atoi(strings.Fields(after)[0])
	must(t, err)
	return number
}

// manyRequests is how many are in flight at once; each holds a connection, so files must be enough.
const manyRequests = 10_000

func TestManyRequestsInFlightNeedFewThreads(t *testing.T) {
	if overReqwest() || testing.Short() {
		t.Skip("over the engine, and not in short tests")
	}
	before := threadsNow(t)
	server := listen(t)
	pool := newPool(t, Options{
		Timeout: 2 * time.Minute, MaxConnectionsPerOrigin: Unlimited, MaxConnections: Unlimited, MaxQueue: Unlimited,
		QueueTimeout: Off, ConnectTimeout: Off,
	})
	// The sandbox takes 200 streams a connection, so few files are needed.
	session := getWith(t, pool, server.http, &SessionOptions{HTTPVersion: HTTP2})
	hold := newHold()
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	var all sync.WaitGroup
	for i := range manyRequests {
		all.Add(1)
		go func() {
			defer all.Done()
			ctx := ctx
			if i%2 == 0 {
				ctx = background
			}
			if i%4 == 0 {
				stream, err := session.Stream(ctx, &Request{URL: hold.url()})
				if err != nil {
					t.Error(err)
					return
				}
				stream.Close()
				return
			}
			if _, err := session.Do(ctx, &Request{URL: hold.url()}); err != nil {
				t.Error(err)
			}
		}()
	}
	hold.waitHeld(t, manyRequests)
	most := threadsNow(t)
	hold.release(t)
	all.Wait()
	most = max(most, threadsNow(t))
	t.Logf("%d threads before, %d at most with %d requests in flight", before, most, manyRequests)
	if most > max(16, before+5) {
		t.Errorf("%d threads", most)
	}
}

// One processor, and a goroutine that never lets go of it: requests, streams and cancellations still get on.
func TestBusyGoroutineStarvesNothing(t *testing.T) {
	session, _ := streaming(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Add(1)
	go func() {
		defer busy.Done()
		for {
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	defer busy.Wait()
	defer close(stop)
	begun := time.Now()
	everywhere(func(goroutine int) {
		switch goroutine % 3 {
		case 0:
			if _, err := session.Do(background, &Request{URL: "/echo"}); err != nil {
				t.Error(err)
			}
		case 1:
			stream, err := session.Stream(background, chat("one two three", "drip=5"))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := collect(stream); err != nil {
				t.Error(err)
			}
		default:
			ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
			defer cancel()
			if _, err := session.Do(ctx, &Request{URL: "/echo", Headers: fault("stall-head")}); err == nil {
				t.Error("answered")
			}
		}
	})
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}
