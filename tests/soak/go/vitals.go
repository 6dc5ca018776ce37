package main

// #include <malloc.h>
import "C"

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
)

// looks is how many looks a run has, evenly spread.
const looks = 200

// vitals are what this process takes of the machine.
type vitals struct {
	kib, descriptors, threads int64
	// As its pool says; filled in by who has one.
	inFlight int64
}

// vitalsNow looks after what the collector and malloc() keep of freed memory was given back.
func vitalsNow() vitals {
	C.malloc_trim(0)
	debug.FreeOSMemory()
	var now vitals
	status, _ := os.ReadFile("/proc/self/status")
	for line := range bytes.Lines(status) {
		fmt.Sscanf(string(line), "VmRSS: %d", &now.kib)
		fmt.Sscanf(string(line), "Threads: %d", &now.threads)
	}
	descriptors, _ := os.ReadDir("/proc/self/fd")
	// Without the one that reads them.
	now.descriptors = int64(len(descriptors)) - 1
	return now
}

// sumUp is the medians; of memory the least, as what is under way comes and goes, and what leaks stays.
func sumUp(seen []vitals) vitals {
	of := func(below int, field func(vitals) int64) int64 {
		values := make([]int64, 0, len(seen))
		for _, one := range seen {
			values = append(values, field(one))
		}
		slices.Sort(values)
		return values[below]
	}
	return vitals{
		of(0, func(v vitals) int64 { return v.kib }),
		of(len(seen)/2, func(v vitals) int64 { return v.descriptors }),
		of(len(seen)/2, func(v vitals) int64 { return v.threads }),
		of(len(seen)/2, func(v vitals) int64 { return v.inFlight }),
	}
}
