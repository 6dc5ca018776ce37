package aipool

import "strings"

// Events reads what happened lately in this process: connections opened, failed and closed, requests ended, retries and
// more. The zero value begins with the oldest event that is kept; the library keeps the last 1024. Sessions over reqwest
// make none. For one goroutine at a time. Since 0.1.
type Events struct {
	after uint64
}

// Lines returns the events since the last call, a line of JSON each, oldest first, and how many were overwritten before they
// were read. They hold host names, never paths, headers or bodies. Since 0.1.
func (e *Events) Lines() (lines []string, lost uint64, err error) {
	if failure := checkABI(); failure != nil {
		return nil, 0, failure
	}
	buffer := make([]byte, 64<<10)
	for {
		length, next, gone, failure := nativeEvents(e.after, buffer)
		if failure != nil {
			return lines, lost, failure
		}
		e.after, lost = next, lost+gone
		if length == 0 {
			return lines, lost, nil
		}
		lines = append(lines, strings.Split(strings.TrimSuffix(string(buffer[:length]), "\n"), "\n")...)
	}
}
