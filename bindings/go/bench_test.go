package aipool

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// cpu is what this process has used.
func cpu() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// benchRequests is how many requests one peer sends before it is the next one's turn.
const benchRequests = 4000

// BenchmarkRequests compares with net/http: the medians of this process's CPU for one request, 500 bytes out and 1 kB back,
// so many at once. The peers take turns; -benchtime 9x gives nine rounds.
func BenchmarkRequests(b *testing.B) {
	url := listen(b).http
	pool := newPool(b, Options{})
	session := get(b, pool, url)
	// As many idle connections as the pool keeps.
	standard := &http.Transport{MaxIdleConnsPerHost: 64}
	defer standard.CloseIdleConnections()
	body := bytes.Repeat([]byte("a"), 500)
	transport := NewTransport(pool, nil)
	peers := []struct {
		name string
		once func() error
	}{
		{"nethttp", func() error { return post(standard, url, body) }},
		{"transport", func() error { return post(transport, url, body) }},
		{"do", func() error {
			_, err := session.Do(context.Background(), &Request{Method: "POST", URL: "/bytes/1024", Body: body})
			return err
		}},
	}
	for _, many := range []int{1, 64} {
		b.Run(fmt.Sprint(many), func(b *testing.B) {
			used := map[string][]time.Duration{}
			for range b.N {
				for _, peer := range peers {
					before := cpu()
					repeat(b, many, benchRequests, peer.once)
					used[peer.name] = append(used[peer.name], cpu()-before)
				}
			}
			for name, rounds := range used {
				slices.Sort(rounds)
				b.ReportMetric(float64(rounds[len(rounds)/2].Nanoseconds())/benchRequests, name+"-cpu-ns")
			}
		})
	}
}

// repeat does something so often, in so many goroutines.
func repeat(b *testing.B, goroutines, times int, once func() error) {
	var all sync.WaitGroup
	for range goroutines {
		all.Add(1)
		go func() {
			defer all.Done()
			for range times / goroutines {
				if err := once(); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	all.Wait()
}

func post(over http.RoundTripper, url string, body []byte) error {
	client := http.Client{Transport: over}
	response, err := client.Post(url+"/bytes/1024", "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.ReadAll(response.Body)
	return err
}
