package aipool

import (
	"context"
	"errors"
	"math"
	"net/http"
	"testing"
	"time"
)

// rawQueue is a native queue such as a pool's driver has: the package itself shows none, so what only a queue has is
// looked at here.
type rawQueue struct {
	native uintptr
	batch  newsBatch
	came   []news
}

func newRawQueue(t *testing.T, pool *Pool) *rawQueue {
	t.Helper()
	native, failure := nativeQueueNew(pool.handle.token.Load())
	must(t, orNil(failure))
	t.Cleanup(func() { freeQueue(native) })
	return &rawQueue{native: native}
}

func (q *rawQueue) submit(session *Session, request *Request, stream bool, tag uint64) error {
	headers, err := pack(request.Headers)
	if err != nil {
		return err
	}
	out := outgoing{headers: headers, body: request.Body, stream: stream}
	return orNil(nativeSubmit(session.handle.token.Load(), nil, request, out, q.native, tag))
}

// next is what comes next.
func (q *rawQueue) next(t *testing.T) news {
	t.Helper()
	if len(q.came) == 0 {
		count, failure := q.batch.next(q.native, driveMillis)
		must(t, orNil(failure))
		for i := range count {
			q.came = append(q.came, q.batch.at(i))
		}
		want(t, "something came", count > 0, true)
	}
	came := q.came[0]
	q.came = q.came[1:]
	if came.response != 0 {
		t.Cleanup(func() { freeResponse(came.response) })
	}
	return came
}

// wakesWithNothing waits, and is brought back by a wake alone.
func (q *rawQueue) wakesWithNothing(t *testing.T) {
	t.Helper()
	begun := time.Now()
	count, failure := q.batch.next(q.native, driveMillis)
	must(t, orNil(failure))
	want(t, "completions", len(q.came)+count, 0)
	want(t, "it was woken, not late", time.Since(begun) < driveMillis*time.Millisecond, true)
}

func submittedRequestsEndOnceEachWithTheirTag(t *testing.T) {
	pool := newPool(t, Options{})
	session, queue := get(t, pool, listen(t).http), newRawQueue(t, pool)
	tags := map[uint64]string{0: "a", 7: "aa", math.MaxUint64: "aaa"}
	for tag, body := range tags {
		must(t, queue.submit(session, &Request{URL: "/bytes/" + string(rune('0'+len(body)))}, false, tag))
	}
	for range 3 {
		done := queue.next(t)
		must(t, orNil(done.failure))
		want(t, "kind", done.kind, newsDone)
		body, known := tags[done.tag]
		want(t, "is a tag that was not told of", known, true)
		want(t, "body", string(nativeBody(t, done.response)), body)
		delete(tags, done.tag)
	}
	wakeQueue(queue.native)
	queue.wakesWithNothing(t)
}

// nativeBody reads a whole response's body.
func nativeBody(t *testing.T, response uintptr) []byte {
	t.Helper()
	body := make([]byte, 100)
	count, failure := nativeRead(response, body, 0)
	must(t, orNil(failure))
	return body[:count]
}

// beside starts a request that is held, and returns when the server has it. A second one beside it goes through the queue.
func beside(ctx context.Context, t *testing.T, session *Session, hold hold) <-chan answer {
	answers := start(ctx, session, &Request{URL: hold.url()})
	hold.waitHeld(t, 1)
	return answers
}

// operationsOf is how many requests are at the pool's queue.
func operationsOf(pool *Pool) int {
	pool.driver.mu.Lock()
	defer pool.driver.mu.Unlock()
	return len(pool.driver.operations)
}

func cancelledSubmissionEndsOnceAsCancelled(t *testing.T) {
	pool := newPool(t, Options{})
	session := get(t, pool, listen(t).http)
	other, hold := newHold(), newHold()
	answered := beside(background, t, session, other)
	ctx, cancel := context.WithCancel(background)
	cancelled := beside(ctx, t, session, hold)
	want(t, "submitted", operationsOf(pool), 1)
	cancel()
	outcome := <-cancelled
	wantError(t, outcome.err, StatusCancelled, DetailNone, MaybeSent)
	want(t, "is Canceled", errors.Is(outcome.err, context.Canceled), true)
	want(t, "has no response", outcome.response == nil, true)
	hold.waitGone(t)
	want(t, "under way", operationsOf(pool), 0)
	other.release(t)
	wantAnswered(t, answered)
}

