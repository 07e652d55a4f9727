package hooks

import (
	"bytes"
	"strings"
	"sync"
)

// What is kept of a hook's output to show when it fails.
const (
	tailLines = 200
	tailBytes = 64 << 10
	lineBytes = 8 << 10 // a longer line is cut
)

// lineWriter passes output on line by line and keeps the end of it, in bounded
// memory whatever the command writes.
type lineWriter struct {
	emit func(string)

	mu      sync.Mutex
	partial []byte
	kept    []string
	size    int
	skipped bool // Composer has said that it runs no plugins
}

// composerSkips is what Composer warns of when root runs it without a terminal and
// without COMPOSER_ALLOW_SUPERUSER (its Application.php). It succeeds then, and what
// plugins place or patch is missing.
const composerSkips = "Composer plugins have been disabled for safety"

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, complete := bytes.Cut(rest, []byte{'\n'})
		w.partial = append(w.partial, line[:min(len(line), lineBytes-len(w.partial))]...)
		if complete {
			w.endLine()
		}
		rest = after
	}
	return len(p), nil
}

// close ends the last line and gives the end of the output, and whether Composer has
// left out plugins. What a process left in the
// background still writes goes nowhere: the caller has moved on.
func (w *lineWriter) close() (printed string, skipped bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.partial) > 0 {
		w.endLine()
	}
	w.emit = nil
	return strings.Join(w.kept, "\n"), w.skipped
}

func (w *lineWriter) endLine() {
	line := shown(string(w.partial))
	w.partial = w.partial[:0]
	w.keep(line)
	w.skipped = w.skipped || strings.Contains(line, composerSkips)
	if w.emit != nil {
		w.emit(line)
	}
}

// shown is what a terminal would show of a line that a progress bar has
// overwritten many times.
func shown(line string) string {
	line = strings.TrimRight(line, "\r")
	return line[strings.LastIndexByte(line, '\r')+1:]
}

func (w *lineWriter) keep(line string) {
	w.kept = append(w.kept, line)
	w.size += len(line) + 1
	for len(w.kept) > tailLines || w.size > tailBytes {
		w.size -= len(w.kept[0]) + 1
		w.kept = w.kept[1:]
	}
}
