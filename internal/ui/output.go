// Package ui is what a person sees: lines, steps and progress while something
// runs, tables and errors, sizes and durations in words.
package ui

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"golang.org/x/term"
)

// defaultWidth is the width, in columns, where none is known.
const defaultWidth = 80

// defaultEvery is the time between two lines of progress where there is no
// terminal: a CI log should show that something moves, not how.
const defaultEvery = 5 * time.Second

// Options say how to show things. This package does not read the environment:
// whoever composes the program decides.
type Options struct {
	Color    bool          // ANSI colours
	Terminal bool          // progress as bars that are drawn over; else as lines
	Quiet    bool          // no steps, lines and progress; errors and what is written remain
	Width    int           // columns; 0 means 80
	Every    time.Duration // between two lines of progress; 0 means 5 s
	Program  string        // whose errors are shown; "": relink
}

// Terminal reports whether f is a terminal, and its width in columns.
func Terminal(f *os.File) (is bool, width int) {
	fd := int(f.Fd())
	if !term.IsTerminal(fd) {
		return false, 0
	}
	width, _, err := term.GetSize(fd)
	if err != nil {
		return true, 0
	}
	return true, width
}

// Output shows what happens, on stderr as a rule. It may be used concurrently.
// An error of the writer underneath is nobody's to handle, and is dropped.
type Output struct {
	options Options
	w       io.Writer
	colors  Colors

	mu      sync.Mutex
	bars    *mpb.Progress // nil while no bar is drawn
	running map[*Progress]bool
}

// New shows things on w.
func New(w io.Writer, options Options) *Output {
	if options.Width <= 0 {
		options.Width = defaultWidth
	}
	if options.Every <= 0 {
		options.Every = defaultEvery
	}
	return &Output{options: options, w: w, colors: Colors(options.Color), running: map[*Progress]bool{}}
}

// Colors gives the colours that suit this output.
func (o *Output) Colors() Colors { return o.colors }

// Width is the number of columns.
func (o *Output) Width() int { return o.options.Width }

// Line shows one line.
func (o *Output) Line(format string, args ...any) {
	if !o.options.Quiet {
		fmt.Fprintln(o, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

const (
	nameWidth    = 14
	summaryWidth = 54
	tookWidth    = 10
)

// Step shows a step that has ended: "  warm        301 scripts, 1 failed     212 ms".
func (o *Output) Step(name, summary string, took time.Duration) {
	folded := Fold(summary, summaryWidth)
	o.Line("  %s %s%*s", padRight(o.colors.Bold(name), nameWidth-1), padRight(folded[0], summaryWidth), tookWidth, Duration(took))
	for _, rest := range folded[1:] {
		o.Line("  %s%s", padRight("", nameWidth), rest)
	}
}

// Write shows p as it is, above the bars; a logger may write here.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bars != nil {
		return o.bars.Write(p)
	}
	return o.w.Write(p)
}

// Close ends what progress is still shown, with the state it has.
func (o *Output) Close() {
	o.mu.Lock()
	var left []*Progress
	for p := range o.running {
		left = append(left, p)
	}
	o.mu.Unlock()
	for _, p := range left {
		p.Done()
	}
}
