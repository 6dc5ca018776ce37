package main

import (
	"fmt"
	"log"
	"slices"
	"sync"
	"syscall"
	"time"
)

// meter counts what is done, for all goroutines together; flight.h has the same in C.
type meter struct {
	plan
	mu           sync.Mutex
	latencies    []time.Duration
	warmed       int
	began, ended time.Time
	cpu          time.Duration
}

// run keeps as many requests in flight as planned and prints the figures. What is under way when the time is over is not
// counted.
func run(plan plan, post func() error) {
	meter := &meter{plan: plan, latencies: make([]time.Duration, 0, 1<<17)}
	var all sync.WaitGroup
	for range plan.threads {
		all.Add(1)
		go func() {
			defer all.Done()
			for more := true; more; {
				since := time.Now()
				if err := post(); err != nil {
					log.Fatal(err)
				}
				more = meter.done(since)
			}
		}()
	}
	all.Wait()
	meter.print()
}

// done says that one more is, which began at since; whether to send another.
func (m *meter) done(since time.Time) bool {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ended.IsZero() {
		return false
	}
	if m.began.IsZero() {
		if m.warmed++; m.warmed >= m.warmup*m.threads {
			m.began, m.cpu = now, cpuTime()
		}
		return true
	}
	m.latencies = append(m.latencies, now.Sub(since))
	if now.Sub(m.began) >= m.limit || len(m.latencies) >= m.requests {
		m.ended, m.cpu = now, cpuTime()-m.cpu
	}
	return m.ended.IsZero()
}

func (m *meter) print() {
	slices.Sort(m.latencies)
	count := len(m.latencies)
	fmt.Printf("requests=%d rps=%.1f cpu_us=%.3f p50_us=%.2f p99_us=%.2f\n", count, float64(count)/m.ended.Sub(m.began).Seconds(),
		micros(m.cpu)/float64(count), micros(m.latencies[count/2]), micros(m.latencies[count*99/100]))
}

func micros(duration time.Duration) float64 { return float64(duration.Nanoseconds()) / 1e3 }

// cpuTime is the user and system time of this process.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
