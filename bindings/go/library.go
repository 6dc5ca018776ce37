package aipool

import (
	"fmt"
	"sync"
)

// LibraryStats are this process's live native handles by kind, and how I/O was driven. Since 0.1.
type LibraryStats struct {
	// Pools is how many pool handles are live.
	Pools uint64
	// Sessions is how many session handles are live, leases included.
	Sessions uint64
	// Responses is how many native responses are live: those that Do is copying out, and those of streams.
	Responses uint64
	// Cancels is how many cancel handles are live: those of requests whose context can end.
	Cancels uint64
	// Guards is how many guard threads are alive: one a pool, until its last request has ended.
	Guards uint64
	// HandOffs is how often a waiting thread had to take the driving over from a guard.
	HandOffs uint64
	// GuardDrives is how often a guard began to drive.
	GuardDrives uint64
	// GuardLooks is how often a guard woke only to see who drives.
	GuardLooks uint64
	// Queues is how many completion queues are live: one a pool that has had many requests at once, or streams.
	Queues uint64
	// Uploads is how many uploads are live: those of requests whose BodyReader is read.
	Uploads uint64
	// Clients is how many client handles are live.
	Clients uint64
}

// ReadLibraryStats returns this process's counters. Since 0.1.
func ReadLibraryStats() LibraryStats {
	return nativeLibraryStats()
}

// LiveHandles reports this process's live native handles by kind and age, for finding what nobody closes: a line of JSON for
// each kind that has any, as aip_live_handles in aipool.h says. For a look, not for each request. Since 0.1.
func LiveHandles() (string, error) {
	text, failure := nativeLiveHandles()
	return text, orNil(failure)
}

// Version is the loaded library's version, such as "0.1.0". Since 0.1.
func Version() string {
	return nativeVersion()
}

// checkABI refuses a library that is not the one this package was built against.
var checkABI = sync.OnceValue(func() *Error { return abiMismatch(nativeABI()) })

func abiMismatch(loaded, wanted uint32) *Error {
	if loaded == wanted {
		return nil
	}
	message := fmt.Sprintf("libaipool: the loaded library (version %s) has ABI %d, this package needs ABI %d; "+
		"load the library that belongs to it", Version(), loaded, wanted)
	return &Error{Status: StatusUnsupported, Message: message}
}
