package aipool

import (
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
)

// serve starts a server of ours, for what the sandbox does not do, and returns its base URL.
func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

const connectionRefused = syscall.ECONNREFUSED
