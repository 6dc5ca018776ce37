// Four AI providers, asked through one pool: a hundred cold requests that need one token, then a stream of each.
//
// The sandbox plays the providers: scripts/with-sandbox go -C examples/go run ./providers
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	aipool "github.com/aipool/aipool/bindings/go"
)

func main() {
	sandbox := os.Getenv("AIPOOL_SANDBOX_HTTP")
	if sandbox == "" {
		fail(errors.New("AIPOOL_SANDBOX_HTTP is not set; run me with scripts/with-sandbox"))
	}
	if err := run(context.Background(), sandbox); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "providers:", err)
	os.Exit(1)
}

// provider is one that is asked, and its client: made once and kept, as a provider's token is kept as long as a client of it lives.
type provider struct {
	name    string
	kind    aipool.ClientKind
	options aipool.ClientOptions
	client  *aipool.Client
}

// providers are as the sandbox has them. For the real ones leave out the URLs, and let FromEnv find the credentials; GigaChat's
// certificate wants the Russian root, in CAFile of the options' Session.
func providers(sandbox string) []*provider {
	return []*provider{
		{name: "OpenAI", kind: aipool.ClientOpenAI, options: aipool.ClientOptions{
			BaseURL: sandbox + "/v1",
			APIKey:  "any",
			Model:   "sandbox-small",
		}},
		{name: "GigaChat", kind: aipool.ClientGigaChat, options: aipool.ClientOptions{
			BaseURL: sandbox + "/gigachat/api/v1",
			AuthURL: sandbox + "/gigachat/oauth",
			APIKey:  "Y2xpZW50OnNlY3JldA==",
			Scope:   "GIGACHAT_API_CORP",
		}},
		{name: "YandexGPT", kind: aipool.ClientYandex, options: aipool.ClientOptions{
			BaseURL: sandbox + "/yandex/foundationModels/v1",
			APIKey:  "sandbox-key",
			Folder:  "b1gsandbox",
		}},
		{name: "Naparnik", kind: aipool.ClientNaparnik, options: aipool.ClientOptions{
			BaseURL: sandbox + "/naparnik",
			APIKey:  "sandbox-token",
		}},
	}
}

func run(ctx context.Context, sandbox string) error {
	pool, err := aipool.Default()
	if err != nil {
		return err
	}
	defer pool.Close()
	all := providers(sandbox)
	for _, provider := range all {
		provider.options.Pool = pool
		if provider.client, err = aipool.NewClient(provider.kind, provider.options); err != nil {
			return fmt.Errorf("%s: %w", provider.name, err)
		}
		defer provider.client.Close()
	}

	before, err := tokenCalls(ctx, pool, sandbox)
	if err != nil {
		return err
	}
	gigaChat := all[1]
	cold, err := askCold(ctx, gigaChat.client)
	if err != nil {
		return err
	}
	fmt.Printf("%-10s %11s %6s  %-24s  %s\n", "provider", "first part", "words", "finish", "answer")
	for _, provider := range all {
		if err := stream(ctx, provider); err != nil {
			return fmt.Errorf("%s: %w", provider.name, err)
		}
	}
	after, err := tokenCalls(ctx, pool, sandbox)
	if err != nil {
		return err
	}
	stats, err := pool.Stats()
	if err != nil {
		return err
	}
	fmt.Printf("clients lang=Go streams=%d cold=%d token_calls=%d requests=%d connections=%d reused=%d\n",
		len(all), cold, after-before, stats.Requests, stats.ConnectionsOpened, stats.RequestsReused)
	return nil
}

// askCold asks from a hundred goroutines, none of which has a token, and says how many got their answer.
func askCold(ctx context.Context, client *aipool.Client) (int, error) {
	failures := make([]error, 100)
	var all sync.WaitGroup
	for i := range failures {
		all.Add(1)
		go func() {
			defer all.Done()
			_, failures[i] = client.Generate(ctx, "cold")
		}()
	}
	all.Wait()
	return len(failures), errors.Join(failures...)
}

// stream reads one answer part by part, and prints it as a row of the table.
func stream(ctx context.Context, from *provider) error {
	answer, err := from.client.Stream(ctx, aipool.Call{Prompt: "one two three"})
	if err != nil {
		return err
	}
	words := 0
	for delta, err := range answer.Deltas() {
		if err != nil {
			return err
		}
		if delta.Kind == aipool.DeltaText {
			words++ // A program would show delta.Text here; a row has to wait.
		}
	}
	reply := answer.Reply()
	fmt.Printf("%-10s %8d us %6d  %-24s  %s\n", from.name, reply.FirstToken.Microseconds(), words, reply.Finish, reply.Text)
	return nil
}

// tokenCalls is how often the sandbox was asked for a GigaChat token. A pool takes plain requests too.
func tokenCalls(ctx context.Context, pool *aipool.Pool, sandbox string) (int, error) {
	response, err := pool.Do(ctx, sandbox, &aipool.Request{URL: "/control/counters?name=gigachat.token_calls"})
	if err != nil {
		return 0, err
	}
	_, number, _ := strings.Cut(strings.TrimSpace(string(response.Body)), "=")
	return strconv.Atoi(number)
}
