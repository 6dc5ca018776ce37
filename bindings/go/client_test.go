package aipool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aipool/aipool/bindings/go/internal/callers"
)

const (
	// planted is a key that must be seen nowhere but in the sandbox.
	planted  = "sk-planted-4711"
	chatPath = "/v1/chat/completions"
)

// counter is one of the numbers of the sandbox's providers, 0 where nothing was counted.
func (l listener) counter(t testing.TB, name string) int {
	t.Helper()
	fields := fieldsOf(control(t, "GET", "/control/counters?id="+l.id+"&name="+url.QueryEscape(name)))
	number, err := strconv.Atoi(fields[name])
	must(t, err)
	return number
}

func (l listener) set(t testing.TB, settings string) {
	t.Helper()
	control(t, "POST", "/control/set?id="+l.id+"&"+settings)
}

// last is the last request to a path.
func (l listener) last(t testing.TB, path string) (seen struct {
	Method  string
	Headers map[string]string
	Body    map[string]any
}) {
	t.Helper()
	must(t, json.Unmarshal([]byte(control(t, "GET", "/control/last?id="+l.id+"&path="+path)), &seen))
	return seen
}

// overEngine skips a test in runs over reqwest: clients ask over the pool's own connections.
func overEngine(t testing.TB) {
	t.Helper()
	if overReqwest() {
		t.Skip("clients ask over the engine")
	}
}

