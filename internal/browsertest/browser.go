// Package browsertest drives a headless Chromium in tests, one for all tests of a package.
// A missing Chromium fails them.
package browsertest

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Only tests import this package, so that only their binaries have the flag.
var screenshots = flag.String("screenshots", "", "folder to keep the page's screenshots in")

// Browser is a window that shows one page.
type Browser struct {
	t   *testing.T
	ctx context.Context
	url string

	mu       sync.Mutex
	loads    int      // of the page itself
	problems []string // errors on the console and requests to anywhere else
}

// Setup is what a test changes before the page is opened.
type Setup struct {
	Width    int64  // pixels; 0: 1280
	Scheme   string // "light" (the default) or "dark"
	NoScript bool
}

// Open shows the page at url: a file, or what ends with a slash, below which the
// page may ask for more. The window closes with the test. TestMain has to be Main.
func Open(t *testing.T, url string, s Setup) *Browser {
	t.Helper()
	b := &Browser{t: t, url: url}
	b.start()
	send(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: s.NoScript})
	send(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: cmp.Or(s.Scheme, "light")}}})
	b.Do(chromedp.EmulateViewport(cmp.Or(s.Width, 1280), 900), chromedp.Navigate(b.url))
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start opens a window with a profile of its own.
func (b *Browser) start() {
	b.t.Helper()
	process.once.Do(process.start)
	must(b.t, process.err)
	ctx, stop := context.WithTimeout(process.ctx, 90*time.Second)
	b.t.Cleanup(stop)
	b.ctx, stop = chromedp.NewContext(ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	b.t.Cleanup(stop)
	b.t.Cleanup(func() {
		if err := chromedp.Cancel(b.ctx); err != nil {
			b.t.Error(err)
		}
	})
	b.Do()
	send(b, network.Enable, network.EnableParams{})
	send(b, log.Enable, cdp.Empty{})
	send(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
}

// Do takes steps; a step that fails ends the test.
func (b *Browser) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	must(b.t, chromedp.Do(b.ctx, steps...))
}

func run[T any](b *Browser, action chromedp.Action[T]) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, action)
	must(b.t, err)
	return value
}

func send[P, R any](b *Browser, command cdp.Command[P, R], params P) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, command, params)
	must(b.t, err)
}

func (b *Browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, fmt.Sprint(e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		b.problems = append(b.problems, fmt.Sprintf("console.%s %v", e.Type, e.Args))
	case *log.EventEntryAdded:
		b.problems = append(b.problems, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		if e.Request.URL == b.url {
			b.loads++
		} else if !strings.HasPrefix(e.Request.URL, b.url) && !strings.HasPrefix(e.Request.URL, "data:") {
			b.problems = append(b.problems, "request of "+e.Request.URL)
		}
	}
}

// Eval gives the value of a JavaScript expression.
func Eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	return run(b, chromedp.Evaluate[T](expression))
}

// Want compares the value of an expression.
func (b *Browser) Want(expression, want string) {
	b.t.Helper()
	if got := Eval[string](b, expression); got != want {
		b.t.Errorf("%s is %q, want %q", expression, got, want)
	}
}

// Until waits for an expression's value.
func (b *Browser) Until(expression, want string) {
	b.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	ctx, stop := context.WithTimeout(b.ctx, 20*time.Second)
	defer stop()
	for {
		got := Eval[string](b, expression)
		if got == want {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			b.t.Fatalf("%s stays %q, want %q; %v", expression, got, want, b.problems)
		}
	}
}

// Text is what the first element of a CSS selector shows, also without scripts.
func (b *Browser) Text(selector string) string {
	b.t.Helper()
	return run(b, chromedp.Text(chromedp.CSS(selector)))
}

// WantQuiet is for the end of a test: no error, no foreign request, no reload.
func (b *Browser) WantQuiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, problem := range b.problems {
		b.t.Error(problem)
	}
	if b.loads != 1 {
		b.t.Errorf("the page was loaded %d times", b.loads)
	}
}

// Screenshot is for people: run with -screenshots and look.
func (b *Browser) Screenshot(name string) {
	b.t.Helper()
	png := run(b, chromedp.FullScreenshot(100))
	if *screenshots != "" {
		must(b.t, os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o644))
	}
}

// Picture writes what the browser shows of the page into a file.
func (b *Browser) Picture(file string) {
	b.t.Helper()
	must(b.t, os.WriteFile(file, run(b, chromedp.CaptureScreenshot()), 0o644))
}
