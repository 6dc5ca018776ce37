package aipool

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestZeroOptionsAreTheDefaults(t *testing.T) {
	global(t)
	explicit := Options{
		MaxSize: 10, Timeout: time.Minute, ConnectTimeout: 10 * time.Second, MaxBody: 64 << 20,
		Eviction: EvictLRU, Threads: threads(t),
		QueueTimeout: 30 * time.Second, DNSTimeout: 5 * time.Second, TLSTimeout: 5 * time.Second,
		SendTimeout: 30 * time.Second, FirstByteTimeout: Off, BetweenBytesTimeout: Off,
		MaxConnectionsPerOrigin: 64, MaxConnections: 512, MaxQueue: 10000,
		IdleTimeout: 50 * time.Second, MaxLifetime: 10 * time.Minute,
	}
	// The shared pool accepts options only if they are the ones it was made with: none.
	pool, err := DefaultWith(explicit)
	must(t, err)
	must(t, pool.Close())
}

func TestNilIsTheDefaults(t *testing.T) {
	key := listen(t).http + "/echo"
	pool := newPool(t, Options{})
	session, err := pool.Session(key, nil)
	must(t, err)
	defer session.Close()
	head, body := echoed(t, fetch(t, session, nil))
	want(t, "request line", strings.Split(head, "\n")[0], "GET /echo HTTP/1.1")
	want(t, "body", body, "")
	_, err = pool.Do(background, key, nil)
	must(t, err)
	// What is empty is as nil.
	for _, empty := range []*SessionOptions{
		{}, {Headers: Headers{}, CABytes: []byte{}, ClientCertBytes: []byte{}, ClientKeyBytes: []byte{}, Pins: [][32]byte{}},
	} {
		same, err := pool.Session(key, empty)
		must(t, err)
		defer same.Close()
		want(t, "session", same.ID(), session.ID())
		fetch(t, same, &Request{Headers: Headers{}, Body: []byte{}})
	}
}

func TestOffAndUnlimitedAreTaken(t *testing.T) {
	for _, options := range []Options{
		{
			MaxSize: Off, Timeout: Off, ConnectTimeout: Off, MaxBody: Off, QueueTimeout: Off, DNSTimeout: Off,
			TLSTimeout: Off, SendTimeout: Off, FirstByteTimeout: Off, BetweenBytesTimeout: Off, IdleTimeout: Off,
			MaxLifetime: Off,
		},
		{
			MaxSize: Unlimited, Timeout: Unlimited, ConnectTimeout: Unlimited, MaxBody: Unlimited,
			MaxConnectionsPerOrigin: Unlimited, MaxConnections: Unlimited, MaxQueue: Unlimited, SendTimeout: Unlimited,
			IdleTimeout: Unlimited,
		},
	} {
		pool := newPool(t, options)
		session := get(t, pool, listen(t).http)
		fetch(t, session, &Request{URL: "/echo", Timeout: options.Timeout, MaxBody: options.MaxBody})
	}
}

// timeLimits are what pools, sessions and requests have in common: the field, and its name in C.
var timeLimits = []struct{ field, named string }{
	{"Timeout", "timeout_ms: "},
	{"ConnectTimeout", "connect_timeout_ms: "},
	{"QueueTimeout", "queue_timeout_ms: "},
	{"DNSTimeout", "dns_timeout_ms: "},
	{"TLSTimeout", "tls_timeout_ms: "},
	{"SendTimeout", "send_timeout_ms: "},
	{"FirstByteTimeout", "first_byte_timeout_ms: "},
	{"BetweenBytesTimeout", "between_bytes_timeout_ms: "},
	{"FirstEventTimeout", "first_event_timeout_ms: "},
	{"BetweenEventsTimeout", "between_events_timeout_ms: "},
}

// wantTimeLimitsNamed checks that each limit reaches its own field: what is out of range is refused by that field's name.
func wantTimeLimitsNamed[T any](t *testing.T, try func(*T) error) {
	t.Helper()
	for _, limit := range timeLimits {
		for _, wrong := range []time.Duration{-time.Millisecond, 31 * 24 * time.Hour} {
			var options T
			reflect.ValueOf(&options).Elem().FieldByName(limit.field).SetInt(int64(wrong))
			wantInvalid(t, try(&options), limit.named)
		}
	}
}

