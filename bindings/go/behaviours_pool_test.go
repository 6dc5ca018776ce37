package aipool

import (
	"errors"
	"testing"
	"time"
)

func sameKeyIsSameSession(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{})
	first, second := get(t, pool, server.http), get(t, pool, server.http)
	want(t, "ids", first.ID(), second.ID())
	fetch(t, first, &Request{URL: "/echo"})
	fetch(t, second, &Request{URL: "/echo"})
	stats, err := first.Stats()
	must(t, err)
	want(t, "requests of both", stats.Requests, 2)
	want(t, "sessions created", statsOf(t, pool).SessionsCreated, 1)
	if other := get(t, pool, server.https); other.ID() == first.ID() {
		t.Fatal("another key gave the same session")
	}
}

func keysAreNormalised(t *testing.T) {
	pool := newPool(t, Options{})
	wanted := get(t, pool, "https://api.example.com/v1").ID()
	for _, key := range []string{"HTTPS://API.Example.com:443/v1/", "https://api.example.com/v1#part"} {
		want(t, key, get(t, pool, key).ID(), wanted)
	}
}

// fill gets a, b, a again, and then c of a pool of two.
func fill(t *testing.T, eviction Eviction) (pool *Pool, a, b, c *Session) {
	t.Helper()
	pool = newPool(t, Options{MaxSize: 2, Eviction: eviction})
	a, b = get(t, pool, "a"), get(t, pool, "b")
	get(t, pool, "a")
	c = get(t, pool, "c")
	want(t, "evictions", statsOf(t, pool).Evictions, 1)
	want(t, "sessions", statsOf(t, pool).Sessions, 2)
	return pool, a, b, c
}

func lruEvictsLeastRecentlyUsed(t *testing.T) {
	_, a, b, c := fill(t, EvictLRU)
	want(t, "a, b, c closed", [3]bool{a.Closed(), b.Closed(), c.Closed()}, [3]bool{false, true, false})
}

func fifoEvictsFirstInserted(t *testing.T) {
	_, a, b, c := fill(t, EvictFIFO)
	want(t, "a, b, c closed", [3]bool{a.Closed(), b.Closed(), c.Closed()}, [3]bool{true, false, false})
}

func leaseIsPassedOver(t *testing.T) {
	pool := newPool(t, Options{MaxSize: 2})
	a := acquire(t, pool, "a")
	b := get(t, pool, "b")
	c := get(t, pool, "c")
	want(t, "a, b, c closed", [3]bool{a.Closed(), b.Closed(), c.Closed()}, [3]bool{false, true, false})
	want(t, "leased", statsOf(t, pool).Leased, 1)
	stats, err := a.Stats()
	must(t, err)
	want(t, "leases", stats.Leases, 1)
}

func allLeasedExceedsMaxSize(t *testing.T) {
	pool := newPool(t, Options{MaxSize: 1})
	a, b := acquire(t, pool, "a"), acquire(t, pool, "b")
	stats := statsOf(t, pool)
	want(t, "sessions, leased, over", [3]uint64{stats.Sessions, stats.Leased, stats.OverLimit}, [3]uint64{2, 2, 1})
	again := get(t, pool, "a")
	must(t, a.Close())
	stats = statsOf(t, pool)
	want(t, "sessions, leased, over", [3]uint64{stats.Sessions, stats.Leased, stats.OverLimit}, [3]uint64{1, 1, 0})
	want(t, "a, b closed", [2]bool{again.Closed(), b.Closed()}, [2]bool{true, false})
}

func evictedHandleIsClosedNotSent(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{MaxSize: 1})
	evicted := get(t, pool, server.http)
	get(t, pool, "other")
	_, err := evicted.Do(background, &Request{URL: "/echo"})
	failure := wantError(t, err, StatusClosed, DetailEvicted, NotSent)
	want(t, "retryable", failure.Retryable, true)
	want(t, "is ErrClosed", errors.Is(err, ErrClosed), true)
	want(t, "requests", server.count(t, "requests"), 0)
	fetch(t, get(t, pool, server.http), &Request{URL: "/echo"})
}

func evictionLetsInFlightFinish(t *testing.T) {
	pool := newPool(t, Options{MaxSize: 1})
	session := get(t, pool, listen(t).http)
	hold := newHold()
	answers := start(background, session, &Request{URL: hold.url()})
	hold.waitHeld(t, 1)
	get(t, pool, "other")
	want(t, "evicted", session.Closed(), true)
	want(t, "in flight", statsOf(t, pool).InFlight, 1)
	hold.release(t)
	wantAnswered(t, answers)
}

