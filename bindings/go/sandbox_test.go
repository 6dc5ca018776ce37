package aipool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// tooLong bounds waits for events that always come.
const tooLong = 20 * time.Second

var background = context.Background()

func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP", "HTTPS", "CA_PEM", "CA_DER"} {
		if os.Getenv("AIPOOL_SANDBOX_"+name) == "" {
			fmt.Fprintf(os.Stderr, "AIPOOL_SANDBOX_%s is not set; run bindings/go/run-tests, or scripts/with-sandbox go test\n", name)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// listener is a port pair of the sandbox with counters of its own.
type listener struct {
	id, http, https string
}

func listen(t testing.TB) listener {
	t.Helper()
	fields := fieldsOf(control(t, http.MethodPost, "/control/listeners"))
	return listener{fields["id"], fields["http"], fields["https"]}
}

// count is one of the listener's counters now.
func (l listener) count(t testing.TB, counter string) int {
	t.Helper()
	text, found := fieldsOf(control(t, http.MethodGet, "/control/stats?id="+l.id))[counter]
	if !found {
		t.Fatalf("the sandbox has no counter %s", counter)
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// control calls the first listener, so that fresh ones count only what is tested.
func control(t testing.TB, method, path string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, os.Getenv("AIPOOL_SANDBOX_HTTP")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s: %s", method, path, response.Status, body)
	}
	return string(body)
}

func fieldsOf(text string) map[string]string {
	fields := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		fields[name] = value
	}
	return fields
}

// hold is a name at which the sandbox holds requests.
type hold string

var holds atomic.Int64

func newHold() hold {
	return hold(fmt.Sprintf("go-%d-%d", os.Getpid(), holds.Add(1)))
}

func (h hold) url() string { return "/hold/" + string(h) }
func (h hold) waitHeld(t testing.TB, n int) {
	control(t, "GET", fmt.Sprintf("/control/wait-held/%s?count=%d", h, n))
}
func (h hold) waitGone(t testing.TB) { control(t, "GET", "/control/wait-gone/"+string(h)) }
func (h hold) release(t testing.TB)  { control(t, "POST", "/control/release/"+string(h)) }

// threads is how many runtime threads the pools of this run have.
func threads(t testing.TB) uint32 {
	t.Helper()
	text := os.Getenv("AIPOOL_TEST_THREADS")
	if text == "" {
		return 0
	}
	number, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(number)
}

// overReqwest is whether the sessions of this run go over reqwest.
func overReqwest() bool {
	return os.Getenv("AIPOOL_TEST_TRANSPORT") == "reqwest"
}

// over is options with the transport of this run.
func over(options *SessionOptions) *SessionOptions {
	if !overReqwest() {
		return options
	}
	if options == nil {
		options = &SessionOptions{}
	}
	asked := *options
	asked.Transport = TransportReqwest
	return &asked
}

// lacks is false over the engine. Over reqwest it checks that a call was refused, and that what it lacks is named.
func lacks(t testing.TB, err error, named string) bool {
	t.Helper()
	if !overReqwest() {
		return false
	}
	failure := wantError(t, err, StatusUnsupported, DetailNone, NotSent)
	wantPrefix(t, failure.Message, named)
	return true
}

func newPool(t testing.TB, options Options) *Pool {
	t.Helper()
	options.Threads = threads(t)
	pool, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return pool
}

func get(t testing.TB, pool *Pool, key string) *Session {
	t.Helper()
	return getWith(t, pool, key, nil)
}

func getWith(t testing.TB, pool *Pool, key string, options *SessionOptions) *Session {
	t.Helper()
	session, err := pool.Session(key, over(options))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

func acquire(t testing.TB, pool *Pool, key string) *Session {
	t.Helper()
	session, err := pool.Acquire(key, over(nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

// fetch does a request that must be answered with 200.
func fetch(t testing.TB, session *Session, request *Request) *Response {
	t.Helper()
	response, err := session.Do(background, request)
	if err != nil {
		t.Fatal(err)
	}
	if response.Status != http.StatusOK {
		t.Fatalf("status %d: %s", response.Status, response.Body)
	}
	return response
}

// answer is the outcome of a request in another goroutine.
type answer struct {
	response *Response
	err      error
}

func start(ctx context.Context, session *Session, request *Request) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		response, err := session.Do(ctx, request)
		answers <- answer{response, err}
	}()
	return answers
}

func wantAnswered(t testing.TB, answers <-chan answer) {
	t.Helper()
	answer := <-answers
	if answer.err != nil {
		t.Fatal(answer.err)
	}
	if answer.response.Status != http.StatusOK {
		t.Fatalf("status %d", answer.response.Status)
	}
}

// wantError checks an error's class and returns it.
func wantError(t testing.TB, err error, status Status, detail Detail, delivery Delivery) *Error {
	t.Helper()
	var failure *Error
	if !errors.As(err, &failure) {
		t.Fatalf("%v (%T) is no *Error", err, err)
	}
	if failure.Status != status || failure.Detail != detail || failure.Delivery != delivery {
		t.Fatalf("%v/%v/%v, not %v/%v/%v: %v", failure.Status, failure.Detail, failure.Delivery, status, detail, delivery, err)
	}
	return failure
}

// wantInvalid checks that an argument was refused, and that the message starts with its name.
func wantInvalid(t testing.TB, err error, named string) {
	t.Helper()
	wantPrefix(t, wantError(t, err, StatusInvalidArgument, DetailNone, NotSent).Message, named)
}

func wantPrefix(t testing.TB, text, prefix string) {
	t.Helper()
	if !strings.HasPrefix(text, prefix) {
		t.Fatalf("%q does not start with %q", text, prefix)
	}
}

func want[T comparable](t testing.TB, what string, got, wanted T) {
	t.Helper()
	if got != wanted {
		t.Fatalf("%s: %v, not %v", what, got, wanted)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func statsOf(t testing.TB, pool *Pool) PoolStats {
	t.Helper()
	stats, err := pool.Stats()
	must(t, err)
	return stats
}

// eventually waits for a state that nothing announces.
func eventually(t testing.TB, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(tooLong); !reached(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
