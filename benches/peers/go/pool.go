package main

import (
	"context"
	"fmt"
	"net/http"

	aipool "github.com/aipool/aipool/bindings/go"
)

// optionsOf are the session's.
func optionsOf(plan plan) *aipool.SessionOptions {
	version := aipool.HTTP1
	if plan.http == 2 {
		version = aipool.HTTP2
	}
	return &aipool.SessionOptions{CAFile: plan.caFile, HTTPVersion: version}
}

// poolDo sends by Do of one session.
func poolDo(plan plan) (func() error, error) {
	pool, err := aipool.New(aipool.Options{})
	if err != nil {
		return nil, err
	}
	session, err := pool.Session(plan.url, optionsOf(plan))
	if err != nil {
		return nil, err
	}
	request := &aipool.Request{
		Method: "POST", Body: postBody, Headers: aipool.Headers{{Name: "content-type", Value: "application/json"}},
	}
	return func() error {
		response, err := session.Do(context.Background(), request)
		if err != nil {
			return err
		}
		if response.Status != 200 || int(response.Info.HTTPVersion)/10 != plan.http || len(response.Body) != replyBytes {
			return fmt.Errorf("HTTP/%d %d, %d bytes", response.Info.HTTPVersion, response.Status, len(response.Body))
		}
		return nil
	}, nil
}

// poolClient is an http.Client over the library. Without a Timeout: net/http starts a goroutine for it at each request over any
// transport but its own.
func poolClient(plan plan) (*http.Client, error) {
	pool, err := aipool.New(aipool.Options{})
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: aipool.NewTransport(pool, optionsOf(plan))}, nil
}
