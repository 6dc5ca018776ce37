package aipool

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"
	"weak"
)

// ClientKind is a provider, or a kind of server. Since 0.1.
type ClientKind uint32

// String is the name of the kind in C without its prefix, such as OPENAI. Since 0.1.
func (k ClientKind) String() string {
	return nameOf(uint32(k), "0", "OPENAI", "OLLAMA", "GIGACHAT", "YANDEX", "YANDEX_OPENAI", "NAPARNIK", "NAPARNIK_COMPAT")
}

// ClientOptions is what a client is made with. The zero value of every field is the default. Printed by itself, in an exported field or
// in a list, in whatever form, it shows no credential. In an unexported field of a struct that is printed package fmt asks no method of
// it and shows every field: do not print what holds options so. Since 0.1.
type ClientOptions struct {
	// Pool is the pool whose sessions carry the calls; nil is the process's shared one, whichever that is when a call is made.
	Pool *Pool
	// Unpooled gives the client a session of its own, which its pool does not keep.
	Unpooled bool
	// FromEnv takes texts that are "" from the environment, under the provider's usual names, such as OPENAI_API_KEY.
	FromEnv bool
	// BaseURL is the provider's, which is the pool's key; "" is the provider's own.
	BaseURL string
	// AuthURL is where tokens are had; "" is the provider's own.
	AuthURL string
	// APIKey is OpenAI's key, GigaChat's authorization key (base64 of id:secret), Yandex's API key, Naparnik's token.
	APIKey string
	// AccessToken is a token that is used as it is: of GigaChat, or Yandex's IAM.
	AccessToken string
	// User is, for GigaChat, a user in place of a key.
	User string
	// Password is the user's.
	Password string
	// ClientID and ClientSecret are, for GigaChat, id and secret in place of their base64 in APIKey.
	ClientID     string
	ClientSecret string
	// OAuthToken is, for Yandex, exchanged for IAM tokens.
	OAuthToken string
	// Scope is, for GigaChat, GIGACHAT_API_PERS, which "" is too, GIGACHAT_API_B2B or GIGACHAT_API_CORP.
	Scope string
	// Folder is Yandex's folder, and OpenAI's project.
	Folder string
	// Organization is OpenAI's.
	Organization string
	// Model is asked where a call names none; "" is the provider's usual one, where it has one.
	Model string
	// EmbeddingModel is the same for embeddings.
	EmbeddingModel string
	// Affinity is GigaChat's X-Session-ID: what it has computed of a prompt is found again.
	Affinity string
	// Session is connections, TLS, limits and headers of all calls; nil is the defaults. Its limits go over the provider's usual
	// ones, and a call's over both.
	Session *SessionOptions
	// MaxConcurrency is how many requests go at once to this host by this credential, in the whole process, each to the end of its
	// body, 1 to 100000; 0 is what the provider is known to allow. Unlimited: no bound.
	MaxConcurrency int
	// MaxRetries is how many further attempts are made, up to 10, before the first byte of an answer; 0 is 2. Off: none.
	MaxRetries int
	// BreakerFailures is after how many failures in a row calls fail at once for a while; 0 is 5. Off: never.
	BreakerFailures int
	// Pacing: Off does not keep to the rates that the provider tells.
	Pacing int
	// OperationsURL is where Yandex's operations are asked about; "" is the provider's own.
	OperationsURL string
	// PollInterval is between two questions about an operation of Yandex; 0 is 10 s.
	PollInterval time.Duration
	// APIVersion is, for GigaChat, 1 or 2; 0 is what BaseURL says: 2 where it ends in /v2, else 1.
	APIVersion uint32
}

// Format prints the options, whatever the verb: what is secret is not shown. Since 0.1.
func (o ClientOptions) Format(out fmt.State, _ rune) {
	shown := o.shown()
	fmt.Fprintf(out, "aipool.ClientOptions{BaseURL: %q, Model: %q, FromEnv: %t, Unpooled: %t, ...}", shown.BaseURL, shown.Model,
		shown.FromEnv, shown.Unpooled)
}

// LogValue is the options for package slog, as Format prints them. Since 0.1.
func (o ClientOptions) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprint(o))
}

// MarshalJSON writes what Format prints: options are read from JSON, and written to logs alone. Since 0.1.
func (o ClientOptions) MarshalJSON() ([]byte, error) {
	return json.Marshal(o.shown())
}

// shownOptions are those that may be seen.
type shownOptions struct {
	BaseURL, Model    string
	FromEnv, Unpooled bool
}

func (o ClientOptions) shown() shownOptions {
	return shownOptions{bare(o.BaseURL), o.Model, o.FromEnv, o.Unpooled}
}

// bare is a URL without what may be a credential in it.
func bare(url string) string {
	url, _, _ = strings.Cut(url, "?")
	if scheme, rest, found := strings.Cut(url, "://"); found {
		host, path, _ := strings.Cut(rest, "/")
		return scheme + "://" + host[strings.LastIndex(host, "@")+1:] + "/" + path
	}
	return url
}

