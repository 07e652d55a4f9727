package report

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/browsertest"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestMain(m *testing.M) { os.Exit(browsertest.Main(m)) }

func openReport(t *testing.T, r *Report, s browsertest.Setup) *browsertest.Browser {
	t.Helper()
	page := filepath.Join(t.TempDir(), "report.html")
	file, err := os.Create(page)
	must(t, err)
	must(t, r.HTML(file))
	must(t, file.Close())
	return browsertest.Open(t, (&url.URL{Scheme: "file", Path: page}).String(), s)
}

const where = `[...document.querySelectorAll('#crumbs button')].map(b => b.textContent).join(' > ')`

// clickFrame clicks the name of the first folder that is drawn with what is in it.
func clickFrame(t *testing.T, b *browsertest.Browser) {
	t.Helper()
	b.Do(chromedp.ScrollIntoView(chromedp.CSS("#treemap")))
	at := browsertest.Eval[[]float64](b, `(() => { const r = document.querySelector('#treemap .frame').getBoundingClientRect(); return [r.left + 20, r.top + 8]; })()`)
	b.Do(chromedp.MouseClickXY(at[0], at[1]))
}

func TestPageZoomsByClickAndKeyboard(t *testing.T) {
	b := openReport(t, fixedReport(t), browsertest.Setup{})
	b.Want(where, "OPcache")
	clickFrame(t, b)
	b.Want(where, "OPcache > booking")
	clickFrame(t, b)
	b.Want(where, "OPcache > booking > 20260314-120000-v2")
	b.Do(chromedp.Click(chromedp.CSS(`#up`)))
	b.Do(chromedp.Click(chromedp.CSS(`#crumbs button`)))
	b.Want(where, "OPcache")

	b.Want(`document.activeElement.className.split(' ')[0]`, "cell")
	b.Do(chromedp.KeyEvent(kb.Enter))
	b.Want(where, "OPcache > booking")
	first := browsertest.Eval[string](b, `document.activeElement.getAttribute('aria-label')`)
	b.Do(chromedp.KeyEvent(kb.ArrowRight))
	second := browsertest.Eval[string](b, `document.activeElement.getAttribute('aria-label')`)
	if second == first {
		t.Errorf("the arrow keys stay at %q", first)
	}
	b.Want(`document.getElementById('detail').textContent + (document.activeElement.matches('.frame') ? ', opens' : '')`, second)
	b.Do(chromedp.KeyEvent(kb.Escape))
	b.Want(where, "OPcache")
	b.Do(chromedp.KeyEvent(kb.Escape))
	b.Want(where, "OPcache")
	b.WantQuiet()
}

func TestPageDescribesItself(t *testing.T) {
	b := openReport(t, fixedReport(t), browsertest.Setup{})
	if n := browsertest.Eval[int](b, `document.querySelectorAll('.cell:not([aria-label])').length`); n != 0 {
		t.Errorf("%d cells without a name", n)
	}
	if n := browsertest.Eval[int](b, `document.querySelectorAll('#treemap [tabindex="0"]').length`); n != 1 {
		t.Errorf("%d tab stops in the map, want 1", n)
	}
	b.WantQuiet()
}

// Every figure is there for those who switch scripts off.
func TestPageWithoutJavaScript(t *testing.T) {
	b := openReport(t, fixedReport(t), browsertest.Setup{NoScript: true})
	text := b.Text("main")
	for _, want := range []string{"20260314-120000-v2", "/usr/share/php", "opcache.memory_consumption = ", "nobody is listening", "needs JavaScript"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	b.WantQuiet()
}

// A name of a file is text, whatever it holds.
func TestPageWithHostileNames(t *testing.T) {
	b := openReport(t, fixedReport(t), browsertest.Setup{})
	if n := browsertest.Eval[int](b, `document.querySelectorAll('script').length`); n != 2 {
		t.Errorf("%d script elements, want 2", n)
	}
	names := browsertest.Eval[[]string](b, `(() => { const out = [], visit = n => { out.push(n.n); (n.c || []).forEach(visit); };
		visit(JSON.parse(document.getElementById('tree').textContent)); return out; })()`)
	all := strings.Join(names, "\n")
	for _, want := range []string{"script>alert(1)<", `a\x1b[31mred.php`, `not\xffutf8.php`, `line\x0abreak.php`, `{{.}}&amp;.php`} {
		if !strings.Contains(all, want) {
			t.Errorf("no node is named %q", want)
		}
	}
	b.WantQuiet()
}

// 50,000 scripts are no 50,000 elements, and the smallest can still be reached.
func TestPageOfManyScripts(t *testing.T) {
	sample, apps := manyScripts(50000)
	b := openReport(t, Build(sample, nil, apps, Options{}), browsertest.Setup{})
	if n := browsertest.Eval[int](b, `document.querySelectorAll('*').length`); n > 3000 {
		t.Errorf("%d elements", n)
	}
	files := browsertest.Eval[int](b, `JSON.parse(document.getElementById('tree').textContent).f`)
	if files != 50000 {
		t.Errorf("the map counts %d files", files)
	}
	b.Screenshot("many")
	for range 4 {
		clickFrame(t, b)
		if n := browsertest.Eval[int](b, `document.querySelectorAll('.cell').length`); n == 0 || n > 800 {
			t.Errorf("%d cells", n)
		}
	}
	b.WantQuiet()
}

// The page fits the narrowest phone and both colour schemes.
func TestPageLooks(t *testing.T) {
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 390} {
			t.Run(fmt.Sprintf("%s-%d", scheme, width), func(t *testing.T) {
				b := openReport(t, fixedReport(t), browsertest.Setup{Width: width, Scheme: scheme})
				if n := browsertest.Eval[int64](b, `document.documentElement.scrollWidth`); n > width {
					t.Errorf("the page is %d wide on a screen of %d", n, width)
				}
				b.Screenshot(fmt.Sprintf("%s-%d", scheme, width))
				b.WantQuiet()
			})
		}
	}
}
