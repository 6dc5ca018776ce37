package aipool

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// driver is a pool's completion queue, and whose turn it is to wait in it. Of the goroutines that wait for their requests
// one drives: it waits in the library, which does the I/O meanwhile, and tells the others of theirs, who wait on channels.
// When its own request has something to tell it leaves, and hands the turn to another. So any number of requests under way
// needs one thread.
//
// Who drives also gives the queue the requests of the others and takes their responses out of the library, many at a time:
// what the library does stays on one core, and who it is for is not called into it. With 64 in flight that took a quarter of a
// request's CPU away. Measured against it (CPU a request): a goroutine of its own that always waits in the library costs up to
// a sixth more, on a locked thread or not; Go's poller over the queue's descriptor a third more at 2 in flight, and less only
// from 16 on, by a tenth at best.
type driver struct {
	queue handle
	// batch is of whoever drives.
	batch newsBatch

	mu         sync.Mutex
	operations map[uint64]*operation
	lastTag    uint64
	// driving is whose turn it is, nil where nobody waits, or the next is on its way.
	driving *waiter
	// parked are those who wait on their channels, the last one first.
	parked *waiter
	// closed: the pool takes no more requests.
	closed bool
	// unsent are for whoever drives to give to the queue.
	unsent []unsent
	// inside: who drives is in the library, and nobody has called it back yet.
	inside bool
}

// unsent is an operation that the queue does not have yet.
type unsent struct {
	operation *operation
	send      send
}

// send gives the queue an operation.
type send func(queue uintptr, tag uint64) *Error

// take looks at a response as it comes, in place of whoever it is for: what is left of it, 0 where it was freed.
type take func(response uintptr) (left uintptr)

// operation is a submitted request, until its end came or nobody wants to know of it.
type operation struct {
	driver *driver
	tag    uint64
	// take is nil where the response is left as it comes.
	take take
	// reader waits for the head, the end, or something to read; writer for room in the upload.
	reader, writer waiter

	// Under driver.mu: what came. The response is of whoever takes it.
	response uintptr
	failure  *Error
	ended    bool
	// headed: it is a stream whose head came, and the response is that; what it fails with then is for who reads it.
	headed bool
}

// waiter is a place for one goroutine to wait in.
type waiter struct {
	// told: there is something to look at, since it looked last.
	told bool
	// turn is sent to when it was told or is to drive.
	turn       chan struct{}
	parked     bool
	prev, next *waiter
}

// register makes an operation, which is to be submitted then. The pool is asked for only to make the queue.
func (d *driver) register(pool func() (uintptr, func()), take take) (*operation, *Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if failure := d.open(pool); failure != nil {
		return nil, failure
	}
	d.lastTag++
	operation := &operation{driver: d, tag: d.lastTag, take: take}
	d.operations[operation.tag] = operation
	return operation, nil
}

// submit gives the operation to the queue at once.
func (o *operation) submit(send send) *Error {
	failure := send(o.driver.queue.token.Load(), o.tag)
	if failure != nil {
		o.forget()
	}
	return failure
}

// submitLater leaves that to whoever drives, the operation's own goroutine where nobody does: it waits next. A failure is the
// operation's end.
func (o *operation) submitLater(send send) {
	d := o.driver
	d.mu.Lock()
	d.unsent = append(d.unsent, unsent{o, send})
	wake := d.inside
	d.inside = false
	d.mu.Unlock()
	if wake {
		wakeQueue(d.queue.token.Load())
	}
}

// open makes the queue where there is none yet. With the lock.
func (d *driver) open(pool func() (uintptr, func())) *Error {
	if d.closed {
		return &Error{Status: StatusClosed, Detail: DetailPoolClosed, Message: "pool: is closed"}
	}
	if d.queue.token.Load() != 0 {
		return nil
	}
	token, done := pool()
	defer done()
	queue, failure := nativeQueueNew(token)
	if failure != nil {
		return failure
	}
	d.queue.own(queue, freeQueue)
	d.operations = map[uint64]*operation{}
	return nil
}

// close frees the queue as soon as no request needs it. One that is not for good is made anew when it is needed.
func (d *driver) close(forGood bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = d.closed || forGood
	if len(d.operations) == 0 {
		d.queue.close()
	}
}

// forget ends the operation's part in the driver: what else comes of it is dropped. Whoever waits for it is told.
func (o *operation) forget() {
	d := o.driver
	d.mu.Lock()
	response := o.response
	o.ended, o.response = true, 0
	d.remove(o)
	for _, waiter := range []*waiter{&o.reader, &o.writer} {
		d.interrupt(waiter)
	}
	d.mu.Unlock()
	if response != 0 {
		freeResponse(response)
	}
}

// remove takes an operation out. With the lock.
func (d *driver) remove(o *operation) {
	delete(d.operations, o.tag)
	if d.closed && len(d.operations) == 0 {
		d.queue.close()
	}
}

// interrupt brings the operation's reader back from its wait, or from its next one.
func (o *operation) interrupt() {
	o.driver.mu.Lock()
	defer o.driver.mu.Unlock()
	o.driver.interrupt(&o.reader)
}

// interrupt tells a waiter that may be driving. With the lock.
func (d *driver) interrupt(w *waiter) {
	d.tell(w)
	if d.driving == w {
		wakeQueue(d.queue.token.Load())
	}
}

