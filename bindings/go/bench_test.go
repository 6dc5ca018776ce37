package aipool

import (
	"io"
	"net/http"
	"runtime"
	"strconv"
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

// BenchmarkRequests compares with net/http: the time and this process's CPU for one request, so many at once.
func BenchmarkRequests(b *testing.B) {
	server := listen(b)
	session := get(b, newPool(b, Options{}), server.http)
	transport := &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}
	client := &http.Client{Transport: transport}
	defer transport.CloseIdleConnections()
	for _, way := range []struct {
		name string
		once func() error
	}{
		{"do", func() error { _, err := session.Do(background, &Request{URL: "/bytes/100"}); return err }},
		{"submitted", func() error {
			_, err := doSubmitted(background, session.pool, destination{target: session.handle.token.Load()}, &Request{URL: "/bytes/100"})
			return err
		}},
		{"nethttp", func() error {
			response, err := client.Get(server.http + "/bytes/100")
			if err == nil {
				_, err = io.ReadAll(response.Body)
				response.Body.Close()
			}
			return err
		}},
	} {
		for _, many := range []int{1, 4, 64} {
			b.Run(way.name+"-"+strconv.Itoa(many), func(b *testing.B) {
				runtime.GC()
				before := cpu()
				var all sync.WaitGroup
				for i := range many {
					all.Add(1)
					go func() {
						defer all.Done()
						for range (b.N + many - 1 - i) / many {
							if err := way.once(); err != nil {
								b.Error(err)
								return
							}
						}
					}()
				}
				all.Wait()
				b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-us/op")
			})
		}
	}
}
