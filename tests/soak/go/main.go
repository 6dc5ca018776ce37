// The Go host of the soak (scripts/soak): Do, streams by events, uploads and an http.Client over Transport, from many
// goroutines. It prints one line of figures, and fails where an operation did not end, where anything was left, or where memory
// grew.
package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	aipool "github.com/aipool/aipool/bindings/go"
)

const (
	// An operation's own limit is 15 s at most; beyond this it is stuck.
	stuck = 45 * time.Second
	// What counts as flat: a collector's heap breathes.
	kibMore = 16 << 10
	// Far fewer than there are operations. Go keeps a thread for each call that ever was under way beside others, for good.
	threadsMost = 64
	// How long what ends by itself may take: look-up threads go after 10 s.
	settles = 20 * time.Second
)

var failed atomic.Bool

// fail says what is wrong; the run goes on, and fails.
func fail(form string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "soak: Go: "+form+"\n", arguments...)
	failed.Store(true)
}

func number(name string) uint64 {
	value, err := strconv.ParseUint(os.Getenv(name), 10, 64)
	if err != nil {
		fail("%s: %v", name, err)
		os.Exit(1)
	}
	return value
}

// watch looks for operations that are stuck and closes sessions, until the channel is closed.
func watch(load *load, begun []atomic.Int64, stop <-chan struct{}) {
	chance := rand.New(rand.NewPCG(load.seed, 0))
	for {
		select {
		case <-stop:
			return
		case <-time.After(100 * time.Millisecond):
		}
		for i := range begun {
			at := begun[i].Load()
			if at != 0 && time.Since(time.UnixMilli(at)) > stuck {
				fail("stuck since %v", time.Since(time.UnixMilli(at)))
				os.Exit(1)
			}
		}
		if chance.IntN(4) == 0 {
			load.closeAny(chance)
		}
	}
}

// run keeps so many operations under way for so long, and looks at this process meanwhile.
func run(load *load, inFlight int, lasts time.Duration) []vitals {
	var stopping atomic.Bool
	var workers sync.WaitGroup
	begun := make([]atomic.Int64, inFlight)
	watching := make(chan struct{})
	go watch(load, begun, watching)
	for i := range begun {
		chance := rand.New(rand.NewPCG(load.seed, uint64(i)+1))
		workers.Add(1)
		go func() {
			defer workers.Done()
			for !stopping.Load() {
				begun[i].Store(time.Now().UnixMilli())
				load.one(chance)
				begun[i].Store(0)
			}
		}()
	}
	start := time.Now()
	seen := make([]vitals, 0, looks)
	for len(seen) < looks {
		time.Sleep(time.Until(start.Add(lasts * time.Duration(len(seen)+1) / looks)))
		now := vitalsNow()
		stats, err := load.pool.Stats()
		if err != nil {
			fail("Stats: %v", err)
		}
		now.inFlight = int64(stats.InFlight)
		fmt.Printf("look %d kib=%d\n", len(seen), now.kib)
		seen = append(seen, now)
	}
	stopping.Store(true)
	workers.Wait()
	close(watching)
	return seen
}

// closed ends the load's pool; its numbers at that moment.
func closed(load *load) aipool.PoolStats {
	load.client.CloseIdleConnections()
	if err := load.pool.CloseAll(5 * time.Second); err != nil {
		fail("CloseAll: %v", err)
	}
	stats, err := load.pool.Stats()
	for start := time.Now(); stats.ConnectionsInUse > 0 && time.Since(start) < settles; {
		// A connection that was given up is closed by whoever drives, a moment later.
		stats, err = load.pool.Stats()
	}
	if err != nil || stats.InFlight != 0 || stats.Waiting != 0 || stats.ConnectionsInUse != 0 {
		fail("the pool says %d in flight, %d waiting, %d connections in use; %v", stats.InFlight, stats.Waiting,
			stats.ConnectionsInUse, err)
	}
	load.pool.Close()
	return stats
}

func liveHandles() uint64 {
	live := aipool.ReadLibraryStats()
	return live.Pools + live.Sessions + live.Responses + live.Cancels + live.Queues + live.Uploads + live.Clients + live.Guards
}

// settled waits until no more is left than so many descriptors.
func settled(descriptors int64) vitals {
	now := vitalsNow()
	for start := time.Now(); time.Since(start) < settles && (liveHandles() != 0 || now.descriptors > descriptors); {
		time.Sleep(20 * time.Millisecond)
		now = vitalsNow()
	}
	return now
}

// rehearse lets a pool come and go, so that what the process keeps for ever is there.
func rehearse(seed uint64) vitals {
	load := newLoad(seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		load.one(chance)
	}
	closed(load)
	return settled(math.MaxInt64)
}

func main() {
	seed := number("SOAK_SEED")
	base := rehearse(seed)
	load := newLoad(seed)
	seen := run(load, int(number("SOAK_IN_FLIGHT")), time.Duration(number("SOAK_SECONDS"))*time.Second)
	stats := closed(load)
	rest := settled(base.descriptors)
	warm, end := sumUp(seen[looks/20:looks/20+looks/10]), sumUp(seen[looks-looks/10:])
	fmt.Printf("soak host=Go accepted=%d ended=%d%s retries=%d sessions=%d evictions=%d connections=%d reused=%d", load.accepted.Load(),
		load.ended.Load(), load.outcomes(), load.retries.Load(), stats.SessionsCreated, stats.Evictions, stats.ConnectionsOpened,
		stats.RequestsReused)
	fmt.Printf(" kib_warm=%d kib_end=%d fds_base=%d fds_warm=%d fds_end=%d fds_closed=%d", warm.kib, end.kib, base.descriptors,
		warm.descriptors, end.descriptors, rest.descriptors)
	fmt.Printf(" threads_base=%d threads_warm=%d threads_end=%d threads_closed=%d in_flight=%d\n", base.threads, warm.threads, end.threads,
		rest.threads, end.inFlight)
	if end.kib > warm.kib+kibMore {
		fail("resident memory grew from %d to %d KiB", warm.kib, end.kib)
	}
	if rest.descriptors != base.descriptors || end.threads > threadsMost {
		fail("descriptors %d to %d, %d threads", base.descriptors, rest.descriptors, end.threads)
	}
	if liveHandles() != 0 || load.accepted.Load() != load.ended.Load() {
		fail("%d handles are left, %d of %d operations ended", liveHandles(), load.ended.Load(), load.accepted.Load())
	}
	if failed.Load() {
		os.Exit(1)
	}
}
