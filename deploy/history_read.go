package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"os"
	"slices"
)

// HistoryFile is where an application's history lies.
func HistoryFile(state, app string) string { return App{Name: app, State: state}.historyFile() }

// maxTail is room for some dozens of deploys of 100 instances, or for the last few
// of thousands: one move is 500 bytes.
const maxTail = 4 << 20

// LastEvents gives at most n events of a history, the newest first, out of the last
// 4 MB of the file. Before the first deploy there are none.
func LastEvents(file string, n int) ([]Event, error) { return readEvents(file, maxTail, n) }

// readHistory is oldest first.
func readHistory(file string) ([]Event, error) {
	events, err := readEvents(file, math.MaxInt64, historyMost)
	slices.Reverse(events)
	return events, err
}

func readEvents(file string, most int64, n int) ([]Event, error) {
	text, err := tail(file, most)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	var events []Event
	for event := range newestFirst(text) {
		if len(events) == n {
			break
		}
		events = append(events, event)
	}
	return events, nil
}

// newestFirst passes over lines that a crash, or the beginning of the tail, cut
// short, and those that a newer version wrote otherwise.
func newestFirst(text []byte) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for len(text) > 0 {
			begin := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
			var event Event
			if json.Unmarshal(text[begin:], &event) == nil && event.Operation != "" && !yield(event) {
				return
			}
			text = text[:begin]
		}
	}
}

func tail(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	text := make([]byte, min(info.Size(), most))
	n, err := f.ReadAt(text, info.Size()-int64(len(text)))
	if errors.Is(err, io.EOF) { // it is replaced, never cut, so that this is its end
		err = nil
	}
	return text[:n], err
}
