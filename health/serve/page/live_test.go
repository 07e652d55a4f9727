package page

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"relink/deploy/journal"
	"relink/deploy/status"
	"relink/health"
	"relink/internal/browsertest"

	"github.com/chromedp/chromedp"
)

// later is the fixture a moment after, with everything in order.
func later() Snapshot {
	s := fixture()
	s.Time = noon.Add(5 * time.Second)
	s.Checks = []health.Result{{Check: "links", Subject: "mobile", Message: "2 links in order"}}
	s.Apps[0].Instances, s.Apps[0].Running = instancesOf("club", 30, 30), nil
	s.Rates = withPoint(s.Rates, s.Time, 360)
	s.Deploys = slices.Insert(s.Deploys, 0, Deploy{App: "booking", ID: "d4", Time: s.Time, Operation: journal.OperationDeploy, Release: newer, User: "deployer", Moved: 30,
		Steps: []journal.Step{{Name: "stage", MS: 900}, {Name: "switch", MS: 4}, {Name: "invalidate", MS: 3}, {Name: "settle", MS: 800}}, CutoverMS: 7.5, SavedBytes: 434 * mb})
	return s
}

const bookingTitle = `document.querySelector('#apps article h3').textContent.trim()`

// A roll-out, the checks, a deploy and the charts change on the open page, and
// what its reader has opened or focused stays as it is.
func TestPageShowsUpdates(t *testing.T) {
	feed := feedOf(t, fixture())
	b := open(t, feed, browsertest.Setup{})
	b.Want(bookingTitle, "booking 30 instances on 2 releases")
	b.Want(`String(charts.points())`, "360")
	browsertest.Eval[string](b, `(() => { const d = document.querySelector('#apps details'); d.open = true; d.querySelector('summary').focus(); return ''; })()`)
	feed.Publish(later())
	b.Until(bookingTitle, "booking 30 instances")
	b.Want(`document.querySelector('#apps summary strong').textContent`, "30 of 30")
	b.Want(`String(document.querySelectorAll('#apps article:first-of-type tbody tr').length)`, "30")
	b.Want(`String(document.querySelector('#apps details').open)`, "true")
	b.Want(`String(document.activeElement === document.querySelector('#apps summary'))`, "true")
	b.Want(`document.getElementById('checks-title').textContent`, "No open checks")
	b.Want(`document.getElementById('state').className`, "headline state-ok")
	b.Want(`document.querySelector('#deploys summary').textContent`, "Cut-over in 7.5 ms, 1.7 s in all, 4 steps")
	b.Want(`String(document.querySelectorAll('#deploys article').length)`, "4")
	b.Until(`String(charts.points())`, "361")
	b.Want(`document.getElementById('announcer').textContent`, "OK: 1 ok. booking: 30 of 30 on "+newer)
	b.WantQuiet()
}

// watch counts what an update touches.
const watch = `(() => { window.touched = 0; new MutationObserver(list => {
	for (const m of list) window.touched += Math.max(1, m.addedNodes.length + m.removedNodes.length);
}).observe(document.querySelector('main'), {subtree: true, childList: true, attributes: true, characterData: true}); return ''; })()`

// Of 1,000 instances that stay, nothing is drawn again; of one that moves, its row.
func TestPageOfManyInstances(t *testing.T) {
	s := fixture()
	s.Apps = []App{{Name: "shop", Instances: instancesOf("site", 1000, 10)}}
	feed := feedOf(t, s)
	b := open(t, feed, browsertest.Setup{})
	b.Screenshot("many")
	if n := browsertest.Eval[int](b, `document.querySelectorAll('*').length`); n > 6000 {
		t.Errorf("%d elements", n)
	}
	browsertest.Eval[string](b, watch)
	s.Time, s.Pools = s.Time.Add(time.Second), slices.Clone(s.Pools)
	s.Pools[0].Workers.Active = 7
	feed.Publish(s)
	b.Until(`document.querySelectorAll('#pools tbody tr')[1].querySelector('td').textContent`, "7 of 12 active")
	if n := browsertest.Eval[int](b, `window.touched`); n == 0 || n > 20 {
		t.Errorf("an update of one pool touches %d nodes", n)
	}
	s.Time, s.Apps = s.Time.Add(time.Second), []App{{Name: "shop", Instances: instancesOf("site", 1000, 11)}}
	feed.Publish(s)
	b.Until(`document.querySelector('#apps summary strong').textContent`, "11 of 1,000")
	if n := browsertest.Eval[int](b, `window.touched`); n > 80 {
		t.Errorf("with the move of one instance %d nodes were touched", n)
	}
	b.WantQuiet()
}

