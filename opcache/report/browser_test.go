package report

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
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
	"github.com/chromedp/chromedp/kb"
)

var screenshots = flag.String("screenshots", "", "folder to keep the page's screenshots in")

// browser is a headless Chromium that shows one report.
type browser struct {
	t    *testing.T
	ctx  context.Context
	page string

	mu       sync.Mutex
	problems []string // errors on the console and requests to anywhere
}

// setup is what a test changes before the page is opened.
type setup struct {
	width    int64
	scheme   string // "light" or "dark"
	noScript bool
}

func openReport(t *testing.T, r *Report, s setup) *browser {
	t.Helper()
	b := &browser{t: t, page: filepath.Join(t.TempDir(), "report.html")}
	file, err := os.Create(b.page)
	must(t, err)
	must(t, r.HTML(file))
	must(t, file.Close())
	b.start()
	send(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: s.noScript})
	send(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s.scheme}}})
	b.do(chromedp.EmulateViewport(cmp.Or(s.width, 1280), 900), chromedp.Navigate(b.url()))
	return b
}

func (b *browser) url() string { return (&url.URL{Scheme: "file", Path: b.page}).String() }

func (b *browser) start() {
	b.t.Helper()
	path := findChromium(b.t)
	profile, err := os.MkdirTemp("", "relink-browser")
	must(b.t, err)
	b.t.Cleanup(func() {
		if err := os.RemoveAll(profile); err != nil {
			b.t.Error(err)
		}
	})
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	b.t.Cleanup(stop)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(profile), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, stop = chromedp.NewExecAllocator(ctx, options...)
	b.t.Cleanup(stop)
	b.ctx, stop = chromedp.NewContext(ctx, chromedp.WithListener(b.listen))
	b.t.Cleanup(stop)
	b.t.Cleanup(func() {
		if err := chromedp.Cancel(b.ctx); err != nil {
			b.t.Error(err)
		}
	})
	b.do()
	send(b, network.Enable, network.EnableParams{})
	send(b, log.Enable, cdp.Empty{})
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	must(b.t, chromedp.Do(b.ctx, steps...))
}

func run[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, action)
	must(b.t, err)
	return value
}

func send[P, R any](b *browser, command cdp.Command[P, R], params P) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, command, params)
	must(b.t, err)
}

func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no Chromium: install the package chromium")
	return ""
}

func (b *browser) listen(event any) {
	problem := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		problem = fmt.Sprintf("console.%s %v", e.Type, e.Args)
	case *log.EventEntryAdded:
		problem = e.Entry.Text
	case *network.EventRequestWillBeSent:
		if e.Request.URL != b.url() && !strings.HasPrefix(e.Request.URL, "data:") {
			problem = "request of " + e.Request.URL
		}
	}
	if problem != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.problems = append(b.problems, problem)
	}
}

// eval gives the value of a JavaScript expression.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	return run(b, chromedp.Evaluate[T](expression))
}

func (b *browser) wantQuiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, problem := range b.problems {
		b.t.Error(problem)
	}
}

func (b *browser) want(expression, want string) {
	b.t.Helper()
	if got := eval[string](b, expression); got != want {
		b.t.Errorf("%s is %q, want %q", expression, got, want)
	}
}

// keepScreenshot is for people: run with -screenshots and look.
func (b *browser) keepScreenshot(name string) {
	b.t.Helper()
	png := run(b, chromedp.FullScreenshot(100))
	if *screenshots != "" {
		must(b.t, os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o644))
	}
}

const where = `[...document.querySelectorAll('#crumbs button')].map(b => b.textContent).join(' > ')`

// clickFrame clicks the name of the first folder that is drawn with what is in it.
func (b *browser) clickFrame() {
	b.t.Helper()
	b.do(chromedp.ScrollIntoView(chromedp.CSS("#treemap")))
	at := eval[[]float64](b, `(() => { const r = document.querySelector('#treemap .frame').getBoundingClientRect(); return [r.left + 20, r.top + 8]; })()`)
	b.do(chromedp.MouseClickXY(at[0], at[1]))
}