func closeSessionLetsInFlightFinish(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{})
	session := get(t, pool, server.http)
	hold := newHold()
	answers := start(background, session, &Request{URL: hold.url()})
	hold.waitHeld(t, 1)
	must(t, pool.CloseSession(server.http))
	_, err := session.Do(background, &Request{URL: "/echo"})
	wantError(t, err, StatusClosed, DetailSessionClosed, NotSent)
	hold.release(t)
	wantAnswered(t, answers)
	must(t, pool.CloseSession(server.http))
}

func closeAllLetsInFlightFinish(t *testing.T) {
	pool := newPool(t, Options{})
	session := get(t, pool, listen(t).http)
	hold := newHold()
	answers := start(background, session, &Request{URL: hold.url()})
	hold.waitHeld(t, 1)
	closed := make(chan error, 1)
	go func() { closed <- pool.CloseAll(tooLong) }()
	eventually(t, "the session is closed", session.Closed)
	hold.release(t)
	wantAnswered(t, answers)
	must(t, <-closed)
}

func closeAllCutsAfterDrain(t *testing.T) {
	pool := newPool(t, Options{})
	hold := newHold()
	answers := start(background, get(t, pool, listen(t).http), &Request{URL: hold.url()})
	hold.waitHeld(t, 1)
	err := pool.CloseAll(0)
	wantError(t, err, StatusTimeout, DetailDrainLimit, NotSent)
	wantError(t, (<-answers).err, StatusClosed, DetailDrainLimit, MaybeSent)
	hold.waitGone(t)
}

func poolIsUsableAfterCloseAll(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{})
	before := get(t, pool, server.http)
	fetch(t, before, &Request{URL: "/echo"})
	must(t, pool.CloseAll(0))
	want(t, "sessions", statsOf(t, pool).Sessions, 0)
	want(t, "closed", before.Closed(), true)
	fetch(t, get(t, pool, server.http), &Request{URL: "/echo"})
}

func closedSessionIsRecreated(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{})
	closed := get(t, pool, server.http)
	must(t, closed.CloseShared())
	must(t, closed.CloseShared())
	_, err := closed.Do(background, &Request{URL: "/echo"})
	wantError(t, err, StatusClosed, DetailSessionClosed, NotSent)
	fresh := get(t, pool, server.http)
	if fresh.ID() == closed.ID() {
		t.Fatal("the closed session was given out again")
	}
	fetch(t, fresh, &Request{URL: "/echo"})
}

func poolRequestRecreates(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{})
	session := get(t, pool, server.http)
	ask := func(created uint64) Info {
		t.Helper()
		response, err := pool.Do(background, server.http, &Request{URL: "/echo"})
		must(t, err)
		want(t, "status", response.Status, 200)
		want(t, "sessions created", statsOf(t, pool).SessionsCreated, created)
		return response.Info
	}
	ask(1)
	must(t, session.CloseShared())
	// The new session keeps the options of the closed one: connections over reqwest have no numbers.
	want(t, "over reqwest as before", ask(2).ConnectionID == 0, overReqwest())
	// What was closed by its key is forgotten, options too.
	must(t, pool.CloseSession(server.http))
	want(t, "over reqwest by default", ask(3).ConnectionID == 0, false)
}

func maxSizeOffGivesOwnSessions(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{MaxSize: Off})
	first, second := get(t, pool, server.http), get(t, pool, server.http)
	if first.ID() == second.ID() {
		t.Fatal("one session was given out twice")
	}
	fetch(t, first, &Request{URL: "/echo"})
	fetch(t, second, &Request{URL: "/echo"})
	stats := statsOf(t, pool)
	want(t, "sessions, created", [2]uint64{stats.Sessions, stats.SessionsCreated}, [2]uint64{0, 2})
}

func otherConnectionOptionsAreRefusedByName(t *testing.T) {
	key := listen(t).https
	pool := newPool(t, Options{})
	existing := getWith(t, pool, key, caFile())
	_, err := pool.Session(key, over(&SessionOptions{CAFile: caFile().CAFile, HTTPVersion: HTTP1}))
	wantInvalid(t, err, "http_version")
	_, err = pool.Session(key, over(&SessionOptions{}))
	wantInvalid(t, err, "ca_file")
	same, err := pool.Session(key, nil)
	must(t, err)
	defer same.Close()
	want(t, "nil options accept what exists", same.ID(), existing.ID())
	want(t, "so do equal ones", getWith(t, pool, key, caFile()).ID(), existing.ID())
}

