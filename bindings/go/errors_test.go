package aipool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestErrorsMatchTheStandardLibrary(t *testing.T) {
	targets := []error{
		ErrClosed, context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded, io.ErrUnexpectedEOF,
		errors.ErrUnsupported, syscall.ECONNREFUSED,
	}
	for _, match := range []struct {
		err     *Error
		targets []error
	}{
		{&Error{Status: StatusClosed}, []error{ErrClosed}},
		{&Error{Status: StatusClosed, Detail: DetailDrainLimit}, nil},
		{&Error{Status: StatusInvalidHandle}, []error{ErrClosed}},
		{&Error{Status: StatusTimeout}, []error{context.DeadlineExceeded, os.ErrDeadlineExceeded}},
		{&Error{Status: StatusCancelled}, []error{context.Canceled}},
		{&Error{Status: StatusTruncated}, []error{io.ErrUnexpectedEOF}},
		{&Error{Status: StatusUnsupported}, []error{errors.ErrUnsupported}},
		{&Error{Status: StatusConnect, OSError: syscall.ECONNREFUSED}, []error{syscall.ECONNREFUSED}},
		{&Error{Status: StatusReset}, nil},
	} {
		var wanted int
		for _, target := range match.targets {
			want(t, match.err.Status.String()+" is "+target.Error(), errors.Is(match.err, target), true)
			wanted++
		}
		for _, target := range targets {
			if errors.Is(match.err, target) {
				wanted--
			}
		}
		want(t, match.err.Status.String()+" matches more", wanted, 0)
	}
	var netError interface{ Timeout() bool } = &Error{Status: StatusTimeout}
	want(t, "Timeout()", netError.Timeout(), true)
	want(t, "a refused connection is no timeout", (&Error{Status: StatusConnect}).Timeout(), false)
}

func TestContextErrorsMatchContextAndSayDelivery(t *testing.T) {
	session := get(t, newPool(t, Options{}), listen(t).http)

	cause := errors.New("the user went away")
	hold := newHold()
	ctx, cancel := context.WithCancelCause(background)
	answers := start(ctx, session, &Request{URL: hold.url()})
	hold.waitHeld(t, 1)
	cancel(cause)
	err := (<-answers).err
	wantError(t, err, StatusCancelled, DetailNone, MaybeSent)
	want(t, "is its cause", errors.Is(err, cause), true)
	want(t, "is Canceled", errors.Is(err, context.Canceled), true)
	want(t, "says why", strings.HasSuffix(err.Error(), cause.Error()), true)
	hold.waitGone(t)

	deadline, cancelDeadline := context.WithTimeout(background, 300*time.Millisecond)
	defer cancelDeadline()
	_, err = session.Do(deadline, &Request{URL: hold.url()})
	wantError(t, err, StatusCancelled, DetailNone, MaybeSent)
	want(t, "is DeadlineExceeded", errors.Is(err, context.DeadlineExceeded), true)
	want(t, "is the system's too", errors.Is(err, os.ErrDeadlineExceeded), true)
	want(t, "is not Canceled", errors.Is(err, context.Canceled), false)
	var timeout interface{ Timeout() bool }
	want(t, "Timeout()", errors.As(err, &timeout) && timeout.Timeout(), true)
	hold.waitGone(t)
}

func TestFailuresSayWhatTheyKnow(t *testing.T) {
	port, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, port.Close())
	_, err = newPool(t, Options{}).Do(background, "http://"+port.Addr().String(), &Request{})
	failure := wantError(t, err, StatusConnect, DetailNone, NotSent)
	want(t, "text", failure.Error(), "aipool: "+failure.Message)
	want(t, "names", fmt.Sprint(failure.Status, failure.Phase, failure.Delivery, failure.Detail),
		"AIP_CONNECT CONNECT NOT_SENT NONE")
}

func TestNamesOfUnknownNumbers(t *testing.T) {
	want(t, "status", Status(99).String(), "AIP_UNKNOWN")
	want(t, "detail", Detail(99).String(), "99")
	want(t, "phase", Phase(99).String(), "99")
	want(t, "delivery", Delivery(99).String(), "99")
}

func TestAnotherABIIsRefused(t *testing.T) {
	_, wanted := nativeABI()
	failure := abiMismatch(wanted+1, wanted)
	want(t, "is ErrUnsupported", errors.Is(failure, errors.ErrUnsupported), true)
	want(t, "names the version", strings.Contains(failure.Message, "version "+Version()), true)
	if failure := checkABI(); failure != nil {
		t.Fatal(failure)
	}
}
