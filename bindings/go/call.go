package aipool

import (
	"encoding/json"
	"fmt"
	"time"
)

// Role is who says a message. Since 0.1.
type Role uint32

// ResponseFormat is what an answer's text has to be. Since 0.1.
type ResponseFormat uint32

// Message is one message of a talk. Since 0.1.
type Message struct {
	// Role is who says it; 0 is RoleUser.
	Role Role
	// Content is what is said; a tool's result is mostly JSON.
	Content string
	// Name is, of a tool's result, the tool's name.
	Name string
	// CallID is, of a tool's result, the id of the call it answers; "" where the provider has no ids.
	CallID string
	// ToolCalls are, of an assistant's message, Reply.ToolCalls of that answer.
	ToolCalls []ToolCall
	// State is, of an assistant's message, Reply.State of that answer.
	State string
	// Raw is the whole message as JSON in the provider's own words, in place of all that.
	Raw json.RawMessage
}

// ToolCall is a tool that the model wants called. Since 0.1.
type ToolCall struct {
	// ID names the call; "" where the provider has no ids.
	ID string `json:"id"`
	// Name is the tool's.
	Name string `json:"name"`
	// Arguments are the JSON that the model wrote; models write broken JSON too.
	Arguments string `json:"arguments"`
}

// ToolResult is the message that answers a call of a tool. Since 0.1.
func ToolResult(call ToolCall, result string) Message {
	return Message{Role: RoleTool, Name: call.Name, CallID: call.ID, Content: result}
}

// Tool is a tool that the model may want called. Since 0.1.
type Tool struct {
	// Name is what it is called by.
	Name string
	// Description is what it is good for.
	Description string
	// Parameters are a JSON Schema of its arguments.
	Parameters json.RawMessage
	// More is what else a provider takes with a tool, such as "strict".
	More map[string]any
}

// MarshalJSON writes the tool with what else goes along. Since 0.1.
func (t Tool) MarshalJSON() ([]byte, error) {
	members := make(map[string]any, len(t.More)+3)
	for name, value := range t.More {
		members[name] = value
	}
	members["name"] = t.Name
	if t.Description != "" {
		members["description"] = t.Description
	}
	if len(t.Parameters) > 0 {
		members["parameters"] = t.Parameters
	}
	return json.Marshal(members)
}

// Call is one call of a client. The zero value of every field is the default. It may be used again, and by many goroutines at
// once; its memory is yours again when the call returns. Since 0.1.
type Call struct {
	// System is the system's word, before all Messages.
	System string
	// Messages are the talk so far.
	Messages []Message
	// Prompt is a user's message, after all Messages.
	Prompt string
	// Model is the client's where it is "".
	Model string
	// Tools are those that the model may want called.
	Tools []Tool
	// ToolChoice is "auto", "none", "required", or the name of the tool to call; "" is the provider's default.
	ToolChoice string
	// ResponseFormat is FormatText or FormatJSON.
	ResponseFormat ResponseFormat
	// JSONSchema is a JSON Schema that the answer keeps to.
	JSONSchema json.RawMessage
	// State is Reply.State of the answer before, where the provider keeps the talk (Naparnik).
	State string
	// Extra are more members of the request's body, a JSON object in the provider's own words; they go over those made here.
	Extra json.RawMessage
	// Stop are texts at which the answer stops.
	Stop []string
	// Temperature is 0 to 2; nil is the provider's default. [Ptr] makes one of a number.
	Temperature *float64
	// TopP is 0 to 1; nil is the provider's default.
	TopP *float64
	// Seed is any number; nil is the provider's default.
	Seed *int64
	// MaxTokens is the most tokens of the answer; 0 is the provider's default.
	MaxTokens int64
	// Dimensions is how many numbers Embed gives per text; 0 is the model's own.
	Dimensions int64
	// Job asks Yandex for an operation, which is asked about until it is done.
	Job bool
	// Headers go along with the request.
	Headers Headers
	// IdempotencyKey is sent as Idempotency-Key: then the call may be repeated where its connection broke.
	IdempotencyKey string
	// Timeout is for the whole call; 0 is the client's. No client has one of its own: what is cut off is billed.
	Timeout time.Duration
	// QueueTimeout is for waiting for a slot, for the pace of the provider and for a connection; 0 is the client's.
	QueueTimeout time.Duration
	// FirstByteTimeout is to the head of the answer; 0 is the client's.
	FirstByteTimeout time.Duration
	// BetweenBytesTimeout is for the time without one more byte of it; 0 is the client's.
	BetweenBytesTimeout time.Duration
	// FirstEventTimeout is to the first event of a stream; 0 is the client's.
	FirstEventTimeout time.Duration
	// BetweenEventsTimeout is for the time without one more event of a stream, comments not counted; 0 is the client's.
	BetweenEventsTimeout time.Duration
	// MaxRetries is how many further attempts are made, up to 10; 0 is the client's, Off none.
	MaxRetries int
}