func TestWrongTimeLimitsAreNamed(t *testing.T) {
	pool := newPool(t, Options{})
	session := get(t, pool, listen(t).http)
	wantTimeLimitsNamed(t, func(wrong *Options) error { _, err := New(*wrong); return err })
	wantTimeLimitsNamed(t, func(wrong *SessionOptions) error { _, err := pool.Session("http://a", wrong); return err })
	wantTimeLimitsNamed(t, func(wrong *Request) error { _, err := session.Do(background, wrong); return err })
}

func TestWrongOptionsAreNamed(t *testing.T) {
	for named, options := range map[string]Options{
		"max_size":                   {MaxSize: -3},
		"max_body_bytes":             {MaxBody: -3},
		"eviction":                   {Eviction: 3},
		"threads":                    {Threads: 1000},
		"idle_timeout_ms":            {IdleTimeout: -time.Hour},
		"max_lifetime_ms":            {MaxLifetime: -time.Hour},
		"max_connections_per_origin": {MaxConnectionsPerOrigin: -3},
		"max_connections":            {MaxConnections: -3},
		"max_queue":                  {MaxQueue: -3},
	} {
		_, err := New(options)
		wantInvalid(t, err, named+": ")
	}
	pool := newPool(t, Options{})
	wantInvalid(t, pool.CloseAll(-time.Second), "drain: ")
	wantInvalid(t, pool.CloseAll(math.MaxInt64), "drain: ")
	wantInvalid(t, CloseDefault(-1), "drain: ")
	_, err := pool.Session("key", &SessionOptions{CAFile: "/no/such/file"})
	wantError(t, err, StatusSystem, DetailNone, NotSent)
	want(t, "is ErrNotExist", errors.Is(err, fs.ErrNotExist), true)
}

// Each text and number of session options reaches its own field: what is wrong is refused by that field's name.
func TestWrongSessionOptionsAreNamed(t *testing.T) {
	pool := newPool(t, Options{})
	for named, options := range map[string]SessionOptions{
		"partition":           {Partition: "\xff"},
		"ca_file":             {CAFile: "\xff"},
		"ca_bytes":            {Partition: "p", CABytes: []byte("junk")},
		"headers[0]":          {Partition: "p", Headers: Headers{{"no name", "x"}}, ServerName: "h"},
		"client_cert_file":    {ClientCertFile: "\xff"},
		"client_cert_bytes":   {ClientCertBytes: []byte("junk"), ClientKeyBytes: []byte("junk")},
		"client_key_file":     {ServerName: "h", ClientKeyFile: "\xff"},
		"server_name":         {Partition: "p", ServerName: "no name", Proxy: "http://h"},
		"key_log_file":        {Pins: [][32]byte{{1}}, KeyLogFile: "\xff"},
		"proxy":               {ServerName: "h", Proxy: "ftp://h"},
		"no_proxy":            {Proxy: "http://h", NoProxy: "\xff"},
		"unix_socket":         {Proxy: "http://h", UnixSocket: "\xff"},
		"resolve":             {UnixSocket: "/s", Resolve: "host"},
		"local_address":       {Resolve: "a=::1", LocalAddress: "nowhere"},
		"max_body_bytes":      {MaxBody: -3},
		"http_version":        {HTTPVersion: 9},
		"keepalive_ms":        {Keepalive: -time.Hour},
		"stream_window_bytes": {StreamWindow: 1},
		"transport":           {Transport: 9},
		"trust":               {Trust: 9},
		"min_tls":             {MinTLS: 9},
		"proxy_mode":          {ProxyMode: 9},
		"max_redirects":       {MaxRedirects: 31},
		"max_retries":         {MaxRetries: 11},
	} {
		_, err := pool.Session("https://host", &options)
		wantInvalid(t, err, named+": ")
	}
}

// Nor does a text lose its place among others: they reach C one after the other.
func TestManyTextsAreTaken(t *testing.T) {
	der, err := os.ReadFile(os.Getenv("AIPOOL_SANDBOX_CA_DER"))
	must(t, err)
	session, err := newPool(t, Options{}).Session("https://host", &SessionOptions{
		Partition: "p", CAFile: caFile().CAFile, CABytes: der, Headers: Headers{{"x-key", "1"}}, ServerName: "other.example",
		Pins: [][32]byte{{1}}, KeyLogFile: t.TempDir() + "/keys", Proxy: "http://127.0.0.1:1", NoProxy: ".example",
		UnixSocket: "/s", Resolve: "a=::1", LocalAddress: "127.0.0.1",
	})
	must(t, err)
	must(t, session.Close())
}