// clientOf is a client of a sandbox, with options changed where asked.
func clientOf(t testing.TB, server listener, change func(*ClientOptions)) *Client {
	t.Helper()
	overEngine(t)
	options := ClientOptions{
		Pool: newPool(t, Options{}), BaseURL: server.http + "/v1", APIKey: planted, Model: "sandbox-1",
		EmbeddingModel: "sandbox-1",
	}
	if change != nil {
		change(&options)
	}
	client, err := NewClient(ClientOpenAI, options)
	must(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

// faulty is an option that asks the sandbox for a fault.
func faulty(said string) CallOption {
	return func(call *Call) { call.Headers = fault(said) }
}

func generate(t testing.TB, client *Client, prompt string, options ...CallOption) *Reply {
	t.Helper()
	reply, err := client.Generate(background, prompt, options...)
	must(t, err)
	return reply
}

func chatStream(t testing.TB, client *Client, call Call) *ChatStream {
	t.Helper()
	stream, err := client.Stream(background, call)
	must(t, err)
	t.Cleanup(func() { stream.Close() })
	return stream
}

// told are all parts of an answer, and the text they make.
func told(stream *ChatStream) (deltas []Delta, text string, err error) {
	for delta, failed := range stream.Deltas() {
		if failed != nil {
			return deltas, text, failed
		}
		deltas = append(deltas, delta)
		switch delta.Kind {
		case DeltaText:
			text += delta.Text
		case DeltaReplace:
			text = delta.Text
		}
	}
	return deltas, text, nil
}

func TestClientGenerates(t *testing.T) {
	server := listen(t)
	client := clientOf(t, server, nil)
	must(t, client.IsConfigured())
	reply := generate(t, client, "один two", WithSystem("be brief"), WithTemperature(0), WithMaxTokens(50), func(call *Call) {
		call.TopP, call.Seed, call.Stop = Ptr(0.0), Ptr[int64](0), []string{"END", "СТОП"}
		call.Extra = json.RawMessage(`{"user":"u"}`)
	})
	want(t, "text", reply.Text, "You said: один two")
	want(t, "reason", reply.FinishReason, FinishStop)
	want(t, "word", reply.Finish, "stop")
	want(t, "model", reply.Model, "sandbox-1")
	want(t, "id", reply.ID != "", true)
	want(t, "tokens", reply.Usage.Total > 0 && reply.Usage.Reasoning == -1, true)
	want(t, "HTTP status", reply.Response.Status, 200)
	want(t, "body", strings.Contains(string(reply.Response.Body), "chat.completion"), true)
	want(t, "the next message", reply.Message().Content, reply.Text)

	seen := server.last(t, chatPath)
	want(t, "authorization", seen.Headers["authorization"], "Bearer "+planted)
	body, err := json.Marshal(seen.Body)
	must(t, err)
	want(t, "body", string(body), `{"max_tokens":50,"messages":[{"content":"be brief","role":"system"},{"content":"один two","role":"user"}],`+
		`"model":"sandbox-1","seed":0,"stop":["END","СТОП"],"temperature":0,"top_p":0,"user":"u"}`)
	generate(t, client, "plain")
	_, said := server.last(t, chatPath).Body["temperature"]
	want(t, "what is not set is not said", said, false)
}

func TestClientChatsWithTools(t *testing.T) {
	server := listen(t)
	client := clientOf(t, server, nil)
	call := Call{
		Messages: []Message{{Content: "weather?"}},
		Tools: []Tool{{
			Name: "weather", Description: "tells the weather", More: map[string]any{"strict": true},
			Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}}}`),
		}},
		ToolChoice: "required",
	}
	reply, err := client.Chat(background, call)
	must(t, err)
	want(t, "reason", reply.FinishReason, FinishTool)
	want(t, "calls", len(reply.ToolCalls), 1)
	asked := reply.ToolCalls[0]
	want(t, "name", asked.Name, "weather")
	want(t, "id", asked.ID != "", true)
	var arguments struct{ City string }
	must(t, json.Unmarshal([]byte(asked.Arguments), &arguments))
	want(t, "arguments", arguments.City, "weather?")
	tools, err := json.Marshal(server.last(t, chatPath).Body["tools"])
	must(t, err)
	want(t, "tools", strings.Contains(string(tools), `"strict":true`) && strings.Contains(string(tools), "tells the weather"), true)

	call.Messages = append(call.Messages, reply.Message(), ToolResult(asked, `{"degrees":21}`))
	reply, err = client.Chat(background, call)
	must(t, err)
	want(t, "text", reply.Text, `The tool said: {"degrees":21}`)
	want(t, "reason", reply.FinishReason, FinishStop)

	call.Messages = call.Messages[:1]
	stream := chatStream(t, client, call)
	deltas, _, err := told(stream)
	must(t, err)
	var pieces string
	for _, delta := range deltas {
		if delta.Kind == DeltaTool {
			pieces += delta.Text
		}
	}
	want(t, "the same arguments", stream.Reply().ToolCalls[0].Arguments, asked.Arguments)
	want(t, "piece by piece", pieces, asked.Arguments)
}

func TestClientStreamsWhatItWouldSay(t *testing.T) {
	client := clientOf(t, listen(t), nil)
	call := Call{Prompt: "один two three четыре"}
	stream := chatStream(t, client, call)
	deltas, text, err := told(stream)
	must(t, err)
	whole, err := client.Chat(background, call)
	must(t, err)
	want(t, "text", text, whole.Text)
	want(t, "the last", deltas[len(deltas)-1].Kind, DeltaDone)
	reply := stream.Reply()
	want(t, "reply", reply.Text, whole.Text)
	want(t, "usage", reply.Usage, whole.Usage)
	want(t, "reason", reply.FinishReason, FinishStop)
	want(t, "times", reply.FirstToken > 0 && reply.LongestGap > 0 && reply.Parts > 3, true)
	want(t, "status", reply.Response.Status, 200)
	_, err = stream.next()
	wantError(t, err, StatusInvalidHandle, DetailNone, ResponseStarted)
	want(t, "is ErrClosed", errors.Is(err, ErrClosed), true)

	for range 20 {
		broken := chatStream(t, client, call)
		for range broken.Deltas() {
			break
		}
		text := broken.Reply().Text
		want(t, "what was read", len(text) > 0 && strings.HasPrefix(whole.Text, text), true)
	}
}

// What is lent by the library is copied before anybody can free it: run with -race.
func TestClientStreamMayBeClosedAndLookedAtMeanwhile(t *testing.T) {
	client := clientOf(t, listen(t), nil)
	before := ReadLibraryStats()
	everywhere(func(goroutine int) {
		stream, err := client.Stream(background, Call{Prompt: strings.Repeat("слово ", 50)})
		if err != nil {
			t.Error(err)
			return
		}
		var closed sync.WaitGroup
		closed.Add(1)
		go func() {
			defer closed.Done()
			for range goroutine {
				text := stream.Reply().Text
				if !strings.HasPrefix("You said: "+strings.Repeat("слово ", 50), text) {
					t.Errorf("%q", text)
				}
				runtime.Gosched()
			}
			stream.Close()
		}()
		if _, _, err := told(stream); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		closed.Wait()
	})
	want(t, "responses", ReadLibraryStats().Responses, before.Responses)
}

func TestClientContextEndsAStream(t *testing.T) {
	server := listen(t)
	client := clientOf(t, server, func(options *ClientOptions) { options.MaxConcurrency = 1 })
	ctx, cancel := context.WithCancelCause(background)
	defer cancel(nil)
	call := Call{Prompt: strings.Repeat("w ", 100), Headers: fault("drip=20")}
	stream, err := client.Stream(ctx, call)
	must(t, err)
	cause, parts := errors.New("enough"), 0
	for delta, failed := range stream.Deltas() {
		if failed != nil {
			err = failed
			break
		}
		if parts++; delta.Kind == DeltaText && parts == 3 {
			cancel(cause)
		}
	}
	wantError(t, err, StatusCancelled, DetailNone, ResponseStarted)
	want(t, "is its cause", errors.Is(err, cause), true)
	want(t, "what was read", strings.HasPrefix(stream.Reply().Text, "You said: "), true)
	// Its slot is free again.
	generate(t, client, "next")
}

func TestClientContextEndsAWaitForASlot(t *testing.T) {
	server := listen(t)
	client := clientOf(t, server, func(options *ClientOptions) { options.MaxConcurrency = 1 })
	hold := newHold()
	answered := make(chan error, 1)
	go func() {
		_, err := client.Generate(background, "first", faulty("hold="+string(hold)))
		answered <- err
	}()
	hold.waitHeld(t, 1)
	ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
	defer cancel()
	_, err := client.Generate(ctx, "second")
	wantError(t, err, StatusCancelled, DetailNone, NotSent)
	want(t, "is DeadlineExceeded", errors.Is(err, context.DeadlineExceeded), true)
	_, err = client.Generate(background, "third", func(call *Call) { call.QueueTimeout = 20 * time.Millisecond })
	failure := wantError(t, err, StatusTimeout, DetailQueueLimit, NotSent)
	want(t, "says how many", strings.Contains(failure.Message, "1 of 1"), true)
	_, err = client.Generate(ctx, "fourth")
	wantError(t, err, StatusCancelled, DetailNone, NotSent)
	hold.release(t)
	must(t, <-answered)
	generate(t, client, "fifth")
	want(t, "requests", server.counter(t, "requests:"+chatPath), 2)
}

func TestClientFailuresHaveTheProvidersWords(t *testing.T) {
	client := clientOf(t, listen(t), func(options *ClientOptions) { options.BreakerFailures = Off })
	for _, row := range []struct {
		fault       string
		status      Status
		detail      Detail
		http        int
		code, words string
	}{
		{"openai-auth", StatusAuth, DetailNone, 401, "invalid_api_key", "Incorrect API key provided"},
		{"openai-rate", StatusRateLimited, DetailNone, 429, "rate_limit_exceeded", "Rate limit"},
		{"openai-insufficient-quota", StatusQuota, DetailNone, 429, "insufficient_quota", "exceeded your current quota"},
		{"openai-context", StatusProvider, DetailContextOverflow, 400, "context_length_exceeded", "maximum context length"},
		{"llama-loading", StatusProvider, DetailOverloaded, 503, "unavailable_error", "Loading model"},
	} {
		// Paced, who was refused for its rate would make the next ones wait.
		call := Call{Prompt: "hi", Headers: fault("error=" + row.fault), MaxRetries: Off}
		check := func(err error) {
			t.Helper()
			failure := wantError(t, err, row.status, row.detail, ResponseStarted)
			want(t, row.fault+": HTTP status", failure.HTTPStatus, row.http)
			want(t, row.fault+": code", failure.ProviderCode, row.code)
			want(t, row.fault+": words", strings.Contains(failure.ProviderText, row.words), true)
			want(t, row.fault+": has a response", failure.Response != nil && failure.Response.Status == row.http, true)
			want(t, row.fault+": the message is ours", strings.Contains(failure.Error(), row.words), false)
			want(t, row.fault+": and so is %#v", strings.Contains(fmt.Sprintf("%#v", failure), row.words), false)
		}
		_, err := client.Chat(background, call)
		check(err)
		_, err = client.Stream(background, call)
		check(err)
	}
	other := clientOf(t, listen(t), nil)
	_, err := other.Generate(background, "hi", faulty("error=openai-rate,retry-after=500"))
	failure := wantError(t, err, StatusRateLimited, DetailNone, ResponseStarted)
	want(t, "retry after", failure.RetryAfter, 500*time.Second)
	want(t, "retryable", failure.Retryable, true)
}

func TestClientStreamFailuresHaveTheProvidersWords(t *testing.T) {
	client := clientOf(t, listen(t), nil)
	stream := chatStream(t, client, Call{Prompt: "one two three", Headers: fault("error-event=2")})
	_, text, err := told(stream)
	failure := wantError(t, err, StatusProvider, DetailServerError, ResponseStarted)
	want(t, "words", failure.ProviderText, "The provider went away")
	want(t, "HTTP status", failure.HTTPStatus, 200)
	want(t, "what came before", text != "" && stream.Reply().Text == text, true)

	stream = chatStream(t, client, Call{Prompt: "one two three", Headers: fault("cut-after=2")})
	_, text, err = told(stream)
	wantError(t, err, StatusTruncated, DetailNone, ResponseStarted)
	want(t, "what came before", stream.Reply().Text, text)
}

func TestClientFailsFastWhenAllFailed(t *testing.T) {
	server := listen(t)
	client := clientOf(t, server, func(options *ClientOptions) { options.BreakerFailures, options.MaxRetries = 2, Off })
	for range 2 {
		_, err := client.Generate(background, "hi", faulty("status=500"))
		wantError(t, err, StatusProvider, DetailServerError, ResponseStarted)
	}
	_, err := client.Generate(background, "hi")
	failure := wantError(t, err, StatusProvider, DetailCircuitOpen, NotSent)
	want(t, "says when to try again", failure.RetryAfter > 0, true)
	want(t, "requests", server.counter(t, "requests:"+chatPath), 2)
}

func TestClientEmbedsListsAndSendsAnything(t *testing.T) {
	server := listen(t)
	client := clientOf(t, server, nil)
	reply, err := client.Embed(background, []string{"a", "b", "слово"}, func(call *Call) { call.Dimensions = 5 })
	must(t, err)
	want(t, "embeddings", len(reply.Embeddings), 3)
	for _, numbers := range reply.Embeddings {
		want(t, "numbers", len(numbers), 5)
	}
	want(t, "they differ", fmt.Sprint(reply.Embeddings[0]) == fmt.Sprint(reply.Embeddings[1]), false)
	want(t, "tokens", reply.Usage.Prompt > 0, true)
	models, err := client.Models(background)
	must(t, err)
	want(t, "models", len(models) > 0 && strings.Contains(models[0], "sandbox"), true)
	_, err = client.Count(background, []string{"a"})
	wantError(t, err, StatusUnsupported, DetailNone, NotSent)

	response, err := client.Do(background, Raw{URL: "models"})
	must(t, err)
	want(t, "raw", strings.Contains(string(response.Body), `"list"`), true)
	seen := server.last(t, "/v1/models")
	want(t, "signed", seen.Method+" "+seen.Headers["authorization"], "GET Bearer "+planted)
	_, err = client.Do(background, Raw{URL: "chat/completions", Body: []byte(`{"model":"m","messages":[{"role":"user","content":"x"}]}`)})
	must(t, err)
	want(t, "a body is posted", server.last(t, chatPath).Headers["content-type"], "application/json")
	_, err = client.Do(background, Raw{URL: "nothing"})
	failure := wantError(t, err, StatusProvider, DetailNotFound, ResponseStarted)
	want(t, "code", failure.ProviderCode, "unknown_url")
}

// gigaChat are the options of a client of the sandbox's GigaChat.
func gigaChat(server listener) ClientOptions {
	return ClientOptions{
		BaseURL: server.http + "/gigachat/api/v1", AuthURL: server.http + "/gigachat/oauth", ClientID: "client", ClientSecret: "secret",
		Scope: "GIGACHAT_API_CORP", Affinity: "a-talk", Model: "GigaChat-2-Max", EmbeddingModel: "Embeddings",
	}
}

func TestEveryProviderAnswersWholeAndPartByPart(t *testing.T) {
	overEngine(t)
	server := listen(t)
	for kind, options := range map[ClientKind]ClientOptions{
		ClientOllama:   {BaseURL: server.http, Model: "sandbox-small"},
		ClientGigaChat: gigaChat(server),
		ClientYandex: {
			BaseURL: server.http + "/yandex/foundationModels/v1", OperationsURL: server.http + "/yandex/operations",
			APIKey: "sandbox-key", Folder: "b1gsandbox", PollInterval: time.Millisecond,
		},
		ClientYandexOpenAI: {BaseURL: server.http + "/yandex/v1", APIKey: "sandbox-key", Folder: "b1gsandbox"},
		ClientNaparnik:     {BaseURL: server.http + "/naparnik", APIKey: "sandbox-token"},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			options.Pool = newPool(t, Options{})
			client, err := NewClient(kind, options)
			must(t, err)
			defer client.Close()
			must(t, client.IsConfigured())
			whole := generate(t, client, "раз two")
			stream := chatStream(t, client, Call{Prompt: "раз two"})
			_, text, err := told(stream)
			must(t, err)
			want(t, "streamed", text, whole.Text)
			want(t, "reply", stream.Reply().Text, whole.Text)
			switch kind {
			case ClientGigaChat:
				want(t, "affinity", server.last(t, "/gigachat/api/v1/chat/completions").Headers["x-session-id"], "a-talk")
				count, err := client.Count(background, []string{"раз", "два три"})
				must(t, err)
				want(t, "tokens", count > 0, true)
			case ClientYandex:
				job, err := client.Chat(background, Call{Prompt: "раз two", Job: true})
				must(t, err)
				want(t, "job", job.Text, whole.Text)
			case ClientNaparnik:
				next, err := client.Chat(background, Call{Prompt: "два", State: whole.State})
				must(t, err)
				want(t, "the talk goes on", strings.HasPrefix(next.Text, "Ход 2."), true)
			}
		})
	}
}

// A thousand calls that want a token at once have it once, and a context ends the wait for it.
func TestClientsShareTokens(t *testing.T) {
	overEngine(t)
	server := listen(t)
	options := gigaChat(server)
	options.Pool, options.ClientID = newPool(t, Options{}), "shares"
	client, err := NewClient(ClientGigaChat, options)
	must(t, err)
	defer client.Close()
	control(t, "POST", "/control/arm?id="+server.id+"&path=/gigachat/oauth&faults=delay=300&count=1")
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	_, err = client.Generate(ctx, "x")
	want(t, "the wait for a token ends", errors.Is(err, context.DeadlineExceeded), true)
	everywhere(func(goroutine int) {
		if _, err := client.Generate(background, "x"); err != nil {
			t.Error(err)
		}
	})
	want(t, "few calls for tokens", server.counter(t, "gigachat.token_calls") <= 2, true)
	t.Logf("%d calls for tokens", server.counter(t, "gigachat.token_calls"))
}

func TestWrongCallsAreNamed(t *testing.T) {
	server := listen(t)
	client := clientOf(t, server, nil)
	one := []Message{{Content: "x"}}
	for _, wrong := range []struct {
		named string
		call  Call
	}{
		{"messages: ", Call{}},
		{"messages: ", Call{Stop: []string{"a"}}},
		{"system: ", Call{System: "\xff", Messages: one}},
		{"prompt: ", Call{System: "a", Prompt: "\xff"}},
		{"messages[1].content: ", Call{System: "a", Messages: []Message{{Content: "x"}, {Content: "\xff"}}}},
		{"messages[0].call_id: ", Call{Messages: []Message{{Name: "x", CallID: "\xff"}}}},
		{"messages[0].role: ", Call{Messages: []Message{{Role: 9}}}},
		{"messages[0].raw: ", Call{Messages: []Message{{State: "s", Raw: json.RawMessage("{")}}}},
		{"messages[0].tool_calls[0]: ", Call{Messages: []Message{{Role: RoleAssistant, ToolCalls: []ToolCall{{ID: "i"}}}}}},
		{"model: ", Call{Prompt: "x", Model: "\xff"}},
		{"tools[0]: ", Call{Prompt: "x", Tools: []Tool{{Description: "d"}}}},
		{"tools: ", Call{Prompt: "x", Tools: []Tool{{Name: "n", Parameters: json.RawMessage("{")}}}},
		{"tool_choice: ", Call{Prompt: "x", Model: "m", ToolChoice: "\xff"}},
		{"json_schema: ", Call{Prompt: "x", JSONSchema: json.RawMessage("{")}},
		{"state: ", Call{Prompt: "x", State: "\xff"}},
		{"extra: ", Call{Prompt: "x", State: "s", Extra: json.RawMessage("[]")}},
		{"stop[1]: ", Call{Prompt: "x", Stop: []string{"a", "\xff"}}},
		{"temperature: ", Call{Prompt: "x", Temperature: Ptr(-1.0)}},
		{"top_p: ", Call{Prompt: "x", TopP: Ptr(2.0)}},
		{"max_tokens: ", Call{Prompt: "x", MaxTokens: -3}},
		{"response_format: ", Call{Prompt: "x", ResponseFormat: 9}},
		{"headers[0]: ", Call{Prompt: "x", Headers: Headers{{"no name", "x"}}}},
		{"headers[0]: ", Call{Prompt: "x", Headers: Headers{{"x", "secret\x00"}}}},
		{"idempotency_key: ", Call{Prompt: "x", Headers: Headers{{"x", "y"}}, IdempotencyKey: "a\nb"}},
		{"max_retries: ", Call{Prompt: "x", MaxRetries: 11}},
	} {
		_, err := client.Chat(background, wrong.call)
		wantInvalid(t, err, wrong.named)
		_, err = client.Stream(background, wrong.call)
		wantInvalid(t, err, wrong.named)
	}
	for _, limit := range timeLimits {
		switch limit.field {
		case "ConnectTimeout", "DNSTimeout", "TLSTimeout", "SendTimeout":
			continue
		}
		call := Call{Prompt: "x"}
		for field, place := range map[string]*time.Duration{
			"Timeout": &call.Timeout, "QueueTimeout": &call.QueueTimeout, "FirstByteTimeout": &call.FirstByteTimeout,
			"BetweenBytesTimeout": &call.BetweenBytesTimeout, "FirstEventTimeout": &call.FirstEventTimeout,
			"BetweenEventsTimeout": &call.BetweenEventsTimeout,
		} {
			if field == limit.field {
				*place = -time.Millisecond
			}
		}
		_, err := client.Chat(background, call)
		wantInvalid(t, err, limit.named)
	}
	_, err := client.Embed(background, []string{"a", "\xff"})
	wantInvalid(t, err, "inputs[1]: ")
	_, err = client.Embed(background, []string{"a"}, func(call *Call) { call.Dimensions = -1 })
	wantInvalid(t, err, "dimensions: ")
	_, err = client.Do(background, Raw{Method: "NO SUCH"})
	wantInvalid(t, err, "method: ")
	want(t, "requests", server.count(t, "requests"), 0)
}

// Each text and number of a client's options reaches its own field.
func TestWrongClientOptionsAreNamed(t *testing.T) {
	for named, options := range map[string]ClientOptions{
		"base_url":         {BaseURL: "\xff"},
		"auth_url":         {BaseURL: "http://h", AuthURL: "\xff"},
		"api_key":          {APIKey: "\xff"},
		"access_token":     {APIKey: "k", AccessToken: "\xff"},
		"user":             {User: "\xff"},
		"password":         {User: "u", Password: "\xff"},
		"client_id":        {Password: "p", ClientID: "\xff"},
		"client_secret":    {ClientID: "c", ClientSecret: "\xff"},
		"oauth_token":      {ClientSecret: "c", OAuthToken: "\xff"},
		"scope":            {OAuthToken: "o", Scope: "\xff"},
		"folder":           {Scope: "s", Folder: "\xff"},
		"organization":     {Folder: "f", Organization: "\xff"},
		"model":            {Organization: "o", Model: "\xff"},
		"embedding_model":  {Model: "m", EmbeddingModel: "\xff"},
		"affinity":         {EmbeddingModel: "m", Affinity: "\xff"},
		"max_concurrency":  {MaxConcurrency: -3},
		"max_retries":      {MaxRetries: 11},
		"breaker_failures": {BreakerFailures: -3},
		"pacing":           {Pacing: 1},
		"operations_url":   {Affinity: "a", OperationsURL: "\xff"},
		"poll_interval_ms": {PollInterval: -time.Hour},
		"api_version":      {APIVersion: 3},
		"http_version":     {Model: "m", Session: &SessionOptions{Partition: "p", HTTPVersion: 9}},
		"partition":        {Model: "m", Session: &SessionOptions{Partition: "\xff"}},
		"headers[0]":       {Model: "m", Session: &SessionOptions{Headers: Headers{{"x", "\x00"}}}},
	} {
		_, err := NewClient(ClientOpenAI, options)
		wantInvalid(t, err, named+": ")
	}
	for _, kind := range []ClientKind{0, 99} {
		_, err := NewClient(kind, ClientOptions{})
		wantInvalid(t, err, "kind: ")
	}
	closed := newPool(t, Options{})
	closed.Close()
	_, err := NewClient(ClientOpenAI, ClientOptions{Pool: closed})
	want(t, "is ErrClosed", errors.Is(err, ErrClosed), true)
}

func TestClientSaysWhatIsMissing(t *testing.T) {
	overEngine(t)
	t.Setenv("OPENAI_API_KEY", "")
	client, err := NewClient(ClientOpenAI, ClientOptions{Pool: newPool(t, Options{}), Model: "m", FromEnv: true})
	must(t, err)
	defer client.Close()
	for _, call := range []func() error{
		client.IsConfigured,
		func() error { _, err := client.Generate(background, "x"); return err },
		func() error { _, err := client.Stream(background, Call{Prompt: "x"}); return err },
	} {
		failure := wantError(t, call(), StatusNotConfigured, DetailNone, NotSent)
		want(t, "names the option and its variable", strings.Contains(failure.Message, "api_key: ") &&
			strings.Contains(failure.Message, "OPENAI_API_KEY"), true)
	}
}

func TestClientTakesTheEnvironment(t *testing.T) {
	overEngine(t)
	server := listen(t)
	t.Setenv("OPENAI_API_KEY", "sk-of-the-environment")
	t.Setenv("OPENAI_BASE_URL", server.http+"/v1")
	t.Setenv("OPENAI_MODEL", "sandbox-1")
	client, err := NewClient(ClientOpenAI, ClientOptions{FromEnv: true, Pool: newPool(t, Options{})})
	must(t, err)
	defer client.Close()
	generate(t, client, "x")
	want(t, "key", server.last(t, chatPath).Headers["authorization"], "Bearer sk-of-the-environment")
}

func TestClientOfTheSharedPool(t *testing.T) {
	server := listen(t)
	shared := func(options *ClientOptions) { options.Pool = nil }
	one, two := clientOf(t, server, shared), clientOf(t, server, shared)
	generate(t, one, "a")
	generate(t, two, "b")
	want(t, "one queue for both", one.shared == two.shared, true)
	stats := statsOf(t, one.shared)
	// It may be closed, by whomever, at any time: the next call finds the next one.
	for range 3 {
		must(t, CloseDefault(0))
		generate(t, one, "c")
		generate(t, two, "d")
		want(t, "one queue for both", one.shared == two.shared, true)
	}
	want(t, "another pool", statsOf(t, one.shared).Requests < stats.Requests+6, true)
	session, err := one.Session(true)
	must(t, err)
	defer session.Close()
	fetch(t, session, &Request{URL: "/models"})
	must(t, CloseDefault(0))
	again, err := one.Session(true)
	must(t, err)
	defer again.Close()
	fetch(t, again, &Request{URL: "/models"})
	must(t, CloseDefault(0))
}

func TestClientSessions(t *testing.T) {
	server := listen(t)
	pool := newPool(t, Options{})
	pooled := clientOf(t, server, func(options *ClientOptions) { options.Pool = pool })
	generate(t, pooled, "x")
	session, err := pooled.Session(true)
	must(t, err)
	defer session.Close()
	same := getWith(t, pool, server.http+"/v1", nil)
	want(t, "is the pool's", session.ID(), same.ID())
	own, err := pooled.Session(false)
	must(t, err)
	defer own.Close()
	want(t, "is its own", own.ID() != session.ID(), true)
	fetch(t, own, &Request{URL: "/models"})
	_, signed := server.last(t, "/v1/models").Headers["authorization"]
	want(t, "is not signed", signed, false)

	unpooled := clientOf(t, server, func(options *ClientOptions) { options.Pool, options.Unpooled = newPool(t, Options{}), true })
	generate(t, unpooled, "x")
	want(t, "sessions of its pool", statsOf(t, unpooled.pool).Sessions, 0)

	must(t, pool.Close())
	_, err = pooled.Generate(background, "x")
	wantError(t, err, StatusClosed, DetailPoolClosed, NotSent)
	must(t, pooled.Close())
	_, err = pooled.Generate(background, "x")
	want(t, "is ErrClosed", errors.Is(err, ErrClosed), true)
	want(t, "is ErrClosed", errors.Is(pooled.IsConfigured(), ErrClosed), true)
}

func TestSlotsAreOfAllClientsOfAnAccount(t *testing.T) {
	const many = 200
	server := listen(t)
	pool := newPool(t, Options{})
	eight := func(options *ClientOptions) { options.Pool, options.MaxConcurrency = pool, 8 }
	clients := []*Client{clientOf(t, server, eight), clientOf(t, server, eight)}
	var all sync.WaitGroup
	for i := range many {
		all.Add(1)
		go func() {
			defer all.Done()
			prompt := fmt.Sprintf("caller %d", i)
			call := Call{Prompt: prompt, Headers: fault("delay=10")}
			var text string
			if i%2 == 0 {
				reply, err := clients[i%4/2].Chat(background, call)
				if err != nil {
					t.Error(err)
					return
				}
				text = reply.Text
			} else {
				stream, err := clients[i%4/2].Stream(background, call)
				if err != nil {
					t.Error(err)
					return
				}
				if _, text, err = told(stream); err != nil {
					t.Error(err)
				}
			}
			if text != "You said: "+prompt {
				t.Errorf("%q is not for %q", text, prompt)
			}
		}()
	}
	all.Wait()
	most := server.counter(t, "openai.running_max")
	t.Logf("%d callers, %d at once", many, most)
	want(t, "at once", most, 8)
	want(t, "requests", server.counter(t, "requests:"+chatPath), many)
}

func TestManyClientCallsNeedFewThreads(t *testing.T) {
	const many = 1000
	before := threadsNow(t)
	server := listen(t)
	client := clientOf(t, server, func(options *ClientOptions) {
		options.MaxConcurrency = Unlimited
		options.Session = &SessionOptions{HTTPVersion: HTTP2}
	})
	hold := newHold()
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	var all sync.WaitGroup
	var answered atomic.Int32
	for i := range many {
		all.Add(1)
		go func() {
			defer all.Done()
			var err error
			if i%2 == 0 {
				_, err = client.Generate(ctx, "x", faulty("hold="+string(hold)))
			} else {
				var stream *ChatStream
				if stream, err = client.Stream(background, Call{Prompt: "x", Headers: fault("hold=" + string(hold))}); err == nil {
					_, _, err = told(stream)
				}
			}
			if err != nil {
				t.Error(err)
				return
			}
			answered.Add(1)
		}()
	}
	hold.waitHeld(t, many)
	most := threadsNow(t)
	hold.release(t)
	all.Wait()
	most = max(most, threadsNow(t))
	t.Logf("%d threads before, %d at most with %d calls under way", before, most, many)
	want(t, "answered", answered.Load(), many)
	if most > max(16, before+5) {
		t.Errorf("%d threads", most)
	}
}

// A storm of contexts that end while calls wait for a slot, are sent, or are read: nothing is left behind.
func TestClientCancelStormLeavesNothingBehind(t *testing.T) {
	server := listen(t)
	client := clientOf(t, server, func(options *ClientOptions) { options.MaxConcurrency = 4 })
	generate(t, client, "warm")
	before := ReadLibraryStats()
	everywhere(func(goroutine int) {
		for i := range 10 {
			ctx, cancel := context.WithTimeoutCause(background, time.Duration(goroutine*i%40)*time.Millisecond, errStorm)
			var err error
			if goroutine%2 == 0 {
				_, err = client.Generate(ctx, "one two", faulty("delay=5"))
			} else {
				var stream *ChatStream
				if stream, err = client.Stream(ctx, Call{Prompt: "one two three", Headers: fault("drip=3")}); err == nil {
					_, _, err = told(stream)
				}
			}
			if err != nil && !errors.Is(err, errStorm) {
				t.Error(err)
			}
			cancel()
		}
	})
	generate(t, client, "still there")
	now := ReadLibraryStats()
	want(t, "cancels", now.Cancels, before.Cancels)
	want(t, "responses", now.Responses, before.Responses)
	want(t, "under way", operationsOf(client.pool), 0)
	// A stream that was given up reads on for a moment, for its connection's sake.
	eventually(t, "nothing is in flight", func() bool { return statsOf(t, client.pool).InFlight == 0 })
}

func TestForgottenClientsAndStreamsAreFreed(t *testing.T) {
	overEngine(t)
	server := listen(t)
	before := ReadLibraryStats()
	func() {
		pool, err := New(Options{Threads: threads(t)})
		must(t, err)
		client, err := NewClient(ClientOpenAI, ClientOptions{
			Pool: pool, BaseURL: server.http + "/v1", APIKey: "forgotten", Model: "m", MaxConcurrency: 1,
		})
		must(t, err)
		stream, err := client.Stream(background, Call{Prompt: strings.Repeat("w ", 1000), Headers: fault("drip=20")})
		must(t, err)
		_, err = stream.next()
		must(t, err)
	}()
	settled(t, before)
	// A forgotten stream's slot is free again.
	generate(t, clientOf(t, server, func(options *ClientOptions) { options.APIKey, options.MaxConcurrency = "forgotten", 1 }), "x")
}

func TestSecretsAreShownNowhere(t *testing.T) {
	overEngine(t)
	server := listen(t)
	options := ClientOptions{
		Pool: newPool(t, Options{}), BaseURL: "http://user:" + planted + "@" + strings.TrimPrefix(server.http, "http://") + "/v1?k=" + planted,
		AuthURL: "http://" + planted + "@h", APIKey: planted, AccessToken: planted, User: planted, Password: planted, ClientID: planted,
		ClientSecret: planted, OAuthToken: planted, Model: "m", FromEnv: true,
		Session: &SessionOptions{Headers: Headers{{"x-key", planted}}, ClientKeyBytes: []byte(planted)},
	}
	var shown strings.Builder
	show := func(value any) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			fmt.Fprintf(&shown, verb+"\n", value)
		}
		slog.New(slog.NewTextHandler(&shown, nil)).Info("shown", "value", value)
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("shown", "value", value)
	}
	show(options)
	show(&options)
	show(struct{ Options ClientOptions }{options})
	var read ClientOptions
	must(t, json.Unmarshal([]byte(`{"APIKey":"k","MaxRetries":3}`), &read))
	want(t, "read from JSON", fmt.Sprint(read.APIKey, read.MaxRetries), "k3")

	client := clientOf(t, server, nil)
	show(client)
	var failures []error
	for _, change := range []func(*ClientOptions){
		func(options *ClientOptions) { options.APIKey = "\n" + planted + "\n" + planted },
		func(options *ClientOptions) { options.APIKey = planted + "\xff" },
		func(options *ClientOptions) { options.AccessToken = planted + "\x00" },
		func(options *ClientOptions) { options.BaseURL = planted },
		func(options *ClientOptions) {
			options.Session = &SessionOptions{Headers: Headers{{"x", planted + "\n"}}}
		},
	} {
		wrong := ClientOptions{Pool: newPool(t, Options{}), BaseURL: server.http}
		change(&wrong)
		_, err := NewClient(ClientOpenAI, wrong)
		failures = append(failures, err)
	}
	for _, said := range []string{"error=openai-auth", "status=500", "reset", "html", "delay=50"} {
		_, err := client.Generate(background, planted, faulty(said), func(call *Call) {
			call.Headers = append(call.Headers, Header{"x-key", planted})
			call.Timeout, call.MaxRetries = 40*time.Millisecond, Off
		})
		failures = append(failures, err)
	}
	_, err := client.Chat(background, Call{Messages: []Message{{Raw: json.RawMessage(planted)}}})
	failures = append(failures, err)
	_, err = client.Chat(background, Call{Prompt: "x", Tools: []Tool{{Name: "n", Parameters: json.RawMessage(planted)}}})
	failures = append(failures, err)
	for i, err := range failures {
		want(t, fmt.Sprintf("failure %d is none", i), err == nil, false)
		show(err)
	}
	lines, _, err := new(Events).Lines()
	must(t, err)
	show(lines)
	metrics, err := client.pool.Metrics()
	must(t, err)
	show(metrics)
	for _, form := range []string{planted, fmt.Sprintf("%x", planted), fmt.Sprint([]byte(planted))} {
		if at := strings.Index(shown.String(), form); at >= 0 {
			t.Fatalf("shown: %.300s", shown.String()[max(0, at-200):])
		}
	}
}

// The names of numbers are those of the header, and there is one for each.
func TestNamesAreThoseOfTheHeader(t *testing.T) {
	header, err := os.ReadFile("aipool.h")
	must(t, err)
	for pattern, nameOf := range map[string]func(int) string{
		`(?m)^\s+AIP_DETAIL_(\w+) = (\d+),`:       func(number int) string { return Detail(number).String() },
		`(?m)^\s+AIP_PHASE_(\w+) = (\d+),`:        func(number int) string { return Phase(number).String() },
		`(?m)^#define AIP_CLIENT_([A-Z]\w*) (\d)`: func(number int) string { return ClientKind(number).String() },
		`(?m)^#define AIP_DELTA_(\w+) (\d)`:       func(number int) string { return DeltaKind(number).String() },
		`(?m)^#define AIP_FINISH_(\w+) (\d)`:      func(number int) string { return FinishReason(number).String() },
		`(?m)^#define AIP_ROLE_(\w+) (\d)`:        func(number int) string { return Role(number).String() },
	} {
		rows := regexp.MustCompile(pattern).FindAllStringSubmatch(string(header), -1)
		want(t, pattern+" is found", len(rows) > 3, true)
		for _, row := range rows {
			if row[1] == "FROM_ENVIRONMENT" || row[1] == "UNPOOLED" {
				continue
			}
			number, err := strconv.Atoi(row[2])
			must(t, err)
			want(t, row[1], nameOf(number), row[1])
		}
	}
	constants, err := os.ReadFile("constants.go")
	must(t, err)
	failures, err := os.ReadFile("errors.go")
	must(t, err)
	for _, row := range regexp.MustCompile(`(?m)^(?:#define|\s+)\s*(AIP_(?:CLIENT|DELTA|FINISH|ROLE|FORMAT|DETAIL|PHASE)_\w+) `).
		FindAllStringSubmatch(string(header), -1) {
		switch row[1] {
		case "AIP_CLIENT_FROM_ENVIRONMENT", "AIP_CLIENT_UNPOOLED":
			continue
		}
		used := regexp.MustCompile(`= C\.` + row[1] + `\n`)
		want(t, row[1]+" has a constant", used.Match(constants) || used.Match(failures), true)
	}
}

// Twenty callers, ten of them C's threads, share one account's quota: sixty a minute, which takes half a second here.
func TestPaceIsOfTheWholeProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	const (
		quota, window = 60, 500 * time.Millisecond
		each, calls   = 10, 30
	)
	run := func(key string, paced bool) (answered, refused int, used float64) {
		server := listen(t)
		server.set(t, fmt.Sprintf("quota=%d/%d", quota, window.Milliseconds()))
		client := clientOf(t, server, func(options *ClientOptions) {
			options.APIKey, options.MaxRetries = key, 10
			if !paced {
				options.Pacing = Off
			}
		})
		begun := time.Now()
		ofC, ofGo := make(chan int, 1), make(chan int, each)
		go func() {
			answered, _ := callers.Run(server.http+"/v1", key, each, calls, 10, paced)
			ofC <- answered
		}()
		for range each {
			go func() {
				answered := 0
				for range calls {
					if _, err := client.Generate(background, "hi"); err == nil {
						answered++
					} else if paced {
						t.Error(err)
					}
				}
				ofGo <- answered
			}()
		}
		answered = <-ofC
		for range each {
			answered += <-ofGo
		}
		took := time.Since(begun)
		refused = server.counter(t, "status:"+chatPath+":429")
		taken, windows := server.counter(t, "quota.taken"), int(took/window)+1
		used = 100 * float64(taken) / float64(quota*windows)
		t.Logf("paced %t: %d of %d answered in %v, %d requests, %d of them 429 (%.1f %%), %.1f %% of %d windows used", paced, answered,
			2*each*calls, took.Round(time.Millisecond), server.counter(t, "requests:"+chatPath), refused,
			100*float64(refused)/float64(server.counter(t, "requests:"+chatPath)), used, windows)
		return answered, refused, used
	}
	answered, refused, used := run("paced", true)
	want(t, "answered", answered, 2*each*calls)
	want(t, "one in a hundred is refused at most", refused*100 <= answered+refused, true)
	want(t, "95 % of the quota are used", used >= 95, true)
	run("not-paced", false)
	must(t, CloseDefault(0))
}
