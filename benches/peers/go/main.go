// The bench's peers in Go: net/http (go), and the library's door through Do (aipool-go) and as the transport of an http.Client
// (aipool-transport); streams of net/http (go-streams).
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"time"
)

const (
	postBytes, replyBytes = 500, 1024
	// mostConnections to one server; the library's default.
	mostConnections = 64
)

// plan is what to do, from the command line: PEER URL CA_FILE HTTP THREADS BASES WARMUP SECONDS REQUESTS. THREADS is how many
// requests are in flight, or how many streams.
type plan struct {
	peer, url, caFile string
	http, threads     int
	warmup, requests  int
	limit             time.Duration
}

func main() {
	log.SetFlags(0)
	plan, err := fromArgs(os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	if plan.peer == "go-streams" {
		streams(plan)
		return
	}
	post, err := posterOf(plan)
	if err != nil {
		log.Fatal(err)
	}
	run(plan, post)
}

// posterOf makes the peer and gives what sends one request over it.
func posterOf(plan plan) (func() error, error) {
	switch plan.peer {
	case "go":
		client, err := netClient(plan)
		return func() error { return postOver(client, plan) }, err
	case "aipool-go":
		return poolDo(plan)
	case "aipool-transport":
		client, err := poolClient(plan)
		return func() error { return postOver(client, plan) }, err
	}
	return nil, fmt.Errorf("%s: no such peer", plan.peer)
}

func fromArgs(args []string) (plan, error) {
	if len(args) != 9 {
		return plan{}, fmt.Errorf("usage: go-peers PEER URL CA_FILE HTTP THREADS BASES WARMUP SECONDS REQUESTS")
	}
	numbers := make([]float64, 6)
	for i, text := range args[3:] {
		number, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return plan{}, err
		}
		numbers[i] = number
	}
	return plan{
		peer: args[0], url: args[1], caFile: args[2],
		http: int(numbers[0]), threads: int(numbers[1]), warmup: int(numbers[3]), requests: int(numbers[5]),
		limit: time.Duration(numbers[4] * float64(time.Second)),
	}, nil
}
