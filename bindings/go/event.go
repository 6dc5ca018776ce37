package aipool

import "time"

// Event is one event of a stream: plain Go memory. Since 0.1.
type Event struct {
	// Name is the type; "" where none was given, which means "message", and for NDJSON.
	Name string
	// Data is the data lines, joined by newlines; for NDJSON the line. Valid UTF-8.
	Data string
	// ID is the last event ID, of this event or an earlier one; "" for NDJSON.
	ID string
	// Retry is what this event sets as reconnection time; 0 where it sets none.
	Retry time.Duration
	// Incomplete: the stream ended before the event did; its last line end or blank line is missing.
	Incomplete bool
}

// EventFormat says how events are read from a body. Since 0.1.
type EventFormat uint32