func partitionMakesAnotherSession(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{})
	plain := get(t, pool, server.http)
	apart := getWith(t, pool, server.http, &SessionOptions{Partition: "tenant", HTTPVersion: HTTP2})
	if plain.ID() == apart.ID() {
		t.Fatal("one session in two partitions")
	}
	want(t, "version", fetch(t, plain, &Request{URL: "/echo"}).Info.HTTPVersion, 11)
	want(t, "version apart", fetch(t, apart, &Request{URL: "/echo"}).Info.HTTPVersion, 20)
	want(t, "connections", server.count(t, "connections_opened"), 2)
	must(t, pool.CloseSession(server.http))
	want(t, "both closed", plain.Closed() && apart.Closed(), true)
}

// global is the shared pool, which is no more before and after the test.
func global(t *testing.T) *Pool {
	t.Helper()
	must(t, CloseDefault(0))
	t.Cleanup(func() { must(t, CloseDefault(0)) })
	pool, err := DefaultWith(Options{Threads: threads(t)})
	must(t, err)
	t.Cleanup(func() { pool.Close() })
	return pool
}

func globalPoolIsOne(t *testing.T) {
	first := global(t)
	second, err := Default()
	must(t, err)
	key := listen(t).http
	session := get(t, first, key)
	want(t, "session", get(t, second, key).ID(), session.ID())
	must(t, second.Close())
	fetch(t, session, &Request{URL: "/echo"})
}

func globalPoolRefusesOtherOptions(t *testing.T) {
	global(t)
	_, err := DefaultWith(Options{Threads: threads(t), MaxSize: 3})
	wantInvalid(t, err, "options")
	same, err := DefaultWith(Options{Threads: threads(t), MaxSize: 10, Timeout: time.Minute})
	must(t, err)
	must(t, same.Close())
}

func closedGlobalPoolIsMadeAnew(t *testing.T) {
	key := listen(t).http
	before := global(t)
	session := get(t, before, key)
	must(t, CloseDefault(0))
	_, err := session.Do(background, &Request{URL: "/echo"})
	wantError(t, err, StatusClosed, DetailPoolClosed, NotSent)
	_, err = before.Session(key, nil)
	wantError(t, err, StatusClosed, DetailPoolClosed, NotSent)
	after, err := DefaultWith(Options{Threads: threads(t)})
	must(t, err)
	defer after.Close()
	fetch(t, get(t, after, key), &Request{URL: "/echo"})
}

func poolFreeClosesSessions(t *testing.T) {
	pool := newPool(t, Options{})
	session := get(t, pool, listen(t).http)
	hold := newHold()
	answers := start(background, session, &Request{URL: hold.url()})
	hold.waitHeld(t, 1)
	must(t, pool.Close())
	_, err := session.Do(background, &Request{URL: "/echo"})
	wantError(t, err, StatusClosed, DetailPoolClosed, NotSent)
	hold.release(t)
	wantAnswered(t, answers)
}

func staleHandleIsRefused(t *testing.T) {
	pool := newPool(t, Options{})
	session := get(t, pool, listen(t).http)
	token := session.handle.token.Load()
	must(t, session.Close())
	must(t, session.Close())
	_, err := session.Do(background, &Request{URL: "/echo"})
	wantError(t, err, StatusInvalidHandle, DetailNone, NotSent)
	want(t, "is ErrClosed", errors.Is(err, ErrClosed), true)
	want(t, "id, closed", session.ID() == 0 && session.Closed(), true)
	// What a call finds that raced with Close.
	_, failure := nativeDo(token, nil, &Request{URL: "/echo"}, outgoing{})
	wantError(t, failure, StatusInvalidHandle, DetailNone, NotSent)
	must(t, pool.Close())
	must(t, pool.Close())
	_, err = pool.Session("key", nil)
	wantError(t, err, StatusInvalidHandle, DetailNone, NotSent)
	_, err = pool.Do(background, "key", &Request{})
	wantError(t, err, StatusInvalidHandle, DetailNone, NotSent)
	_, err = pool.Stats()
	want(t, "is ErrClosed", errors.Is(err, ErrClosed), true)
}