func TestWrongNumbersOfRequestsAreNamed(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)
	for named, request := range map[string]Request{
		"max_body_bytes":  {MaxBody: -3},
		"max_redirects":   {MaxRedirects: 31},
		"max_retries":     {MaxRetries: 11},
		"event_format":    {EventFormat: 9},
		"max_event_bytes": {MaxEventBytes: -3},
		"end_marker":      {EndMarker: "\xff"},
	} {
		_, err := session.Do(background, &request)
		wantInvalid(t, err, named+": ")
	}
	for _, wrong := range []int{-1, 0, 65} {
		_, err := session.Warm(background, wrong)
		wantInvalid(t, err, "connections: is ")
	}
}

func TestLimitsAreRoundedUpToMilliseconds(t *testing.T) {
	for limit, wanted := range map[time.Duration]int64{
		0: 0, Off: -1, Unlimited: -2, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, math.MaxInt64: 9223372036855,
	} {
		want(t, limit.String(), millis(limit), wanted)
	}
	want(t, "-1ms is not Off", millis(-time.Millisecond) < Unlimited, true)
	for drain, wanted := range map[time.Duration]uint32{0: 0, 1: 1, math.MaxUint32 * time.Millisecond: math.MaxUint32} {
		limit, err := drainMillis(drain)
		must(t, err)
		want(t, drain.String(), limit, wanted)
	}
	_, err := drainMillis(math.MaxUint32*time.Millisecond + 1)
	wantInvalid(t, err, "drain: ")
}

func TestHeaders(t *testing.T) {
	headers := Headers{{"A", "1"}, {"b", "2"}, {"a", "3"}}
	want(t, "Get", headers.Get("a"), "1")
	want(t, "Get of none", headers.Get("c"), "")
	want(t, "Values", len(headers.Values("a")), 2)
	headers.Set("a", "4")
	headers.Add("B", "5")
	want(t, "after Set and Add", [3]Header(headers), [3]Header{{"b", "2"}, {"a", "4"}, {"B", "5"}})
	headers.Del("b")
	want(t, "after Del", [1]Header(headers), [1]Header{{"a", "4"}})

	packed, err := pack(Headers{{"a", ""}, {"b", "1"}})
	must(t, err)
	want(t, "packed", string(packed), "a\x00\x00b\x001\x00")
	want(t, "unpacked", [2]Header(unpack(string(packed))), [2]Header{{"a", ""}, {"b", "1"}})
	for said, bad := range map[string]Header{
		"headers[1]: the name holds a NUL":  {"x\x00", "1"},
		"headers[1]: the value holds a NUL": {"x", "secret\x00secret"},
	} {
		_, err := pack(Headers{{"good", "1"}, bad})
		wantInvalid(t, err, said)
	}
	var none Headers
	none.Del("a")
	want(t, "Get of nil", none.Get("a"), "")
	want(t, "Values of nil", len(none.Values("a")), 0)
}

func TestCopiedHeadersAreApart(t *testing.T) {
	common := Headers{{"x-a", "1"}, {"x-b", "2"}, {"x-c", "3"}}
	mine, yours := common, common
	mine.Set("x-a", "9")
	mine.Del("x-b")
	yours.Add("x-d", "4")
	want(t, "the copied one", fmt.Sprint(common), "[{x-a 1} {x-b 2} {x-c 3}]")
	want(t, "a changed copy", fmt.Sprint(mine), "[{x-c 3} {x-a 9}]")
	want(t, "a longer copy", fmt.Sprint(yours), "[{x-a 1} {x-b 2} {x-c 3} {x-d 4}]")
}

func TestBlocksOfCredentialsDoNotGrow(t *testing.T) {
	options := &SessionOptions{Pins: make([][32]byte, 2)}
	fields := reflect.ValueOf(options).Elem()
	for i := range fields.NumField() {
		switch field := fields.Field(i); field.Interface().(type) {
		case string:
			field.SetString(strings.Repeat("s", i+1))
		case []byte:
			field.SetBytes(make([]byte, 100+i))
		}
	}
	block := putTexts(sessionNumbers(options), options, []byte("headers"))
	want(t, "room", cap(block), len(block))
}
