package aipool

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Reply is what an answer came to; of a stream, what has been read of it. Plain Go memory, nothing to close. Since 0.1.
type Reply struct {
	// Text is the answer's.
	Text string
	// Reasoning is what the model thought aloud.
	Reasoning string
	// ToolCalls are the tools that the model wants called; answer each with [ToolResult].
	ToolCalls []ToolCall
	// FinishReason is why it ended.
	FinishReason FinishReason
	// Finish is the provider's word for that.
	Finish string
	// Model is the model, with its version where the provider says one.
	Model string
	// ID is the provider's name of the answer.
	ID string
	// State is what the next call has to bring along: in Message.State of this answer, or in Call.State.
	State string
	// Usage is what it took.
	Usage Usage
	// Embeddings are, of Embed, the numbers of each input.
	Embeddings [][]float32
	// FirstToken is, of a stream, from the call to the first part read; 0 before.
	FirstToken time.Duration
	// LongestGap is, of a stream, the longest time between two parts.
	LongestGap time.Duration
	// Parts is, of a stream, how many were read.
	Parts uint64
	// Response is what the provider wrote, as it came; of a stream its head, without a body.
	Response *Response
}

// Usage is tokens; each number is -1 where nobody said. Since 0.1.
type Usage struct {
	// Prompt is of what was sent.
	Prompt int64
	// Completion is of what was answered.
	Completion int64
	// Total is of both.
	Total int64
	// Cached is of the prompt what the provider had at hand.
	Cached int64
	// Reasoning is of the completion what was thought and not said.
	Reasoning int64
	// Context is how many there may be in all.
	Context int64
}

// Message is the answer as a message of the talk that goes on. Since 0.1.
func (r *Reply) Message() Message {
	return Message{Role: RoleAssistant, Content: r.Text, ToolCalls: r.ToolCalls, State: r.State}
}

// FinishReason is why an answer ended. Since 0.1.
type FinishReason uint32

// String is the name of the reason in C without its prefix, such as LENGTH. Since 0.1.
func (r FinishReason) String() string {
	return nameOf(uint32(r), "NONE", "STOP", "LENGTH", "TOOL", "FILTER", "ERROR", "OTHER")
}

// DeltaKind is what a part of an answer is. Since 0.1.
type DeltaKind uint32

// String is the name of the kind in C without its prefix, such as TEXT. Since 0.1.
func (k DeltaKind) String() string {
	return nameOf(uint32(k), "0", "TEXT", "REPLACE", "REASONING", "TOOL", "USAGE", "DONE")
}

// String is the name of the role in C without its prefix, such as USER. Since 0.1.
func (r Role) String() string {
	return nameOf(uint32(r), "USER", "SYSTEM", "ASSISTANT", "TOOL")
}

func nameOf(number uint32, names ...string) string {
	if int64(number) < int64(len(names)) {
		return names[number]
	}
	return strconv.FormatUint(uint64(number), 10)
}

// Delta is one part of an answer: plain Go memory. Since 0.1.
type Delta struct {
	// Kind is what it is.
	Kind DeltaKind
	// Index is, of DeltaTool, which call.
	Index int
	// Text is whole characters.
	Text string
	// ID is, of DeltaTool, the call's; "" where it did not come.
	ID string
	// Name is, of DeltaTool, the tool's; "" where it did not come.
	Name string
}

// ChatStream is an answer that is read while it comes. Read it to its end or close it; the garbage collector gives up one that
// was forgotten, and its slot at the provider is taken until then. One goroutine reads, any may close or ask for the Reply.
// Since 0.1.
type ChatStream struct {
	body *streamBody
	sent *underWay
	head *Response

	// native is for one call on the native response at a time: what it lends is copied before the next.
	native sync.Mutex
	// last is what the answer came to when the native response was given up.
	last *Reply
}

func newChatStream(ctx context.Context, sent *underWay) *ChatStream {
	stream := &ChatStream{sent: sent, head: nativeHead(sent.response.Load()), body: newStreamBody(ctx, sent)}
	stream.body.before = stream.keep
	return stream
}

// Deltas reads the answer part by part, to DeltaDone. The stream is closed when the loop ends, however it ends. An error is the
// last that is given; an answer that is complete gives none. Errors are an [*Error]: StatusTruncated where the answer ended before
// it was complete, StatusProvider, StatusRateLimited and others where the provider broke it off; else as [Session.Do] has them.
// Since 0.1.
func (s *ChatStream) Deltas() iter.Seq2[Delta, error] {
	return func(yield func(Delta, error) bool) {
		defer s.Close()
		for {
			delta, err := s.next()
			if err == io.EOF || !yield(delta, err) || err != nil {
				return
			}
		}
	}
}

// Reply is what the answer came to so far; after the end, or Close, what was read of it. Since 0.1.
func (s *ChatStream) Reply() *Reply {
	s.native.Lock()
	defer s.native.Unlock()
	s.look()
	reply := *s.last
	return &reply
}

// Close gives the rest of the answer up, and its slot at the provider; a loop that waits ends. Never blocks, may be called again,
// and returns nil always. Since 0.1.
func (s *ChatStream) Close() error {
	return s.body.Close()
}

func (s *ChatStream) next() (delta Delta, err error) {
	err = s.body.read(func(_ uintptr, wait uint32) (failure *Error) {
		s.native.Lock()
		defer s.native.Unlock()
		// Closed meanwhile, it is 0.
		response := s.sent.response.Load()
		delta, failure = nativeNextDelta(response, wait)
		if failure != nil && failure.Status != StatusWouldBlock && failure.Status != StatusEnd {
			s.tell(failure, response)
		}
		return failure
	})
	if err == http.ErrBodyReadAfterClose {
		err = &Error{Status: StatusInvalidHandle, Phase: PhaseBody, Delivery: ResponseStarted, Message: "stream: is closed; ask again"}
	}
	return delta, err
}

// tell puts the provider's words into a failure. With the lock.
func (s *ChatStream) tell(failure *Error, response uintptr) {
	if taken, lost := nativeReply(response); lost == nil {
		failure.ProviderCode, failure.ProviderText, failure.Response = taken.errorCode, taken.errorText, s.head
	}
}

// look brings last up to date, where there is something to look at. With the lock.
func (s *ChatStream) look() {
	if taken, failure := nativeReply(s.sent.response.Load()); failure == nil {
		s.last = &taken.reply
	} else if s.last == nil {
		s.last = &Reply{Usage: Usage{-1, -1, -1, -1, -1, -1}}
	}
	s.last.Response = s.head
}

// keep looks for the last time, and gives the native response up: nobody borrows from it any more.
func (s *ChatStream) keep() {
	s.native.Lock()
	defer s.native.Unlock()
	s.look()
	if response := s.sent.response.Swap(0); response != 0 {
		freeResponse(response)
	}
}

// toolCallsOf reads what the library wrote.
func toolCallsOf(text []byte) []ToolCall {
	var written []struct {
		ID       string
		Function ToolCall
	}
	if json.Unmarshal(text, &written) != nil {
		return nil
	}
	calls := make([]ToolCall, len(written))
	for i, call := range written {
		calls[i] = ToolCall{ID: call.ID, Name: call.Function.Name, Arguments: call.Function.Arguments}
	}
	return calls
}
