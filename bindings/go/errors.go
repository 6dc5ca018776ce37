package aipool

// #include "aipool.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"
)

// ErrClosed is what errors.Is finds in errors of a closed pool or session, or of a handle that was closed. Since 0.1.
var ErrClosed = errors.New("aipool: closed")

// Error is any failure of this package. Since 0.1.
type Error struct {
	// Status is the class of the failure.
	Status Status
	// Detail is what within the class.
	Detail Detail
	// Phase is where in the life of a request it happened.
	Phase Phase
	// Delivery is whether the server can have seen the request.
	Delivery Delivery
	// HTTPStatus is the response's status, 0 where none came.
	HTTPStatus int
	// OSError is the operating system's error number, 0 where it has no part in this. errors.Is finds it.
	OSError syscall.Errno
	// Elapsed is from the call to the failure.
	Elapsed time.Duration
	// Retryable is whether sending the same request again is safe.
	Retryable bool
	// RetryAfter is how long the server wants to be left alone; 0 where it did not say.
	RetryAfter time.Duration
	// Message is what happened, which field, and the mend. It never holds a header value, a body or a key.
	Message string
	// Response is what came, on StatusTooLarge and StatusTruncated, and what a provider refused a client's call with; else nil.
	// Of a ChatStream it is without a body.
	Response *Response
	// ProviderCode is the provider's code of the failure of a client's call; "" where it gave none.
	ProviderCode string
	// ProviderText is what the provider said of it, 4 kB at most. It may quote what was sent, so neither Error nor GoString
	// shows it, and an *Error that is printed does not. What looks at fields does: package fmt at an Error that is no pointer,
	// or in an unexported field; package json at any.
	ProviderText string

	// causes are why the context ended, on StatusCancelled.
	causes []error
}

// Error says what happened, which field, and the mend. Since 0.1.
func (e *Error) Error() string {
	text := "aipool: " + e.Message
	if len(e.causes) > 0 {
		// The last is the context's cause, which says most.
		text += ": " + e.causes[len(e.causes)-1].Error()
	}
	return text
}

// GoString is the error for %#v: without what a provider said, which may quote what was sent. Since 0.1.
func (e *Error) GoString() string {
	return fmt.Sprintf("&aipool.Error{Status: %v, Detail: %v, Phase: %v, Delivery: %v, HTTPStatus: %d, OSError: %d, Elapsed: %v, "+
		"Retryable: %t, RetryAfter: %v, Message: %q}", e.Status, e.Detail, e.Phase, e.Delivery, e.HTTPStatus, int(e.OSError), e.Elapsed,
		e.Retryable, e.RetryAfter, e.Message)
}

// Timeout is whether a time limit, or the context's deadline, ran out. Since 0.1.
func (e *Error) Timeout() bool {
	return e.Status == StatusTimeout || len(e.causes) > 0 && e.causes[0] == context.DeadlineExceeded
}

// Is makes errors.Is(err, target) true for the standard library's name of this class, and for ErrClosed. Since 0.1.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrClosed:
		// A request that a drain cut off was under way: whoever sends it again may pay twice.
		return e.Status == StatusClosed && e.Detail != DetailDrainLimit || e.Status == StatusInvalidHandle
	case context.DeadlineExceeded, os.ErrDeadlineExceeded:
		return e.Timeout()
	case context.Canceled:
		return e.Status == StatusCancelled && len(e.causes) == 0
	case io.ErrUnexpectedEOF:
		return e.Status == StatusTruncated
	case errors.ErrUnsupported:
		return e.Status == StatusUnsupported
	}
	return false
}

// Unwrap returns the context's error and cause, and the operating system's error, as far as they had a part. Since 0.1.
func (e *Error) Unwrap() []error {
	if e.OSError != 0 {
		return append(e.causes[:len(e.causes):len(e.causes)], e.OSError)
	}
	return e.causes
}

func invalid(message string) *Error {
	return &Error{Status: StatusInvalidArgument, Message: message}
}

