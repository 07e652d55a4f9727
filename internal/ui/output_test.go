package ui_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"relink/internal/hint"
	"relink/internal/ui"
)

// screen is a writer that may be read while others write.
type screen struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

// golden compares with text that begins with a newline, so that its lines stand
// below each other in the source.
func golden(t *testing.T, got, want string) {
	t.Helper()
	if diff := cmp.Diff(want[1:], got); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
}

const rarely = time.Hour // no line of progress between the first and the last

func TestStepsAndLines(t *testing.T) {
	var shown screen
	out := ui.New(&shown, ui.Options{})
	out.Line("deploy %s to %d instances", "v2", 30)
	out.Step("warm", "301 scripts, 1 failed", 212*time.Millisecond)
	out.Step("cut-over", "2 scripts of booking müsli", 15*time.Second)
	out.Step("after_switch", strings.Repeat("word ", 12)+"ends", 0)
	out.Step("a step with a long name", strings.Repeat("x", 50), 0)
	out.Line("")
	golden(t, shown.String(), `
deploy v2 to 30 instances
  warm          301 scripts, 1 failed                                     212 ms
  cut-over      2 scripts of booking müsli                                  15 s
  after_switch  word word word word word word word word word word word      0 ms
                word ends
  a step with a long name xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx          0 ms

`)
}

// What is over at once shows nothing.
func TestShortProgressInLines(t *testing.T) {
	var shown screen
	out := ui.New(&shown, ui.Options{Every: rarely})
	warm := out.Progress("warm", "scripts", 301)
	for done := range 302 {
		warm.Set(done)
	}
	warm.Done()
	warm.Done()
	warm.Set(7)
	golden(t, shown.String(), "\n")
}

func TestProgressInLines(t *testing.T) {
	var shown screen
	out := ui.New(&shown, ui.Options{Every: 1})
	settle := out.Progress("settle", "workers", 3)
	settle.Set(1)
	settle.Set(1)
	settle.Set(2)
	settle.Done()
	fetch := out.Progress("fetch", "objects", 0)
	fetch.Update(40, 0)
	fetch.Update(40, 50)
	fetch.Done()
	golden(t, shown.String(), `
  settle: 0/3 workers
  settle: 1/3 workers
  settle: 2/3 workers
  fetch: 0 objects
  fetch: 40 objects
  fetch: 40/50 objects
`)
}

func TestQuiet(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		var shown screen
		out := ui.New(&shown, ui.Options{Quiet: true, Terminal: terminal})
		out.Line("a line")
		out.Step("warm", "", 0)
		progress := out.Progress("warm", "scripts", 2)
		progress.Set(1)
		progress.Done()
		out.Error(errors.New("a failure"))
		fmt.Fprintln(out, "a log line")
		out.Close()
		golden(t, shown.String(), `
relink: a failure
a log line
`)
	}
}

func TestCloseEndsProgress(t *testing.T) {
	var shown screen
	out := ui.New(&shown, ui.Options{Every: 1})
	out.Progress("warm", "scripts", 301).Set(120)
	out.Close()
	out.Close()
	golden(t, shown.String(), `
  warm: 0/301 scripts
  warm: 120/301 scripts
`)
}

// lastFrame is what a terminal shows below the last place at which it was
// cleared.
func lastFrame(shown string) string {
	if i := strings.LastIndex(shown, "\x1b[J"); i >= 0 {
		return shown[i+len("\x1b[J"):]
	}
	return shown
}

func TestProgressOnATerminal(t *testing.T) {
	var shown screen
	out := ui.New(&shown, ui.Options{Terminal: true})
	warm := out.Progress("warm", "scripts", 300)
	settle := out.Progress("settle", "workers", 8)
	warm.Set(120)
	warm.Update(301, 301)
	settle.Set(6)
	out.Line("a line above the bars")
	warm.Done()
	settle.Done()
	settle.Set(7)
	if !strings.Contains(shown.String(), "a line above the bars\n") {
		t.Errorf("the line is missing in %q", shown.String())
	}
	frame := lastFrame(shown.String())
	frame = frame[strings.Index(frame, "  warm"):]
	golden(t, frame, `
  warm          [==============================================] 301/301 scripts
  settle        [=====================================>            ] 6/8 workers
`)
	nothingDraws(t)

	out.Line("afterwards")
	again := out.Progress("fetch", "objects", 0)
	again.Set(9)
	out.Close()
	if got := shown.String(); !strings.Contains(got, "afterwards\n") || !strings.Contains(lastFrame(got), "9 objects") {
		t.Errorf("the second progress is missing in %q", got)
	}
	nothingDraws(t)
}