func TestPageZoomsByClickAndKeyboard(t *testing.T) {
	b := openReport(t, fixedReport(t), setup{})
	b.want(where, "OPcache")
	b.clickFrame()
	b.want(where, "OPcache > booking")
	b.clickFrame()
	b.want(where, "OPcache > booking > 20260314-120000-v2")
	b.do(chromedp.Click(chromedp.CSS(`#up`)))
	b.do(chromedp.Click(chromedp.CSS(`#crumbs button`)))
	b.want(where, "OPcache")

	b.want(`document.activeElement.className.split(' ')[0]`, "cell")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.want(where, "OPcache > booking")
	first := eval[string](b, `document.activeElement.getAttribute('aria-label')`)
	b.do(chromedp.KeyEvent(kb.ArrowRight))
	second := eval[string](b, `document.activeElement.getAttribute('aria-label')`)
	if second == first {
		t.Errorf("the arrow keys stay at %q", first)
	}
	b.want(`document.getElementById('detail').textContent + (document.activeElement.matches('.frame') ? ', opens' : '')`, second)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.want(where, "OPcache")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.want(where, "OPcache")
	b.wantQuiet()
}

func TestPageDescribesItself(t *testing.T) {
	b := openReport(t, fixedReport(t), setup{})
	if n := eval[int](b, `document.querySelectorAll('.cell:not([aria-label])').length`); n != 0 {
		t.Errorf("%d cells without a name", n)
	}
	if n := eval[int](b, `document.querySelectorAll('#treemap [tabindex="0"]').length`); n != 1 {
		t.Errorf("%d tab stops in the map, want 1", n)
	}
	b.wantQuiet()
}

// Every figure is there for those who switch scripts off.
func TestPageWithoutJavaScript(t *testing.T) {
	b := openReport(t, fixedReport(t), setup{noScript: true})
	text := run(b, chromedp.Text(chromedp.CSS("main")))
	for _, want := range []string{"20260314-120000-v2", "/usr/share/php", "opcache.memory_consumption = ", "nobody is listening", "needs JavaScript"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	b.wantQuiet()
}

// A name of a file is text, whatever it holds.
func TestPageWithHostileNames(t *testing.T) {
	b := openReport(t, fixedReport(t), setup{})
	if n := eval[int](b, `document.querySelectorAll('script').length`); n != 2 {
		t.Errorf("%d script elements, want 2", n)
	}
	names := eval[[]string](b, `(() => { const out = [], visit = n => { out.push(n.n); (n.c || []).forEach(visit); };
		visit(JSON.parse(document.getElementById('tree').textContent)); return out; })()`)
	all := strings.Join(names, "\n")
	for _, want := range []string{"script>alert(1)<", `a\x1b[31mred.php`, `not\xffutf8.php`, `line\x0abreak.php`, `{{.}}&amp;.php`} {
		if !strings.Contains(all, want) {
			t.Errorf("no node is named %q", want)
		}
	}
	b.wantQuiet()
}

// 50,000 scripts are no 50,000 elements, and the smallest can still be reached.
func TestPageOfManyScripts(t *testing.T) {
	sample, apps := manyScripts(50000)
	b := openReport(t, Build(sample, nil, apps, Options{}), setup{})
	if n := eval[int](b, `document.querySelectorAll('*').length`); n > 3000 {
		t.Errorf("%d elements", n)
	}
	files := eval[int](b, `JSON.parse(document.getElementById('tree').textContent).f`)
	if files != 50000 {
		t.Errorf("the map counts %d files", files)
	}
	b.keepScreenshot("many")
	for range 4 {
		b.clickFrame()
		if n := eval[int](b, `document.querySelectorAll('.cell').length`); n == 0 || n > 800 {
			t.Errorf("%d cells", n)
		}
	}
	b.wantQuiet()
}

// The page fits the narrowest phone and both colour schemes.
func TestPageLooks(t *testing.T) {
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 390} {
			t.Run(fmt.Sprintf("%s-%d", scheme, width), func(t *testing.T) {
				b := openReport(t, fixedReport(t), setup{width: width, scheme: scheme})
				if n := eval[int64](b, `document.documentElement.scrollWidth`); n > width {
					t.Errorf("the page is %d wide on a screen of %d", n, width)
				}
				b.keepScreenshot(fmt.Sprintf("%s-%d", scheme, width))
				b.wantQuiet()
			})
		}
	}
}