// Client asks one provider, for any number of goroutines. All clients of one host and credential in the process, of whatever
// language, share its slots, its pace and its tokens. Close it when done; the garbage collector closes one that was forgotten.
// Since 0.1.
type Client struct {
	handle handle
	// pool is the one it was given; nil is the shared one.
	pool *Pool

	mu sync.Mutex
	// shared is the shared pool, as it was found last.
	shared *Pool
}

// NewClient makes a client of a provider. Nothing is sent, and what is missing is no error yet: see [Client.IsConfigured]. It fails
// with StatusInvalidArgument, which names the wrong option. Since 0.1.
func NewClient(kind ClientKind, options ClientOptions) (*Client, error) {
	if failure := checkABI(); failure != nil {
		return nil, failure
	}
	defer runtime.KeepAlive(options.Pool)
	var pool uintptr
	if options.Pool != nil {
		if pool = options.Pool.handle.token.Load(); pool == 0 {
			return nil, &Error{Status: StatusInvalidHandle, Message: "pool: is closed; make another"}
		}
	}
	var headers []byte
	if options.Session != nil {
		packed, err := pack(options.Session.Headers)
		if err != nil {
			return nil, err
		}
		headers = packed
	}
	token, failure := nativeClientNew(pool, kind, &options, headers)
	if failure != nil {
		return nil, failure
	}
	client := &Client{pool: options.Pool}
	client.handle.own(token, freeClient)
	return client, nil
}

// IsConfigured is nil where the client has all it needs to ask; else StatusNotConfigured, and the message names the option that is
// missing and its environment variable. Since 0.1.
func (c *Client) IsConfigured() error {
	defer runtime.KeepAlive(c)
	return orNil(nativeClientConfigured(c.handle.token.Load()))
}

// Session is the session that the client asks over: with usePool its pool's, shared; else one of its own, which closes with its last
// handle. Requests over it are yours alone: they are not signed. It fails as [Pool.Session] does. Since 0.1.
func (c *Client) Session(usePool bool) (*Session, error) {
	defer runtime.KeepAlive(c)
	pool := c.pool
	if pool == nil {
		shared, err := Default()
		if err != nil {
			return nil, err
		}
		pool = shared
	}
	token, failure := nativeClientSession(c.handle.token.Load(), usePool)
	if failure != nil {
		return nil, failure
	}
	session := &Session{pool: pool}
	session.handle.own(token, freeSession)
	return session, nil
}

// Generate asks with one prompt, after what the options bring, and waits for the whole answer. Otherwise as [Client.Chat]. Since 0.1.
func (c *Client) Generate(ctx context.Context, prompt string, options ...CallOption) (*Reply, error) {
	call := changed(Call{}, options)
	call.Prompt = prompt
	return c.whole(ctx, operationChat, call, nil, nil)
}

// Chat goes on with a talk, and waits for the whole answer. It waits for a slot and for the pace of the provider, renews tokens, and
// tries again before the first byte of an answer; all within the call's limits.
//
// A failure is an [*Error]: StatusNotConfigured, StatusAuth, StatusRateLimited, StatusQuota or StatusProvider, with the provider's
// code, words and response where there was one; else as [Session.Do] has it. When ctx ends, so does the call, also while it waits
// for its turn: the error is then as Session.Do has it. Since 0.1.
func (c *Client) Chat(ctx context.Context, call Call) (*Reply, error) {
	return c.whole(ctx, operationChat, &call, nil, nil)
}

// Stream goes on with a talk as [Client.Chat] does, and returns at the head of the answer, which is read while it comes. Its slot at
// the provider is taken until it was read to its end or closed. When ctx ends, so does the stream, also while it is read. Over
// reqwest it is StatusUnsupported. Since 0.1.
func (c *Client) Stream(ctx context.Context, call Call) (*ChatStream, error) {
	defer runtime.KeepAlive(c)
	asked, err := ask(operationChat, &call)
	if err != nil {
		return nil, err
	}
	asked.stream = true
	sent, response, failure := c.begin(ctx, asked)
	if failure != nil {
		return nil, failure
	}
	sent.response.Store(response)
	return newChatStream(ctx, sent), nil
}

// Embed turns texts into numbers: Reply.Embeddings, in the order of the texts. It fails as [Client.Chat] does, and is
// StatusUnsupported where the provider has no such thing. Since 0.1.
func (c *Client) Embed(ctx context.Context, inputs []string, options ...CallOption) (*Reply, error) {
	return c.whole(ctx, operationEmbed, changed(Call{}, options), inputs, nil)
}

// Count is how many tokens texts have together. It fails as [Client.Embed] does. Since 0.1.
func (c *Client) Count(ctx context.Context, inputs []string, options ...CallOption) (int64, error) {
	reply, err := c.whole(ctx, operationCount, changed(Call{}, options), inputs, nil)
	if err != nil {
		return 0, err
	}
	return reply.Usage.Prompt, nil
}