// nothingDraws waits until no goroutine of the bars is left; those that have
// been told to end need a moment.
func nothingDraws(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !bytes.Contains(stacks, []byte("vbauerster/mpb")) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("still running:\n%s", stacks)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		var shown screen
		out := ui.New(&shown, ui.Options{Terminal: terminal, Every: 1})
		var users sync.WaitGroup
		for user := range 8 {
			users.Go(func() {
				progress := out.Progress(fmt.Sprint("part ", user), "things", 100)
				for done := range 101 {
					progress.Set(done)
					if done%25 == 0 {
						out.Line("part %d is at %d", user, done)
					}
				}
				progress.Done()
			})
		}
		users.Wait()
		out.Close()
		for user := range 8 {
			for done := 0; done <= 100; done += 25 {
				if line := fmt.Sprintf("part %d is at %d\n", user, done); !strings.Contains(shown.String(), line) {
					t.Errorf("terminal %v: %q is missing", terminal, line)
				}
			}
		}
		nothingDraws(t)
	}
}

func TestError(t *testing.T) {
	err := hint.With(fmt.Errorf("deploy booking: %w", hint.With(
		errors.New("sweep pool unix:/run/php/a.sock: worker 4711 busy for 38s (GET /export.php): settle_timeout 30s passed"),
		"wait until it ends, then run \"relink opcache invalidate --release 20240102T030405-v2\" to have done with what it put back")),
		"look at /var/log/relink/a/path/that/is/longer/than/any/line/may/be/and/has/to/stay/whole/deploy.log")
	var shown screen
	ui.New(&shown, ui.Options{Width: 80, Quiet: true}).Error(errors.Join(err, errors.New("and another")))
	golden(t, shown.String(), `
relink: deploy booking: sweep pool unix:/run/php/a.sock: worker 4711 busy for
  38s (GET /export.php): settle_timeout 30s passed
  and another
hint: look at
  /var/log/relink/a/path/that/is/longer/than/any/line/may/be/and/has/to/stay/whole/deploy.log
hint: wait until it ends, then run "relink opcache invalidate --release
  20240102T030405-v2" to have done with what it put back
`)
}

// Text of others, such as of a release's own PHP, cannot drive the terminal.
func TestErrorsAreSafeToShow(t *testing.T) {
	var shown screen
	ui.New(&shown, ui.Options{Width: 80}).Error(hint.With(errors.New("GET /\x1b]0;owned\ax:\n\tline two"), "see \x9b31m"))
	golden(t, shown.String(), "\nrelink: GET /\\x1b]0;owned\\x07x:\n  line two\nhint: see \\x9b31m\n")
}

func TestColors(t *testing.T) {
	var shown screen
	out := ui.New(&shown, ui.Options{Color: true})
	out.Step("warm", "ok", time.Second)
	out.Error(hint.With(errors.New("no"), "say yes"))
	c := out.Colors()
	out.Line("%s%s%s%s", c.Green("g"), c.Yellow("y"), c.Red("r"), c.Red(""))
	golden(t, shown.String(), "\n"+
		"  \x1b[1mwarm\x1b[0m          ok                                                           1 s\n"+
		"\x1b[31mrelink:\x1b[0m no\n\x1b[33mhint:\x1b[0m say yes\n"+
		"\x1b[32mg\x1b[0m\x1b[33my\x1b[0m\x1b[31mr\x1b[0m\n")
	if got := ui.Colors(false).Bold("b"); got != "b" {
		t.Errorf("coloured without colour: %q", got)
	}
}
