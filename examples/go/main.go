// Twenty chats over libaipool: one session, a crowd, a lease, an eviction.
//
// Needs the sandbox: scripts/with-sandbox go -C examples/go run .
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	aipool "github.com/aipool/aipool/bindings/go"
)

func main() {
	sandbox := os.Getenv("AIPOOL_SANDBOX_HTTP")
	if sandbox == "" {
		fail("AIPOOL_SANDBOX_HTTP is not set; run me with scripts/with-sandbox")
	}
	if err := run(context.Background(), sandbox); err != nil {
		fail("with the sandbox at ", sandbox, ": ", err)
	}
}

func fail(why ...any) {
	fmt.Fprintln(os.Stderr, "demo: "+fmt.Sprint(why...))
	os.Exit(1)
}

func run(ctx context.Context, sandbox string) error {
	base := sandbox + "/v1"

	pool, err := aipool.New(aipool.Options{MaxSize: 5, Timeout: time.Minute})
	if err != nil {
		return err
	}
	defer pool.Close()
	shared, err := aipool.Default()
	if err != nil {
		return err
	}
	defer shared.Close()
	small, err := aipool.New(aipool.Options{MaxSize: 1})
	if err != nil {
		return err
	}
	defer small.Close()

	latencies, err := oneAfterAnother(ctx, pool, base)
	if err != nil {
		return err
	}
	if err := allAtOnce(ctx, shared, base); err != nil {
		return err
	}
	if err := leased(ctx, pool, base); err != nil {
		return err
	}
	if err := evicted(ctx, small, base, sandbox); err != nil {
		return err
	}
	return report(latencies, pool, shared, small)
}

// oneAfterAnother chats seven times over one session: the first opens a connection, the others find it warm.
func oneAfterAnother(ctx context.Context, pool *aipool.Pool, base string) ([]time.Duration, error) {
	session, err := pool.Session(base, nil)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	var latencies []time.Duration
	for i := range 7 {
		response, err := chat(over(ctx, session), "chat/completions", fmt.Sprintf("number %d", i+1))
		if err != nil {
			return nil, err
		}
		latencies = append(latencies, response.Info.Total)
	}
	return latencies, nil
}

// allAtOnce chats ten times at once, and names no session at all.
func allAtOnce(ctx context.Context, pool *aipool.Pool, base string) error {
	var all sync.WaitGroup
	failures := make([]error, 10)
	for i := range failures {
		all.Add(1)
		go func() {
			defer all.Done()
			send := func(request *aipool.Request) (*aipool.Response, error) { return pool.Do(ctx, base, request) }
			_, failures[i] = chat(send, "chat/completions", fmt.Sprintf("one of ten, %d", i+1))
		}()
	}
	all.Wait()
	return errors.Join(failures...)
}

// leased chats over a session that the pool keeps, however full it gets meanwhile.
func leased(ctx context.Context, pool *aipool.Pool, base string) error {
	return pool.With(ctx, base, func(session *aipool.Session) error {
		_, err := chat(over(ctx, session), "chat/completions", "on lease")
		return err
	})
}

// evicted shows how a session that was given up says so, and that getting it again is all it takes.
func evicted(ctx context.Context, pool *aipool.Pool, base, other string) error {
	first, err := pool.Session(base, nil)
	if err != nil {
		return err
	}
	defer first.Close()
	second, err := pool.Session(other, nil)
	if err != nil {
		return err
	}
	defer second.Close()
	if _, err := chat(over(ctx, second), "v1/chat/completions", "the newcomer"); err != nil {
		return err
	}

	_, err = chat(over(ctx, first), "chat/completions", "too late")
	var failure *aipool.Error
	if !errors.As(err, &failure) || failure.Detail != aipool.DetailEvicted {
		return fmt.Errorf("the first session should be evicted, but: %v", err)
	}
	fmt.Printf("%v/%v, %v: get it again\n", failure.Status, failure.Detail, failure.Delivery)

	again, err := pool.Session(base, nil)
	if err != nil {
		return err
	}
	defer again.Close()
	_, err = chat(over(ctx, again), "chat/completions", "back again")
	return err
}

type sender func(*aipool.Request) (*aipool.Response, error)

func over(ctx context.Context, session *aipool.Session) sender {
	return func(request *aipool.Request) (*aipool.Response, error) { return session.Do(ctx, request) }
}

var (
	counting sync.Mutex
	chats    int
)

// chat says something, prints the answer and counts.
func chat(send sender, url, say string) (*aipool.Response, error) {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	body, err := json.Marshal(map[string]any{"model": "demo", "messages": []message{{"user", say}}})
	if err != nil {
		return nil, err
	}
	response, err := send(&aipool.Request{
		Method:  "POST",
		URL:     url,
		Headers: aipool.Headers{{Name: "content-type", Value: "application/json"}},
		Body:    body,
	})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Choices []struct{ Message message }
	}
	if err := json.Unmarshal(response.Body, &answer); err != nil || len(answer.Choices) == 0 {
		return nil, fmt.Errorf("status %d is no answer: %s", response.Status, response.Body)
	}
	counting.Lock()
	defer counting.Unlock()
	chats++
	fmt.Printf("%2d  %s\n", chats, answer.Choices[0].Message.Content)
	return response, nil
}

// report prints the line that machines read.
func report(latencies []time.Duration, pools ...*aipool.Pool) error {
	var connections, reused uint64
	for _, pool := range pools {
		stats, err := pool.Stats()
		if err != nil {
			return err
		}
		connections += stats.ConnectionsOpened
		reused += stats.RequestsReused
	}
	warm := slices.Sorted(slices.Values(latencies[1:]))
	fmt.Printf("demo lang=Go chats=%d connections=%d reused=%d first_us=%d warm_us=%d\n",
		chats, connections, reused, latencies[0].Microseconds(), warm[len(warm)/2].Microseconds())
	return nil
}