// tell lets a waiter look. With the lock.
func (d *driver) tell(w *waiter) {
	w.told = true
	if w.parked {
		d.unpark(w)
		w.turn <- struct{}{}
	}
}

// wait returns when the waiter was told, since it waited last. For one goroutine at a time.
func (d *driver) wait(w *waiter) {
	d.mu.Lock()
	for !w.told {
		if d.driving == nil {
			d.drive(w)
			continue
		}
		d.park(w)
		d.mu.Unlock()
		<-w.turn
		d.mu.Lock()
	}
	w.told = false
	if d.driving == nil && d.parked != nil {
		// The one that parked last is likely to wait longest.
		next := d.parked
		d.unpark(next)
		next.turn <- struct{}{}
	}
	d.mu.Unlock()
}

// drive waits in the queue for everybody until w is told. With the lock, but for what is done in the library.
func (d *driver) drive(w *waiter) {
	d.driving = w
	for !w.told {
		d.sendSome()
		if w.told {
			break
		}
		// With more to send it only looks, so that who sends and fails without end keeps nobody from being told.
		millis := uint32(0)
		if d.inside = len(d.unsent) == 0; d.inside {
			millis = driveMillis
		}
		d.mu.Unlock()
		count, failure := d.batch.next(d.queue.token.Load(), millis)
		if failure != nil && failure.Status == StatusLimit {
			// No room for a response's handle. Others must free theirs first, perhaps of another language: nothing tells of it.
			time.Sleep(time.Millisecond)
			failure = nil
		}
		d.mu.Lock()
		d.inside = false
		d.dispatchAll(count)
		if failure != nil && !w.told {
			d.fail(failure)
		}
		if count > 0 && !w.told {
			// Those who were told come first: what they ask for next goes along.
			d.mu.Unlock()
			runtime.Gosched()
			d.mu.Lock()
		}
	}
	d.driving = nil
}

// sendSome gives the queue some of what it does not have yet. With the lock, but for the sending.
func (d *driver) sendSome() {
	var sending [mostNews]unsent
	count := copy(sending[:], d.unsent)
	if count == 0 {
		return
	}
	d.unsent = slices.Delete(d.unsent, 0, count)
	d.mu.Unlock()
	var failures [mostNews]*Error
	for i, unsent := range sending[:count] {
		failures[i] = unsent.send(d.queue.token.Load(), unsent.operation.tag)
	}
	d.mu.Lock()
	for i, failure := range failures[:count] {
		if failure != nil {
			d.dispatch(news{tag: sending[i].operation.tag, kind: newsDone, failure: failure})
		}
	}
}

// dispatchAll tells of so many completions. With the lock, but for looking at their responses.
func (d *driver) dispatchAll(count int) {
	var came [mostNews]news
	var takes [mostNews]take
	for i := range count {
		came[i] = d.batch.at(i)
		if operation := d.operations[came[i].tag]; operation != nil && came[i].response != 0 {
			takes[i] = operation.take
		}
	}
	d.mu.Unlock()
	for i := range count {
		if takes[i] != nil {
			came[i].response = takes[i](came[i].response)
		}
	}
	d.mu.Lock()
	for i := range count {
		d.dispatch(came[i])
	}
}

// dispatch gives one completion to its operation. With the lock.
func (d *driver) dispatch(came news) {
	operation := d.operations[came.tag]
	if came.response != 0 && (operation == nil || operation.headed) {
		// Nobody wants it, or it is what a provider says behind the head of a stream, whose reader is told by its error.
		nativeFree(came.response)
		came.response = 0
	}
	if operation == nil {
		return
	}
	if came.response != 0 {
		operation.response = came.response
	}
	switch came.kind {
	case newsHead:
		operation.headed = true
	case newsWritable:
		d.tell(&operation.writer)
		return
	case newsDone:
		operation.failure, operation.ended = came.failure, true
		d.remove(operation)
		d.tell(&operation.writer)
	}
	d.tell(&operation.reader)
}

// fail ends all operations: the queue is no more. With the lock.
func (d *driver) fail(failure *Error) {
	d.unsent = nil
	for _, operation := range d.operations {
		copied := *failure
		operation.failure, operation.ended = &copied, true
		d.remove(operation)
		d.tell(&operation.reader)
		d.tell(&operation.writer)
	}
}

func (d *driver) park(w *waiter) {
	if w.turn == nil {
		w.turn = make(chan struct{}, 1)
	}
	w.parked, w.prev, w.next = true, nil, d.parked
	if d.parked != nil {
		d.parked.prev = w
	}
	d.parked = w
}

func (d *driver) unpark(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		d.parked = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	w.parked, w.prev, w.next = false, nil, nil
}

// answer waits for a response, of a stream its head, or for the end without one: then there may be a failure. The response is 0
// where all of it was taken.
func (o *operation) answer() (response uintptr, failure *Error) {
	for {
		o.driver.wait(&o.reader)
		o.driver.mu.Lock()
		response, failure, came := o.response, o.failure, o.headed || o.ended
		o.response = 0
		o.driver.mu.Unlock()
		if response != 0 || came {
			return response, failure
		}
	}
}

// began is whether a stream's head came.
func (o *operation) began() bool {
	o.driver.mu.Lock()
	defer o.driver.mu.Unlock()
	return o.headed
}

// over is whether the operation's end came, or nobody wants to know of it any more.
func (o *operation) over() bool {
	o.driver.mu.Lock()
	defer o.driver.mu.Unlock()
	return o.ended
}
