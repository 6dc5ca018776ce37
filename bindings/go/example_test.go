package aipool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	aipool "github.com/aipool/aipool/bindings/go"
)

// base is where an OpenAI-compatible service would be; here the sandbox of the tests answers.
var base = os.Getenv("AIPOOL_SANDBOX_HTTP") + "/v1"

func Example() {
	pool, err := aipool.New(aipool.Options{MaxSize: 20, Timeout: 2 * time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	response, err := pool.Do(context.Background(), base, &aipool.Request{
		Method:  "POST",
		URL:     "/chat/completions",
		Headers: aipool.Headers{{Name: "content-type", Value: "application/json"}},
		Body:    []byte(`{"model": "m", "messages": [{"role": "user", "content": "Hello"}]}`),
	})
	if err != nil {
		log.Fatal(err)
	}
	var answer struct {
		Choices []struct{ Message struct{ Content string } }
	}
	if err := json.Unmarshal(response.Body, &answer); err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Status, answer.Choices[0].Message.Content)
	// Output: 200 You said: Hello
}

func ExamplePool_With() {
	pool, err := aipool.Default()
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	ctx := context.Background()
	err = pool.With(ctx, base, func(session *aipool.Session) error {
		// However full the pool gets, it keeps this session until here is returned.
		response, err := session.Do(ctx, &aipool.Request{URL: "/models"})
		if err == nil {
			fmt.Println(response.Status)
		}
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: 200
}

func ExamplePool_Session() {
	pool, err := aipool.Default()
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	session, err := pool.Session(base, &aipool.SessionOptions{
		Headers: aipool.Headers{{Name: "authorization", Value: "Bearer TOKEN"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	response, err := session.Do(context.Background(), &aipool.Request{URL: "/models"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Headers.Get("content-type"))
	// Output: application/json
}

func ExampleSession_Stream() {
	pool, err := aipool.Default()
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	session, err := pool.Session(base, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	stream, err := session.Stream(context.Background(), &aipool.Request{
		Method:    "POST",
		URL:       "/chat/completions",
		Headers:   aipool.Headers{{Name: "content-type", Value: "application/json"}},
		Body:      []byte(`{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}`),
		EndMarker: "[DONE]",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close()
	last := ""
	for event, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
		last = event.Data
	}
	fmt.Println(last)
	// Output: [DONE]
}

func ExampleNewTransport() {
	pool, err := aipool.Default()
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	client := &http.Client{Transport: aipool.NewTransport(pool, nil)}
	response, err := client.Post(base+"/embeddings", "application/json", strings.NewReader(`{"model": "m", "input": ["one"]}`))
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Status)
	// Output: 200 OK
}

func ExampleClient_Generate() {
	client, err := aipool.NewClient(aipool.ClientOpenAI, aipool.ClientOptions{FromEnv: true, BaseURL: base, Model: "sandbox-small"})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	reply, err := client.Generate(context.Background(), "Name three rivers.",
		aipool.WithSystem("Answer in one line."), aipool.WithTemperature(0))
	var failure *aipool.Error
	switch {
	case errors.As(err, &failure) && failure.Status == aipool.StatusRateLimited:
		fmt.Println("come again in", failure.RetryAfter)
	case errors.As(err, &failure) && failure.ProviderText != "":
		fmt.Println("the provider says:", failure.ProviderCode, failure.ProviderText)
	case err != nil:
		log.Fatal(err)
	default:
		fmt.Println(reply.Text)
	}
	// Output: You said: Name three rivers.
}

func ExampleClient_Stream() {
	client, err := aipool.NewClient(aipool.ClientOllama, aipool.ClientOptions{BaseURL: strings.TrimSuffix(base, "/v1"), Model: "sandbox-small"})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	stream, err := client.Stream(context.Background(), aipool.Call{Prompt: "Tell me a story."})
	if err != nil {
		log.Fatal(err)
	}
	for delta, err := range stream.Deltas() {
		if err != nil {
			log.Fatal(err)
		}
		if delta.Kind == aipool.DeltaText {
			fmt.Print(delta.Text)
		}
	}
	fmt.Println("|", stream.Reply().FinishReason == aipool.FinishStop)
	// Output: You said: Tell me a story.| true
}

func ExampleClient_Chat() {
	client, err := aipool.NewClient(aipool.ClientOpenAI, aipool.ClientOptions{FromEnv: true, BaseURL: base, Model: "sandbox-small"})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	call := aipool.Call{
		Messages: []aipool.Message{{Content: "How warm is it in Oslo?"}},
		Tools: []aipool.Tool{{
			Name: "weather", Description: "tells the weather of a city",
			Parameters: json.RawMessage(`{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}`),
		}},
	}
	for {
		reply, err := client.Chat(context.Background(), call)
		if err != nil {
			log.Fatal(err)
		}
		if reply.FinishReason != aipool.FinishTool {
			fmt.Println(reply.Text)
			break
		}
		call.Messages = append(call.Messages, reply.Message())
		for _, asked := range reply.ToolCalls {
			fmt.Println("it calls", asked.Name)
			call.Messages = append(call.Messages, aipool.ToolResult(asked, `{"degrees": -3}`))
		}
	}
	// Output:
	// it calls weather
	// The tool said: {"degrees": -3}
}

func ExampleError() {
	pool, err := aipool.Default()
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err = pool.Do(ctx, "http://127.0.0.1:1", &aipool.Request{URL: "/models"})
	var failure *aipool.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("too slow")
	case errors.Is(err, aipool.ErrClosed):
		fmt.Println("the pool was closed")
	case errors.As(err, &failure) && failure.Delivery == aipool.NotSent:
		fmt.Println("nothing was sent, so nothing was billed:", failure.Status)
	case err != nil:
		log.Fatal(err)
	}
	// Output: nothing was sent, so nothing was billed: AIP_CONNECT
}

func ExamplePool_Metrics() {
	pool, err := aipool.New(aipool.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Do(context.Background(), base, &aipool.Request{URL: "/models"}); err != nil {
		log.Fatal(err)
	}
	text, err := pool.Metrics()
	if err != nil {
		log.Fatal(err)
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "aipool_requests_total") {
			fmt.Println(line)
		}
	}
	// Output: aipool_requests_total 1
}

func ExampleEvents_Lines() {
	pool, err := aipool.New(aipool.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	var events aipool.Events
	if _, _, err := events.Lines(); err != nil { // what was before
		log.Fatal(err)
	}
	if _, err := pool.Do(context.Background(), base, &aipool.Request{URL: "/models"}); err != nil {
		log.Fatal(err)
	}
	lines, _, err := events.Lines()
	if err != nil {
		log.Fatal(err)
	}
	for _, line := range lines {
		var event struct {
			Event string
			Host  string
		}
		if err := json.Unmarshal([]byte(line), &event); err == nil && event.Event == "request" {
			fmt.Println(event.Event, event.Host)
		}
	}
	// Output: request 127.0.0.1
}
