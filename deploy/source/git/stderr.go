package git

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"relink/internal/ui"
)

const (
	stderrLines = 15 // kept for the message
	stderrLine  = 4096
)

// stderrLog tells progress from messages, and keeps the last of these.
type stderrLog struct {
	progress func(files, of int64) // told of a checkout's; may be nil

	mu      sync.Mutex
	partial []byte
	lines   []string
}

// chatter is what fetch says of its success so far, before it fails.
var chatter = regexp.MustCompile(`^(?:remote: Total|From |[*+-] |[0-9a-f]{4,}\.\.)`)

// progressLine is one of any phase; the files of a checkout are counted in it.
var progressLine = regexp.MustCompile(`^(?:Updating files: .*\((\d+)/(\d+)\)|(?:remote: )?[A-Z][A-Za-z ]+:\s+\d+)`)

func (w *stderrLog) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range p {
		if b != '\n' && b != '\r' {
			if len(w.partial) < stderrLine {
				w.partial = append(w.partial, b)
			}
			continue
		}
		w.line(string(w.partial))
		w.partial = w.partial[:0]
	}
	return len(p), nil
}

func (w *stderrLog) line(line string) {
	line = ui.Printable(strings.TrimSpace(line)) // the servers are others'
	if line == "" || chatter.MatchString(line) {
		return
	}
	m := progressLine.FindStringSubmatch(line)
	if m == nil {
		w.lines = append(w.lines, line)
		w.lines = w.lines[max(0, len(w.lines)-stderrLines):]
		return
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	of, err2 := strconv.ParseInt(m[2], 10, 64)
	if errors.Join(err, err2) == nil && w.progress != nil {
		w.progress(n, of)
	}
}

// text is for one line of an error message.
func (w *stderrLog) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.partial) > 0 {
		w.line(string(w.partial))
		w.partial = nil
	}
	return strings.Join(w.lines, "; ")
}
