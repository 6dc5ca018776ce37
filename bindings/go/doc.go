// Package aipool is a pool of warm HTTP sessions for AI clients: the Go door to libaipool.
//
// A [Pool] keeps one [Session] for each base URL, with its connections open, and gives up the least recently used one when
// it is full. A request goes over a session you hold, or over the pool by key:
//
//	pool, err := aipool.New(aipool.Options{})
//	...
//	defer pool.Close()
//	response, err := pool.Do(ctx, "https://api.example.com/v1", &aipool.Request{
//		Method:  "POST",
//		URL:     "/chat/completions",
//		Headers: aipool.Headers{{Name: "content-type", Value: "application/json"}},
//		Body:    body,
//	})
//
// Everything here may be used from many goroutines at once. A [Response] is plain Go memory with nothing to close. A failure
// is an [*Error], which says whether the server can have seen the request.
//
// # Limits
//
// The zero value of every option is the library's default: 10 sessions, 60 s for a request, 10 s of these for a new
// connection, 64 MiB for a body, 64 connections to an origin and 512 in all; who finds these in use waits 30 s at most.
// [Off] switches a feature or limit off, [Unlimited] lifts a bound. What is called max_size=0 in the guide, a pool that
// keeps no sessions, is MaxSize: [Off] here.
//
// # Contexts
//
// A context that ends ends the native request too. The error then matches [context.Canceled] or
// [context.DeadlineExceeded] and the context's cause, and still is an [*Error] that says how far the request got.
//
// # Streams
//
// [Session.Stream] returns at the head of a response; its body is read while it comes, as bytes or as events:
//
//	stream, err := session.Stream(ctx, &aipool.Request{ ... EndMarker: "[DONE]"})
//	...
//	for event, err := range stream.Events() {
//
// [Transport] is an http.RoundTripper over a pool: with it an http.Client, and any SDK that takes one, goes over the pool.
//
// # Clients
//
// A [Client] speaks a provider's own language: chats with tools, streams, embeddings, models. It has no more to close than itself,
// and keeps to the slots, the pace and the tokens that all clients of its account in the process share:
//
//	client, err := aipool.NewClient(aipool.ClientOpenAI, aipool.ClientOptions{FromEnv: true, Model: "gpt-4o-mini"})
//	...
//	reply, err := client.Generate(ctx, "Hello")
//	fmt.Println(reply.Text)
//
// A refusal of the provider's is an [*Error] too, with its code and words in ProviderCode and ProviderText. What is secret is in
// no message, and [ClientOptions] print without it.
//
// # Threads
//
// Any number of requests under way needs a few operating system threads: of the goroutines that wait one drives the I/O of
// all, and they take turns. A request that is begun while no other is under way waits in the library itself, on a thread of
// its own: the quickest way, and one at a time of a pool. At most four goroutines are in calls that do not wait. No request
// has a goroutine of its own, but for one that reads a Request.BodyReader which may block. Calls of clients take turns always, also
// while they wait for a slot at the provider.
//
// # Linking
//
// The package needs cgo and links libaipool.so, which pkg-config finds. Where the library is installed in a place of its own, say
// where, for the build and for the loader:
//
//	PKG_CONFIG_PATH=$LIBDIR/pkgconfig CGO_LDFLAGS="-Wl,-rpath,$LIBDIR" go build
//
// The build tag aipool_static links libaipool.a instead and asks no pkg-config: CGO_LDFLAGS=-L$LIBDIR tells where it is. The tag
// aipool_noflags leaves all to CGO_LDFLAGS: "-L$LIBDIR -laipool".
package aipool
