package aipool

// gate lets few goroutines at a time into the library for calls that do not wait. Each call has a thread for as long as it
// takes, and Go starts another one for a goroutine that is kept from running meanwhile: where calls are slow, as on a machine
// that has too much to do, thousands of requests would make hundreds of threads.
type gate chan struct{}

// calls is the process's gate.
var calls = make(gate, 4)

func (g gate) enter() {
	g <- struct{}{}
}

func (g gate) leave() {
	<-g
}

// through makes one call.
func (g gate) through(call func() *Error) *Error {
	g.enter()
	defer g.leave()
	return call()
}