func causes(ctx context.Context) []error {
	return []error{ctx.Err(), context.Cause(ctx)}
}

// Status is the class of a failure. Since 0.1.
type Status int32

// The classes. An HTTP status of 400 or more is no failure but a response. Since 0.1.
const (
	// StatusEnd: a stream has ended, in good order. Calls of this package say io.EOF instead.
	StatusEnd Status = C.AIP_END
	// StatusWouldBlock: there is nothing just now. Calls of this package wait instead.
	StatusWouldBlock Status = C.AIP_WOULD_BLOCK
	// StatusInvalidArgument: an argument is wrong; the message names it and says what to write instead.
	StatusInvalidArgument Status = C.AIP_INVALID_ARGUMENT
	// StatusInvalidHandle: the pool or session handle was closed.
	StatusInvalidHandle Status = C.AIP_INVALID_HANDLE
	// StatusBusy: another goroutine is in a call that allows one at a time. Calls of this package wait instead.
	StatusBusy Status = C.AIP_BUSY
	// StatusClosed: the session or pool is closed; the detail says how. Nothing was sent: get the session again. Except
	// with DetailDrainLimit: then the request was under way, and Delivery says how far.
	StatusClosed Status = C.AIP_CLOSED
	// StatusTimeout: a time limit ran out; the detail says which, the phase where.
	StatusTimeout Status = C.AIP_TIMEOUT
	// StatusCancelled: the request's context ended.
	StatusCancelled Status = C.AIP_CANCELLED
	// StatusLimit: a bound of the library is reached, such as a million live handles.
	StatusLimit Status = C.AIP_LIMIT
	// StatusDNS: the host name does not resolve.
	StatusDNS Status = C.AIP_DNS
	// StatusConnect: no connection: refused, unreachable.
	StatusConnect Status = C.AIP_CONNECT
	// StatusTLS: no secure connection: untrusted, expired or wrong certificate.
	StatusTLS Status = C.AIP_TLS
	// StatusProtocol: the server broke the protocol.
	StatusProtocol Status = C.AIP_PROTOCOL
	// StatusReset: the connection broke before a response.
	StatusReset Status = C.AIP_RESET
	// StatusBody: the body cannot be decoded.
	StatusBody Status = C.AIP_BODY
	// StatusTooLarge: the body is larger than MaxBody; Error.Response holds what fitted.
	StatusTooLarge Status = C.AIP_TOO_LARGE
	// StatusTruncated: the body ended early; Error.Response holds what came.
	StatusTruncated Status = C.AIP_TRUNCATED
	// StatusUnsupported: the loaded library cannot do that; another one may.
	StatusUnsupported Status = C.AIP_UNSUPPORTED
	// StatusNotConfigured: a client lacks what it needs; the message names the option and its environment variable.
	StatusNotConfigured Status = C.AIP_NOT_CONFIGURED
	// StatusAuth: the provider does not accept the credential.
	StatusAuth Status = C.AIP_AUTH
	// StatusRateLimited: too many requests, or too many at once; Error.RetryAfter says how long to wait.
	StatusRateLimited Status = C.AIP_RATE_LIMITED
	// StatusQuota: a quota or a balance is used up; no waiting mends that.
	StatusQuota Status = C.AIP_QUOTA
	// StatusProvider: the provider refused, or failed; the detail says how.
	StatusProvider Status = C.AIP_PROVIDER
	// StatusSystem: the operating system refused; Error.OSError is its number.
	StatusSystem Status = C.AIP_SYSTEM
	// StatusPanic: a bug in the library; please report it. The process goes on.
	StatusPanic Status = C.AIP_PANIC
)

// String is the name of the status in C, such as AIP_TIMEOUT. Since 0.1.
func (s Status) String() string {
	return statusName(s)
}

// Detail is what within the class. Since 0.1.
type Detail int32