// A pool's queue is closed with it.
func closingTakesNoMoreAndEndsAfterTheLast(t *testing.T) {
	pool := newPool(t, Options{})
	session := get(t, pool, listen(t).http)
	first, second := newHold(), newHold()
	direct := beside(background, t, session, first)
	submitted := beside(background, t, session, second)
	want(t, "submitted", operationsOf(pool), 1)
	must(t, pool.Close())
	_, err := session.Do(background, &Request{URL: "/echo"})
	wantError(t, err, StatusClosed, DetailPoolClosed, NotSent)
	want(t, "is ErrClosed", errors.Is(err, ErrClosed), true)
	want(t, "the queue stays for what it took", pool.driver.queue.token.Load() != 0, true)
	second.release(t)
	wantAnswered(t, submitted)
	want(t, "the queue", pool.driver.queue.token.Load(), 0)
	first.release(t)
	wantAnswered(t, direct)
}

// Nobody frees a queue with requests under way here: they are given up by their context.
func requestsGivenUpTogetherLeaveThePoolUsable(t *testing.T) {
	pool := newPool(t, Options{})
	lease := acquire(t, pool, listen(t).http)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	hold, ends := newHold(), make(chan error, 3)
	for range 2 {
		go func() {
			_, err := lease.Do(ctx, &Request{URL: hold.url()})
			ends <- err
		}()
	}
	held := 2
	if overReqwest() {
		_, err := lease.Stream(ctx, &Request{URL: hold.url()})
		lacks(t, err, lacksStreams)
	} else {
		held = 3
		go func() {
			_, err := lease.Stream(ctx, &Request{URL: hold.url()})
			ends <- err
		}()
	}
	hold.waitHeld(t, held)
	cancel()
	for range held {
		wantError(t, <-ends, StatusCancelled, DetailNone, MaybeSent)
	}
	hold.waitGone(t)
	fetch(t, lease, &Request{URL: "/echo"})
	must(t, lease.Close())
	unused(t, pool)
}

func wakeBringsAWaiterBackWithNothing(t *testing.T) {
	pool := newPool(t, Options{})
	queue := newRawQueue(t, pool)
	// Before anybody waits, and while somebody may.
	wakeQueue(queue.native)
	queue.wakesWithNothing(t)
	woken := make(chan struct{})
	go func() { wakeQueue(queue.native); close(woken) }()
	queue.wakesWithNothing(t)
	<-woken
	if overReqwest() {
		return
	}
	// What it is for: a reader that waits in the queue for everybody comes back when its stream is closed.
	session, other := get(t, pool, listen(t).http), newHold()
	answered := beside(background, t, session, other)
	stream := opened(t, session, &Request{URL: "/bytes/100", Headers: fault("stall=0")}, "")
	read := make(chan error, 1)
	go func() { read <- readOne(stream) }()
	eventually(t, "it drives", func() bool {
		pool.driver.mu.Lock()
		defer pool.driver.mu.Unlock()
		return pool.driver.driving != nil
	})
	must(t, stream.Close())
	want(t, "error", <-read, http.ErrBodyReadAfterClose)
	other.release(t)
	wantAnswered(t, answered)
}

func readableComesAfterAReadInVain(t *testing.T) {
	pool := newPool(t, Options{})
	session, queue := get(t, pool, listen(t).http), newRawQueue(t, pool)
	err := queue.submit(session, chat("one two", "drip=50"), true, 5)
	if lacks(t, err, lacksStreams) {
		return
	}
	must(t, err)
	head := queue.next(t)
	want(t, "the first", [2]uint64{head.tag, uint64(head.kind)}, [2]uint64{5, newsHead})
	events, inVain, texts := 0, 0, make([]byte, roomForTexts)
	for {
		_, failure := nativeNextEvent(head.response, texts, 0)
		if failure == nil {
			events++
			continue
		}
		if failure.Status == StatusEnd {
			break
		}
		want(t, "status", failure.Status, StatusWouldBlock)
		inVain++
		readable := queue.next(t)
		want(t, "then", [2]uint64{readable.tag, uint64(readable.kind)}, [2]uint64{5, newsReadable})
	}
	want(t, "events", events, 7)
	want(t, "some reads were in vain", inVain > 0, true)
	done := queue.next(t)
	want(t, "the last", [2]uint64{done.tag, uint64(done.kind)}, [2]uint64{5, newsDone})
	must(t, orNil(done.failure))
	wakeQueue(queue.native)
	queue.wakesWithNothing(t)
}