// CallOption changes a call before it is made: any field, as in func(call *aipool.Call) { call.MaxTokens = 100 }. Since 0.1.
type CallOption func(*Call)

// WithSystem sets the system's word. Since 0.1.
func WithSystem(system string) CallOption {
	return func(call *Call) { call.System = system }
}

// WithModel names the model. Since 0.1.
func WithModel(model string) CallOption {
	return func(call *Call) { call.Model = model }
}

// WithTemperature sets the temperature, also to 0. Since 0.1.
func WithTemperature(temperature float64) CallOption {
	return func(call *Call) { call.Temperature = &temperature }
}

// WithMaxTokens bounds the answer. Since 0.1.
func WithMaxTokens(most int64) CallOption {
	return func(call *Call) { call.MaxTokens = most }
}

// WithTimeout bounds the whole call. Since 0.1.
func WithTimeout(limit time.Duration) CallOption {
	return func(call *Call) { call.Timeout = limit }
}

// Ptr is a pointer to a value, for fields that tell 0 from nothing: Temperature: aipool.Ptr(0.0). Since 0.1.
func Ptr[T any](value T) *T {
	return &value
}

// Raw is a request to a provider that no other method makes, for [Client.Do]. Since 0.1.
type Raw struct {
	// Method is GET without and POST with a body where it is "".
	Method string
	// URL is relative to the client's base URL, or absolute on its origin.
	URL string
	// Body is the whole body.
	Body []byte
	// ContentType is application/json where it is "" and there is a body.
	ContentType string
}

// operation says what a call is for.
type operationKind uint32

// asked is a call as it goes to the library.
type asked struct {
	operation operationKind
	call      *Call
	stream    bool
	inputs    []string
	raw       Raw
	// headers are packed; tools and toolCalls are JSON.
	headers   []byte
	tools     []byte
	toolCalls [][]byte
	// cancel is a handle, 0 where there is none.
	cancel uintptr
}

// ask makes of a call what the library takes.
func ask(operation operationKind, call *Call) (*asked, error) {
	a := &asked{operation: operation, call: call}
	var err error
	if a.headers, err = pack(call.Headers); err != nil {
		return nil, err
	}
	if len(call.Tools) > 0 {
		if a.tools, err = json.Marshal(call.Tools); err != nil {
			// The error may quote what it is about.
			return nil, invalid("tools: hold what is no JSON; check Parameters and More")
		}
	}
	a.toolCalls = make([][]byte, len(call.Messages))
	for i, message := range call.Messages {
		if len(message.ToolCalls) == 0 {
			continue
		}
		if a.toolCalls[i], err = json.Marshal(message.ToolCalls); err != nil {
			return nil, invalid(fmt.Sprintf("messages[%d]: its tool calls are no JSON", i))
		}
	}
	return a, nil
}

// changed is a call with its options.
func changed(call Call, options []CallOption) *Call {
	for _, option := range options {
		option(&call)
	}
	return &call
}
