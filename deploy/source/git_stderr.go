package source

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

const (
	stderrLines = 15 // kept for the message
	stderrLine  = 4096
)

// gitStderr tells progress from messages, and keeps the last of these.
type gitStderr struct {
	percent func(done, total int64)

	mu      sync.Mutex
	partial []byte
	lines   []string
}

// chatter is what fetch says of its success so far, before it fails.
var chatter = regexp.MustCompile(`^(?:remote: Total|From |[*+-] |[0-9a-f]{4,}\.\.)`)

var progressLine = regexp.MustCompile(`^(?:remote: )?[A-Z][A-Za-z ]+:\s+\d+%? ?\(?(?:(\d+)/(\d+)\))?`)

func (w *gitStderr) Write(p []byte) (int, error) {
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

func (w *gitStderr) line(line string) {
	line = strings.TrimSpace(printable(line))
	if line == "" || chatter.MatchString(line) {
		return
	}
	if m := progressLine.FindStringSubmatch(line); m != nil {
		w.progress(line, m[1], m[2])
		return
	}
	w.lines = append(w.lines, line)
	w.lines = w.lines[max(0, len(w.lines)-stderrLines):]
}

// lasting are the phases worth telling of: the transfer and the checkout.
var lasting = regexp.MustCompile(`^(?:Receiving objects|Updating files):`)

func (w *gitStderr) progress(line, done, total string) {
	if w.percent == nil || !lasting.MatchString(line) {
		return
	}
	n, err := strconv.ParseInt(done, 10, 64)
	of, err2 := strconv.ParseInt(total, 10, 64)
	if errors.Join(err, err2) == nil {
		w.percent(n, of)
	}
}

// text is for one line of an error message.
func (w *gitStderr) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.partial) > 0 {
		w.line(string(w.partial))
		w.partial = nil
	}
	return strings.Join(w.lines, "; ")
}

// printable drops what could steer a terminal: subjects of commits and messages
// of servers are written by others.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}
