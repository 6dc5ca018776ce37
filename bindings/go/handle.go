package aipool

import (
	"runtime"
	"sync/atomic"
)

// handle owns one native handle. It is a token, not an address: a call that races with close finds a stale token, which
// the library refuses, so no lock is held over a call. Callers keep the owner alive until their native call has returned.
type handle struct {
	token   atomic.Uintptr
	free    func(token uintptr)
	cleanup runtime.Cleanup
}

// own takes a fresh token; the garbage collector frees it where nobody closes it.
func (h *handle) own(token uintptr, free func(uintptr)) {
	h.token.Store(token)
	h.free = free
	h.cleanup = runtime.AddCleanup(h, free, token)
}

// close frees the token, once; from then on the handle is refused.
func (h *handle) close() {
	if token := h.token.Swap(0); token != 0 {
		h.cleanup.Stop()
		h.free(token)
	}
}