// The details. Since 0.1.
const (
	// DetailNone: nothing more to say.
	DetailNone Detail = C.AIP_DETAIL_NONE
	// DetailEvicted, of StatusClosed: the pool was full and gave this session up.
	DetailEvicted Detail = C.AIP_DETAIL_EVICTED
	// DetailSessionClosed, of StatusClosed: somebody closed this session.
	DetailSessionClosed Detail = C.AIP_DETAIL_SESSION_CLOSED
	// DetailPoolClosed, of StatusClosed: the pool was closed.
	DetailPoolClosed Detail = C.AIP_DETAIL_POOL_CLOSED
	// DetailQueueClosed, of StatusClosed: the completion queue was closed.
	DetailQueueClosed Detail = C.AIP_DETAIL_QUEUE_CLOSED
	// DetailTotalLimit, of StatusTimeout: Timeout.
	DetailTotalLimit Detail = C.AIP_DETAIL_TOTAL_LIMIT
	// DetailConnectLimit, of StatusTimeout: ConnectTimeout.
	DetailConnectLimit Detail = C.AIP_DETAIL_CONNECT_LIMIT
	// DetailDrainLimit, of StatusTimeout or StatusClosed: the drain limit of CloseAll or CloseDefault.
	DetailDrainLimit Detail = C.AIP_DETAIL_DRAIN_LIMIT
	// DetailQueueLimit, of StatusTimeout: QueueTimeout, as all connections allowed were in use; the message counts them.
	DetailQueueLimit Detail = C.AIP_DETAIL_QUEUE_LIMIT
	// DetailDNSLimit, of StatusTimeout: DNSTimeout.
	DetailDNSLimit Detail = C.AIP_DETAIL_DNS_LIMIT
	// DetailTLSLimit, of StatusTimeout: TLSTimeout.
	DetailTLSLimit Detail = C.AIP_DETAIL_TLS_LIMIT
	// DetailSendLimit, of StatusTimeout: SendTimeout.
	DetailSendLimit Detail = C.AIP_DETAIL_SEND_LIMIT
	// DetailFirstByteLimit, of StatusTimeout: FirstByteTimeout.
	DetailFirstByteLimit Detail = C.AIP_DETAIL_FIRST_BYTE_LIMIT
	// DetailBetweenBytesLimit, of StatusTimeout: BetweenBytesTimeout.
	DetailBetweenBytesLimit Detail = C.AIP_DETAIL_BETWEEN_BYTES_LIMIT
	// DetailFirstEventLimit, of StatusTimeout: FirstEventTimeout.
	DetailFirstEventLimit Detail = C.AIP_DETAIL_FIRST_EVENT_LIMIT
	// DetailBetweenEventsLimit, of StatusTimeout: BetweenEventsTimeout.
	DetailBetweenEventsLimit Detail = C.AIP_DETAIL_BETWEEN_EVENTS_LIMIT
	// DetailWaitLimit, of StatusTimeout: a call's own limit. Calls of this package wait on.
	DetailWaitLimit Detail = C.AIP_DETAIL_WAIT_LIMIT
	// DetailQueueFull, of StatusLimit: MaxQueue requests wait for a connection already; the message counts them.
	DetailQueueFull Detail = C.AIP_DETAIL_QUEUE_FULL
	// DetailProxy: it happened at the proxy, on the way to the server.
	DetailProxy Detail = C.AIP_DETAIL_PROXY
	// DetailUntrustedIssuer, of StatusTLS: the certificate's issuer is not trusted.
	DetailUntrustedIssuer Detail = C.AIP_DETAIL_UNTRUSTED_ISSUER
	// DetailWrongHost, of StatusTLS: the certificate is for another host name.
	DetailWrongHost Detail = C.AIP_DETAIL_WRONG_HOST
	// DetailExpired, of StatusTLS: the certificate has expired, or is not valid yet.
	DetailExpired Detail = C.AIP_DETAIL_EXPIRED
	// DetailWrongPin, of StatusTLS: the chain holds none of the pinned keys.
	DetailWrongPin Detail = C.AIP_DETAIL_WRONG_PIN
	// DetailClientCertificate, of StatusTLS: the server wants a client certificate, or refused the one it got.
	DetailClientCertificate Detail = C.AIP_DETAIL_CLIENT_CERTIFICATE
	// DetailBomb, of StatusTooLarge: decoded, the body is far larger than what was sent.
	DetailBomb Detail = C.AIP_DETAIL_BOMB
	// DetailRedirect, of StatusProtocol: a redirect too many, or one that leads nowhere.
	DetailRedirect Detail = C.AIP_DETAIL_REDIRECT
	// DetailBadRequest, of StatusProvider: the request is wrong; Error.ProviderText says what.
	DetailBadRequest Detail = C.AIP_DETAIL_BAD_REQUEST
	// DetailPermission, of StatusProvider: this credential may not do that.
	DetailPermission Detail = C.AIP_DETAIL_PERMISSION
	// DetailNotFound, of StatusProvider: no such model, file, operation or address.
	DetailNotFound Detail = C.AIP_DETAIL_NOT_FOUND
	// DetailContextOverflow, of StatusProvider: the prompt is longer than the model takes.
	DetailContextOverflow Detail = C.AIP_DETAIL_CONTEXT_OVERFLOW
	// DetailContentFilter, of StatusProvider: refused by the provider's filter.
	DetailContentFilter Detail = C.AIP_DETAIL_CONTENT_FILTER
	// DetailServerError, of StatusProvider: the provider failed.
	DetailServerError Detail = C.AIP_DETAIL_SERVER_ERROR
	// DetailOverloaded, of StatusProvider: the provider has no room now.
	DetailOverloaded Detail = C.AIP_DETAIL_OVERLOADED
	// DetailConcurrency, of StatusRateLimited: as many requests at once as the provider allows.
	DetailConcurrency Detail = C.AIP_DETAIL_CONCURRENCY
	// DetailCircuitOpen, of StatusProvider: not sent, for the requests before it all failed.
	DetailCircuitOpen Detail = C.AIP_DETAIL_CIRCUIT_OPEN
	// DetailNotJSON, of StatusProvider: the answer is HTML, JSON that is cut, or of another content type than its format has.
	DetailNotJSON Detail = C.AIP_DETAIL_NOT_JSON
	// DetailToolLoop, of StatusProvider: tools were called again and again and led nowhere.
	DetailToolLoop Detail = C.AIP_DETAIL_TOOL_LOOP
)

