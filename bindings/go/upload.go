package aipool

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync"
)

// pieceBytes is how much of an upload is read and given on at once.
const pieceBytes = 32 << 10

var pieces = sync.Pool{New: func() any { return new([pieceBytes]byte) }}

// upload moves a request's body from its reader to the library.
type upload struct {
	token  uintptr
	reader io.Reader
	close  func()
	// pumped is closed when nobody reads any more.
	pumped chan struct{}

	mu sync.Mutex
	// failure is why the body could not be read.
	failure error
}

// closing closes a request's body, once, where it can be closed.
func closing(reader io.Reader) func() {
	if closer, can := reader.(io.Closer); can {
		return sync.OnceFunc(func() { closer.Close() })
	}
	return func() {}
}

// newUploadOf makes the upload of a request with a BodyReader.
func newUploadOf(request *Request, close func()) (*upload, *Error) {
	token, failure := newUpload(request.BodyLength)
	if failure != nil {
		return nil, failure
	}
	return &upload{token: token, reader: request.BodyReader, close: close, pumped: make(chan struct{})}, nil
}

// pump reads the body to its end, or until the request has ended. It is a goroutine of its own: a read may block.
func (u *upload) pump(operation *operation) {
	defer close(u.pumped)
	// Freed before it was finished, the request fails.
	defer freeUpload(u.token)
	defer u.close()
	piece := pieces.Get().(*[pieceBytes]byte)
	defer pieces.Put(piece)
	for {
		count, err := u.reader.Read(piece[:])
		if !u.write(operation, piece[:count]) {
			return
		}
		if err == io.EOF {
			u.fail(orNil(finishUpload(u.token)))
			return
		}
		if err != nil {
			u.fail(err)
			return
		}
	}
}

// write gives a piece on; false where nobody takes it any more.
func (u *upload) write(operation *operation, piece []byte) bool {
	for len(piece) > 0 {
		taken, failure := nativeWrite(u.token, piece)
		switch {
		case failure == nil:
			piece = piece[taken:]
		case failure.Status != StatusWouldBlock:
			if failure.Status == StatusInvalidArgument {
				u.fail(failure)
			}
			return false
		case operation.over():
			return false
		default:
			operation.driver.wait(&operation.writer)
		}
	}
	return true
}

func (u *upload) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.failure = err
}

func (u *upload) failed() error {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.failure
}

// stop closes the body of a request that has ended: a read that waits then should return.
func (u *upload) stop() {
	if u != nil {
		u.close()
	}
}

// inMemory is a reader that never blocks, as net/http knows them, and how much it has; nil where it is none.
func inMemory(reader io.Reader) (io.Reader, int) {
	switch kind := reflect.TypeOf(reader); kind {
	case nopCloser, nopCloserWriterTo:
		if inner, is := reflect.ValueOf(reader).Field(0).Interface().(io.Reader); is {
			reader = inner
		}
	}
	switch known := reader.(type) {
	case *bytes.Reader:
		return known, known.Len()
	case *bytes.Buffer:
		return known, known.Len()
	case *strings.Reader:
		return known, known.Len()
	}
	return nil, 0
}

var (
	nopCloser         = reflect.TypeOf(io.NopCloser(nil))
	nopCloserWriterTo = reflect.TypeOf(io.NopCloser(struct {
		io.Reader
		io.WriterTo
	}{}))
)

var errBodyLength = errors.New("aipool: BodyReader has another length than BodyLength says")

// readWhole reads a body that is in memory.
func readWhole(reader io.Reader, length int, wanted int64) ([]byte, error) {
	if wanted != 0 && wanted != int64(length) {
		return nil, errBodyLength
	}
	body := make([]byte, length)
	_, err := io.ReadFull(reader, body)
	return body, err
}
