package aipool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	aipool "github.com/aipool/aipool/bindings/go"
)

func Example() {
	pool, err := aipool.New(aipool.Options{MaxSize: 20, Timeout: 2 * time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	response, err := pool.Do(context.Background(), "https://api.example.com/v1", &aipool.Request{
		Method:  "POST",
		URL:     "/chat/completions",
		Headers: aipool.Headers{{Name: "content-type", Value: "application/json"}},
		Body:    []byte(`{"model": "m", "messages": [{"role": "user", "content": "Hello"}]}`),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Status, string(response.Body))
}

func ExamplePool_With() {
	pool, err := aipool.Default()
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	ctx := context.Background()
	err = pool.With(ctx, "https://api.example.com/v1", func(session *aipool.Session) error {
		// However full the pool gets, it keeps this session until here is returned.
		_, err := session.Do(ctx, &aipool.Request{URL: "/models"})
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
}

func ExamplePool_Session() {
	pool, err := aipool.Default()
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	session, err := pool.Session("https://api.example.com/v1", &aipool.SessionOptions{
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
	fmt.Println(response.Headers.Get("content-type"), response.Info.Reused)
}

func ExampleClient_Generate() {
	client, err := aipool.NewClient(aipool.ClientOpenAI, aipool.ClientOptions{FromEnv: true, Model: "gpt-4o-mini"})
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
		fmt.Println(reply.Text, reply.Usage.Total)
	}
}

func ExampleClient_Stream() {
	client, err := aipool.NewClient(aipool.ClientOllama, aipool.ClientOptions{Model: "llama3.2"})
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
	fmt.Println(stream.Reply().FinishReason)
}

func ExampleClient_Chat() {
	client, err := aipool.NewClient(aipool.ClientOpenAI, aipool.ClientOptions{FromEnv: true, Model: "gpt-4o-mini"})
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
			return
		}
		call.Messages = append(call.Messages, reply.Message())
		for _, asked := range reply.ToolCalls {
			call.Messages = append(call.Messages, aipool.ToolResult(asked, `{"degrees": -3}`))
		}
	}
}

func ExampleError() {
	pool, err := aipool.Default()
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err = pool.Do(ctx, "https://api.example.com/v1", &aipool.Request{URL: "/models"})
	var failure *aipool.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("too slow")
	case errors.Is(err, aipool.ErrClosed):
		fmt.Println("the pool was closed")
	case errors.As(err, &failure) && failure.Delivery == aipool.NotSent:
		fmt.Println("nothing was sent, so nothing was billed:", failure)
	case err != nil:
		log.Fatal(err)
	}
}
