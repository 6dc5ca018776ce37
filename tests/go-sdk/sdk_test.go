// Package sdk runs the Go SDKs of AI services, as they are published, over an aipool.Transport.
package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	aipool "github.com/aipool/aipool/bindings/go"
	"github.com/anthropics/anthropic-sdk-go"
	claude "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go"
	"github.com/openai/openai-go/option"
	sashabaranov "github.com/sashabaranov/go-openai"
)

const asked = "one two three"

// client is an http.Client over a pool of its own, and that pool.
func client(t *testing.T) (*http.Client, *aipool.Pool) {
	t.Helper()
	pool, err := aipool.New(aipool.Options{})
	must(t, err)
	t.Cleanup(func() { pool.Close() })
	return &http.Client{Transport: aipool.NewTransport(pool, nil)}, pool
}

func sandbox(t *testing.T) string {
	t.Helper()
	url := os.Getenv("AIPOOL_SANDBOX_HTTP")
	if url == "" {
		t.Fatal("AIPOOL_SANDBOX_HTTP is not set; run with scripts/with-sandbox")
	}
	return url + "/v1"
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantAnswer checks what was said, and that it came over the pool.
func wantAnswer(t *testing.T, said string, pool *aipool.Pool) {
	t.Helper()
	if !strings.Contains(said, asked) {
		t.Fatalf("said %q", said)
	}
	stats, err := pool.Stats()
	must(t, err)
	if stats.Requests == 0 {
		t.Fatal("it did not go over the pool")
	}
}

func TestOpenAI(t *testing.T) {
	over, pool := client(t)
	chats := openai.NewClient(option.WithHTTPClient(over), option.WithBaseURL(sandbox(t)), option.WithAPIKey("key"))
	params := openai.ChatCompletionNewParams{
		Model: "m", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(asked)},
	}
	whole, err := chats.Chat.Completions.New(context.Background(), params)
	must(t, err)
	wantAnswer(t, whole.Choices[0].Message.Content, pool)

	stream := chats.Chat.Completions.NewStreaming(context.Background(), params)
	var said strings.Builder
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			said.WriteString(choice.Delta.Content)
		}
	}
	must(t, stream.Err())
	wantAnswer(t, said.String(), pool)

	ctx, cancel := context.WithCancel(context.Background())
	cut := chats.Chat.Completions.NewStreaming(ctx, params, option.WithHeader("x-sandbox", "drip=50"))
	for cut.Next() {
		cancel()
	}
	if !errors.Is(cut.Err(), context.Canceled) {
		t.Fatal(cut.Err())
	}
	cancel()
}

func TestGoOpenAI(t *testing.T) {
	over, pool := client(t)
	config := sashabaranov.DefaultConfig("key")
	config.BaseURL, config.HTTPClient = sandbox(t), over
	chats := sashabaranov.NewClientWithConfig(config)
	stream, err := chats.CreateChatCompletionStream(context.Background(), sashabaranov.ChatCompletionRequest{
		Model: "m", Messages: []sashabaranov.ChatCompletionMessage{{Role: "user", Content: asked}},
	})
	must(t, err)
	defer stream.Close()
	var said strings.Builder
	for {
		chunk, err := stream.Recv()
		if err == io.EOF {
			break
		}
		must(t, err)
		for _, choice := range chunk.Choices {
			said.WriteString(choice.Delta.Content)
		}
	}
	wantAnswer(t, said.String(), pool)
}

// messages speaks as much of the Messages API as a stream of text needs.
func messages(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	say := func(name, data string) {
		fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, data)
		w.(http.Flusher).Flush()
	}
	say("message_start", `{"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"m",`+
		`"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}`)
	say("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)
	say("ping", `{"type":"ping"}`)
	for _, word := range strings.SplitAfter(asked, " ") {
		say("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"`+word+`"}}`)
	}
	say("content_block_stop", `{"type":"content_block_stop","index":0}`)
	say("message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3}}`)
	say("message_stop", `{"type":"message_stop"}`)
}

func TestAnthropic(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(messages))
	defer server.Close()
	over, pool := client(t)
	chats := anthropic.NewClient(claude.WithHTTPClient(over), claude.WithBaseURL(server.URL), claude.WithAPIKey("key"))
	stream := chats.Messages.NewStreaming(context.Background(), anthropic.MessageNewParams{
		Model: "m", MaxTokens: 100,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(asked))},
	})
	var whole anthropic.Message
	for stream.Next() {
		must(t, whole.Accumulate(stream.Current()))
	}
	must(t, stream.Err())
	wantAnswer(t, whole.Content[0].Text, pool)
	must(t, stream.Close())
}