// String is the name of the detail in C without its prefix, such as EVICTED. Since 0.1.
func (d Detail) String() string {
	switch d {
	case DetailNone:
		return "NONE"
	case DetailEvicted:
		return "EVICTED"
	case DetailSessionClosed:
		return "SESSION_CLOSED"
	case DetailPoolClosed:
		return "POOL_CLOSED"
	case DetailQueueClosed:
		return "QUEUE_CLOSED"
	case DetailFirstEventLimit:
		return "FIRST_EVENT_LIMIT"
	case DetailBetweenEventsLimit:
		return "BETWEEN_EVENTS_LIMIT"
	case DetailWaitLimit:
		return "WAIT_LIMIT"
	case DetailTotalLimit:
		return "TOTAL_LIMIT"
	case DetailConnectLimit:
		return "CONNECT_LIMIT"
	case DetailDrainLimit:
		return "DRAIN_LIMIT"
	case DetailQueueLimit:
		return "QUEUE_LIMIT"
	case DetailDNSLimit:
		return "DNS_LIMIT"
	case DetailTLSLimit:
		return "TLS_LIMIT"
	case DetailSendLimit:
		return "SEND_LIMIT"
	case DetailFirstByteLimit:
		return "FIRST_BYTE_LIMIT"
	case DetailBetweenBytesLimit:
		return "BETWEEN_BYTES_LIMIT"
	case DetailQueueFull:
		return "QUEUE_FULL"
	case DetailProxy:
		return "PROXY"
	case DetailUntrustedIssuer:
		return "UNTRUSTED_ISSUER"
	case DetailWrongHost:
		return "WRONG_HOST"
	case DetailExpired:
		return "EXPIRED"
	case DetailWrongPin:
		return "WRONG_PIN"
	case DetailClientCertificate:
		return "CLIENT_CERTIFICATE"
	case DetailBomb:
		return "BOMB"
	case DetailRedirect:
		return "REDIRECT"
	case DetailBadRequest:
		return "BAD_REQUEST"
	case DetailPermission:
		return "PERMISSION"
	case DetailNotFound:
		return "NOT_FOUND"
	case DetailContextOverflow:
		return "CONTEXT_OVERFLOW"
	case DetailContentFilter:
		return "CONTENT_FILTER"
	case DetailServerError:
		return "SERVER_ERROR"
	case DetailOverloaded:
		return "OVERLOADED"
	case DetailConcurrency:
		return "CONCURRENCY"
	case DetailCircuitOpen:
		return "CIRCUIT_OPEN"
	case DetailNotJSON:
		return "NOT_JSON"
	case DetailToolLoop:
		return "TOOL_LOOP"
	}
	return strconv.Itoa(int(d))
}