// Models are the names of the models there are. It fails as [Client.Embed] does. Since 0.1.
func (c *Client) Models(ctx context.Context, options ...CallOption) ([]string, error) {
	reply, err := c.whole(ctx, operationModels, changed(Call{}, options), nil, nil)
	if err != nil || reply.Text == "" {
		return nil, err
	}
	return strings.Split(reply.Text, "\n"), nil
}

// Do sends any other request to the provider, signed, paced and judged as the others: of the options, headers, limits and retries
// count. It fails as [Client.Chat] does: unlike [Session.Do], also where the status is 400 or more. Since 0.1.
func (c *Client) Do(ctx context.Context, raw Raw, options ...CallOption) (*Response, error) {
	reply, err := c.whole(ctx, operationRaw, changed(Call{}, options), nil, &raw)
	if err != nil {
		return nil, err
	}
	return reply.Response, nil
}

// Close gives the client up: its pool's sessions stay, and calls under way go on. Never blocks, may be called again, and returns nil
// always. Since 0.1.
func (c *Client) Close() error {
	c.handle.close()
	return nil
}

// whole asks and waits for the whole answer.
func (c *Client) whole(ctx context.Context, operation operationKind, call *Call, inputs []string, raw *Raw) (*Reply, error) {
	defer runtime.KeepAlive(c)
	asked, err := ask(operation, call)
	if err != nil {
		return nil, err
	}
	asked.inputs = inputs
	if raw != nil {
		asked.raw = *raw
	}
	sent, response, err := c.begin(ctx, asked)
	if err != nil {
		return nil, err
	}
	sent.end()
	taken, failure := takeReply(response)
	if failure != nil {
		return nil, failure
	}
	return &taken.reply, nil
}

// begin submits a call and waits for its answer, of a stream for its head.
func (c *Client) begin(ctx context.Context, asked *asked) (*underWay, uintptr, error) {
	if err := ended(ctx); err != nil {
		return nil, 0, err
	}
	sent, err := c.submit(ctx, asked)
	if err != nil {
		return nil, 0, err
	}
	response, failure := sent.operation.answer()
	if response != 0 && (failure == nil || sent.operation.began()) {
		return sent, response, nil
	}
	if failure == nil {
		failure = &Error{Status: StatusProtocol, Message: "response: there is none"}
	}
	if response != 0 {
		if taken, lost := takeReply(response); lost == nil {
			failure.ProviderCode, failure.ProviderText = taken.errorCode, taken.errorText
			failure.Response = taken.reply.Response
		}
	}
	return nil, 0, sent.failed(ctx, failure)
}

// submit gives a call to the queue of the client's pool, and again where the shared pool was closed and is another now.
func (c *Client) submit(ctx context.Context, asked *asked) (*underWay, error) {
	var stale *Pool
	for tried := 1; ; tried++ {
		pool, err := c.home(stale)
		if err != nil {
			return nil, err
		}
		sent, failure := c.submitTo(ctx, pool, asked)
		if failure == nil {
			return sent, nil
		}
		if c.pool != nil || tried == mostSessions || !failure.anotherPool() {
			return nil, failure
		}
		stale = pool
	}
}

func (c *Client) submitTo(ctx context.Context, pool *Pool, asked *asked) (*underWay, *Error) {
	watched, failure := watch(ctx)
	if failure != nil {
		return nil, failure
	}
	pool.underWay.Add(1)
	sent := &underWay{pool: pool, watched: watched}
	asked.cancel = watched.token()
	if sent.operation, failure = pool.driver.register(pool.token, nil); failure == nil {
		failure = sent.operation.submit(func(queue uintptr, tag uint64) *Error {
			return calls.through(func() *Error { return nativeClientSubmit(c.handle.token.Load(), asked, queue, tag) })
		})
	}
	if failure != nil {
		sent.failed(ctx, failure)
		return nil, failure
	}
	watched.bring(sent.operation)
	return sent, nil
}

// anotherPool is whether a queue's pool is not, or no more, the one that a call was for.
func (e *Error) anotherPool() bool {
	return e.Status == StatusClosed && e.Detail == DetailPoolClosed ||
		e.Status == StatusInvalidArgument && strings.HasPrefix(e.Message, "queue: ")
}

// home is the pool whose queue tells of the client's calls, and not the stale one.
func (c *Client) home(stale *Pool) (*Pool, error) {
	if c.pool != nil {
		return c.pool, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shared == nil || c.shared == stale {
		pool, err := clients.pool(stale)
		if err != nil {
			return nil, err
		}
		c.shared = pool
	}
	return c.shared, nil
}

// clients is where clients of the shared pool find the handle that they have in common: one queue, and one who waits in it.
var clients sharedHandle

type sharedHandle struct {
	mu   sync.Mutex
	last weak.Pointer[Pool]
}

func (s *sharedHandle) pool(stale *Pool) (*Pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pool := s.last.Value(); pool != nil && pool != stale {
		return pool, nil
	}
	pool, err := Default()
	if err == nil {
		s.last = weak.Make(pool)
	}
	return pool, err
}
