package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"relink/internal/hint"
	"relink/internal/pace"
	"relink/internal/sandbox/app"
	"relink/internal/sandbox/load"

	"github.com/google/go-cmp/cmp"
)

// serve answers with what the current phase says.
func serve(t *testing.T, phase *atomic.Value) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		release := phase.Load().(string)
		if release == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, release)
	}))
	t.Cleanup(server.Close)
	return server
}

// more waits until the load has seen some further answers.
func more(t *testing.T, l *load.Load) load.Result {
	t.Helper()
	from := l.Result().Requests
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for l.Result().Requests < from+5 {
		if err := pace.Wait(ctx, time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	return l.Result()
}

func TestMeasure(t *testing.T) {
	var phase atomic.Value
	phase.Store("v1")
	server := serve(t, &phase)
	l, err := load.Run(t.Context(), load.Options{URL: server.URL, Release: func(body []byte, _ http.Header) string { return string(body) }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Stop()
	before := more(t, l)
	at := span{began: time.Now()}
	more(t, l)
	for _, next := range []string{"", app.Mixed, "v2"} {
		phase.Store(next)
		more(t, l)
	}
	at.returned = time.Now()
	good := measure(before, more(t, l), at, expectation{gone: "v1", never: "v3"})
	phase.Store("v1")
	more(t, l)
	after := l.Stop()
	bad := measure(before, after, at, expectation{gone: "v1", never: "v2"})

	if good.Old != 0 || good.Strayed != 0 || good.Errors == 0 || good.Mixed == 0 || good.Worst <= 0 || !strings.Contains(good.first, "503") {
		t.Errorf("good: %+v", good)
	}
	if bad.Old == 0 || bad.Strayed == 0 || bad.Requests != after.Requests-before.Requests {
		t.Errorf("bad: %+v", bad)
	}
	later := after.End.Add(time.Hour)
	none := measure(after, after, span{later, later}, expectation{})
	if diff := cmp.Diff(figures{}, none, cmp.AllowUnexported(figures{})); diff != "" {
		t.Errorf("nothing happened: %s", diff)
	}
	both := measureAll([]load.Result{before, before}, []load.Result{after, after}, at, expectation{gone: "v1"}, expectation{never: "v2"})
	if both.Old != bad.Old || both.Strayed != bad.Strayed || both.Requests != 2*bad.Requests || both.Errors != 2*bad.Errors {
		t.Errorf("both: %+v, one: %+v", both, bad)
	}
}

func TestLost(t *testing.T) {
	if n := lost([]int{1, 2, 3}, []int{3, 4, 1}); n != 1 {
		t.Errorf("lost %d", n)
	}
}

func TestMeet(t *testing.T) {
	report := exampleReport(2) // links move from 2,410.6 ms on, the cut-over is over at 2,423.8 ms
	for _, c := range []struct {
		began, ended time.Duration
		want         meeting
	}{
		{2100 * ms, 7100 * ms, outlasted},
		{2100 * ms, 2415 * ms, waitedFor},
		{0, 2 * time.Second, missed},
		{2411 * ms, 7 * time.Second, missed},
	} {
		if got := meet(c.began, c.ended, report); got != c.want {
			t.Errorf("from %s to %s: %d, want %d", c.began, c.ended, got, c.want)
		}
	}
}

// Each promise can be broken, and each is told.
func TestPromises(t *testing.T) {
	if err := promise(exampleActs(), Keyed, "advice"); err != nil {
		t.Errorf("all held: %v", err)
	}
	err := promise([]act{brokenAct()}, Keyed, "advice")
	if !errors.Is(err, ErrPromise) || !slices.Contains(hint.Of(err), "advice") {
		t.Errorf("%v", err)
	}
	for _, want := range []string{
		"2 requests failed, the first: club3.test/doku.php: status 503", "211 pages of the old release", "1 page of a release that the site should not be on",
		"3 pages put together", "8 of PHP-FPM's processes ended", "29 of 30 links lead to the release", "2 links of other sites moved", "the cache was restarted: [--reset always]",
		"the cut-over waited", "29 of 30 sites were asked", `relink took the set-up for "revalidated"`, `is of release "mixed"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told in: %v", want, err)
		}
	}
}

func TestMissing(t *testing.T) {
	if err := missingError(nil, nil, true); err != nil {
		t.Error(err)
	}
	err := missingError([]string{"Apache", "git"}, []string{"apache2-bin", "git"}, true)
	want := "as root run: apt-get update && apt-get install --no-install-recommends apache2-bin git"
	if err == nil || err.Error() != "demo: missing: Apache, git" || !slices.Equal(hint.Of(err), []string{want}) {
		t.Errorf("%v %q", err, hint.Of(err))
	}
	if err := missingError(nil, nil, false); err == nil || !strings.Contains(err.Error(), "apt-get") {
		t.Errorf("no Debian: %v", err)
	}
}