// Phase is where in the life of a request something happened. Since 0.1.
type Phase int32

// The phases. Since 0.1.
const (
	// PhaseNone: before anything was begun.
	PhaseNone Phase = C.AIP_PHASE_NONE
	// PhaseQueue: waiting for a connection, as all allowed are in use.
	PhaseQueue Phase = C.AIP_PHASE_QUEUE
	// PhaseDNS: looking up the host name.
	PhaseDNS Phase = C.AIP_PHASE_DNS
	// PhaseConnect: TCP, and the proxy's part where there is one.
	PhaseConnect Phase = C.AIP_PHASE_CONNECT
	// PhaseTLS: the TLS handshake.
	PhaseTLS Phase = C.AIP_PHASE_TLS
	// PhaseSend: sending the request.
	PhaseSend Phase = C.AIP_PHASE_SEND
	// PhaseFirstByte: waiting for the response's head.
	PhaseFirstByte Phase = C.AIP_PHASE_FIRST_BYTE
	// PhaseBody: reading the response's body.
	PhaseBody Phase = C.AIP_PHASE_BODY
)

// String is the name of the phase in C without its prefix, such as FIRST_BYTE. Since 0.1.
func (p Phase) String() string {
	switch p {
	case PhaseNone:
		return "NONE"
	case PhaseQueue:
		return "QUEUE"
	case PhaseDNS:
		return "DNS"
	case PhaseConnect:
		return "CONNECT"
	case PhaseTLS:
		return "TLS"
	case PhaseSend:
		return "SEND"
	case PhaseFirstByte:
		return "FIRST_BYTE"
	case PhaseBody:
		return "BODY"
	}
	return strconv.Itoa(int(p))
}

// Delivery is whether the server can have seen the request: an AI service may have billed it. Since 0.1.
type Delivery int32

// The deliveries. Since 0.1.
const (
	// NotSent: no byte of it left, or by the protocol the server did not work on it.
	NotSent Delivery = C.AIP_NOT_SENT
	// MaybeSent: it may have arrived.
	MaybeSent Delivery = C.AIP_MAYBE_SENT
	// ResponseStarted: the response had begun.
	ResponseStarted Delivery = C.AIP_RESPONSE_STARTED
)

// String is the name of the delivery in C without its prefix, such as NOT_SENT. Since 0.1.
func (d Delivery) String() string {
	switch d {
	case NotSent:
		return "NOT_SENT"
	case MaybeSent:
		return "MAYBE_SENT"
	case ResponseStarted:
		return "RESPONSE_STARTED"
	}
	return strconv.Itoa(int(d))
}
