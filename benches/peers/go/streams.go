package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// eventBytes: the server sends all alike.
	eventBytes = 176
	// settle is from the last stream's head to the first byte counted.
	settle = 500 * time.Millisecond
	// pieceBytes are read at once: more would be more memory a stream.
	pieceBytes = 4096
)

// streams reads token streams over net/http as planned; they have no end but the process's. streams.h has the same in C.
func streams(plan plan) {
	client := &http.Client{Transport: &http.Transport{}}
	memory := residentKB()
	var heads, bytes atomic.Int64
	for range plan.threads {
		go read(client, plan.url, &heads, &bytes)
	}
	for heads.Load() < int64(plan.threads) {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(settle)
	began, cpu, before := time.Now(), cpuTime(), bytes.Load()
	time.Sleep(plan.limit)
	events := float64(bytes.Load()-before) / eventBytes
	fmt.Printf("requests=%.0f rps=%.1f cpu_us=%.4f kb=%.2f\n", events, events/time.Since(began).Seconds(),
		micros(cpuTime()-cpu)/events, (residentKB()-memory)/float64(plan.threads))
}

func read(client *http.Client, url string, heads, bytes *atomic.Int64) {
	response, err := client.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	heads.Add(1)
	piece := make([]byte, pieceBytes)
	for {
		count, err := response.Body.Read(piece)
		bytes.Add(int64(count))
		if err != nil {
			log.Fatal(err)
		}
	}
}

// residentKB is how much of this process is in memory.
func residentKB() float64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		log.Fatal(err)
	}
	var size, resident int
	if _, err := fmt.Fscan(strings.NewReader(string(statm)), &size, &resident); err != nil {
		log.Fatal(err)
	}
	return float64(resident*os.Getpagesize()) / 1000
}