func TestPageFilters(t *testing.T) {
	s := fixture()
	s.Apps = []App{{Name: "shop", Instances: instancesOf("site", 1000, 10)}}
	feed := feedOf(t, s)
	b := open(t, feed, browsertest.Setup{})
	const shown = `[...document.querySelectorAll('#apps tbody tr')].filter(r => r.checkVisibility()).map(r => r.querySelector('th').textContent).join(' ')`
	b.Want(shown, "")
	b.Do(chromedp.SendKeys(chromedp.CSS("#filter"), "SITE99"))
	b.Until(`document.getElementById('filter-result').textContent`, "11 shown")
	b.Want(shown, "site99 site990 site991 site992 site993 site994 site995 site996 site997 site998 site999")
	s.Time, s.Apps = s.Time.Add(time.Second), []App{{Name: "shop", Instances: instancesOf("site", 1000, 995)}}
	feed.Publish(s)
	b.Until(`document.querySelector('#apps summary strong').textContent`, "995 of 1,000")
	b.Want(shown, "site99 site990 site991 site992 site993 site994 site995 site996 site997 site998 site999")
	browsertest.Eval[string](b, `(() => { const f = document.getElementById('filter'); f.value = ''; f.dispatchEvent(new Event('input', {bubbles: true})); return ''; })()`)
	b.Want(shown, "")
	b.WantQuiet()
}

// Every figure is there for those who switch scripts off.
func TestPageWithoutJavaScript(t *testing.T) {
	b := open(t, feedOf(t, fixture()), browsertest.Setup{NoScript: true})
	all := strings.Join(strings.Fields(browsertest.Eval[string](b, `document.body.textContent`)), " ")
	for _, want := range []string{"Reload the page", "CRITICAL", "bring a release live", "club30", older, newer, "/var/www/mobile-beta", "Sharing saves 497.5 MB", "99.8 %",
		"3 of 8 active", "nothing listens", "put back", "settle2.6 s", "cut-over"} {
		if !strings.Contains(all, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	b.Want(`String([...document.querySelectorAll('#filter-ui, #charts')].some(e => e.checkVisibility()))`, "false")
	b.Screenshot("noscript")
	b.WantQuiet()
}

// cutting can end the answers in progress.
type cutting struct {
	http.Handler
	mu    sync.Mutex
	stops []context.CancelFunc
}

func (c *cutting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, stop := context.WithCancel(r.Context())
	c.mu.Lock()
	c.stops = append(c.stops, stop)
	c.mu.Unlock()
	c.Handler.ServeHTTP(w, r.WithContext(ctx))
}

func (c *cutting) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, stop := range c.stops {
		stop()
	}
}

// After the service was away, the page finds it again and shows what is new.
func TestPageReconnects(t *testing.T) {
	feed := feedOf(t, fixture())
	h := &cutting{Handler: Handler(feed)}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	b := openAt(t, server.URL, browsertest.Setup{})
	h.cut()
	b.Until(`document.getElementById('live').className`, "lost")
	feed.Publish(later())
	b.Until(`document.getElementById('live').className`, "on")
	b.Want(bookingTitle, "booking 30 instances")
	b.Want(`String(charts.points())`, "361")
	b.WantQuiet()
}

// A release's name, a message and a user are text, whatever they hold.
func TestPageWithHostileNames(t *testing.T) {
	const evil = `</script><img src=x onerror=alert(1)>"'` + "\x00\x1b[31m\u202e\xff{{.}}"
	s := fixture()
	s.Host = evil
	s.Apps = []App{{Name: evil, Error: evil, Instances: []Instance{{Name: evil, Link: evil, Release: evil, Problem: evil}}, Running: &Running{Pending: status.Pending{Release: evil}, Holder: evil}}}
	s.Checks = []health.Result{{Check: evil, Subject: evil, State: health.Critical, Message: evil, Fix: evil, Details: []string{evil}}}
	s.Pools = []Pool{{Address: evil, Master: evil}, {Address: evil + "2", Error: evil}}
	s.Rates.HitRatio[0].Name = evil
	s.Deploys[0].App, s.Deploys[0].Release, s.Deploys[0].User, s.Deploys[0].Ref, s.Deploys[0].Steps = evil, evil, evil, evil, []journal.Step{{Name: evil, MS: 1}}
	s.Caches.Masters[0].Name = evil
	feed := feedOf(t, s)
	b := open(t, feed, browsertest.Setup{})
	s.Time = s.Time.Add(time.Second)
	s.Checks = append(s.Checks, health.Result{Check: "2", Subject: evil, State: health.Warning, Message: evil})
	feed.Publish(s)
	b.Until(`document.getElementById('checks-title').textContent`, "2 open checks")
	b.Want(`String(document.querySelectorAll('img, main script').length)`, "0")
	b.Want(`document.querySelector('#apps article h3 .name').textContent`, `</script><img src=x onerror=alert(1)>"'\x00\x1b[31m\xe2\x80\xae\xff{{.}}`)
	b.Want(`document.querySelector('#chart-hits .u-series:last-child .u-label').innerHTML.includes('<img') ? 'markup' : 'text'`, "text")
	b.WantQuiet()
}
