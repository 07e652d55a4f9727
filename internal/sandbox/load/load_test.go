package load_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"relink/internal/sandbox/load"
)

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func body(data []byte, _ http.Header) string { return string(data) }

// atLeast closes the channel it gives when n requests have arrived.
func atLeast(n int64) (arrive func() int64, done chan struct{}) {
	var count atomic.Int64
	done = make(chan struct{})
	return func() int64 {
		now := count.Add(1)
		if now == n {
			close(done)
		}
		return now
	}, done
}

func wait(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-testContext(t).Done():
		t.Fatal("the load does not come")
	}
}

func TestEveryHostAndPathIsAsked(t *testing.T) {
	arrive, done := atLeast(60)
	var asked sync.Map
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Host+r.URL.Path, true)
		arrive()
		fmt.Fprint(w, "v1")
	})
	l, err := load.Run(testContext(t), load.Options{URL: url, Hosts: []string{"a", "b", "c"}, Paths: []string{"/1", "/2"}, Clients: 2, Release: body})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, done)
	r := l.Stop()
	for _, host := range []string{"a", "b", "c"} {
		for _, path := range []string{"/1", "/2"} {
			if _, ok := asked.Load(host + path); !ok {
				t.Errorf("%s%s was not asked", host, path)
			}
		}
	}
	if r.Errors != 0 || r.Requests < 58 || r.Answers("v1") != r.Requests || !r.End.After(r.Start) {
		t.Errorf("%d requests, %d of v1, %d errors %v", r.Requests, r.Answers("v1"), r.Errors, r.Described)
	}
	if again := l.Stop(); again.Requests != r.Requests || again.End != r.End {
		t.Error("a second Stop gives another result")
	}
}

func TestReleasesInTime(t *testing.T) {
	arrive, done := atLeast(20)
	var release atomic.Value
	release.Store("v1")
	var switched atomic.Pointer[time.Time]
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if arrive() == 10 {
			release.Store("v2")
			now := time.Now()
			switched.Store(&now)
		}
		fmt.Fprint(w, release.Load())
	})
	l, err := load.Run(testContext(t), load.Options{URL: url, Hosts: []string{"a"}, Release: body})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, done)
	r := l.Stop()
	cut := *switched.Load()
	if r.OldAfter(cut, "v1") != 0 || r.OldAfter(r.Start.Add(-time.Second), "v1") != 9 {
		t.Errorf("v1 after the switch: %d; v1 in all: %d", r.OldAfter(cut, "v1"), r.Answers("v1"))
	}
	if since := r.Seen(cut); len(since) != 1 || since[0].Release != "v2" || r.Errors != 0 {
		t.Errorf("since the switch %+v", since)
	}
	seen := r.Seen(time.Time{})
	if len(seen) != 2 || seen[0].Release != "v1" || seen[0].Answers != 9 || seen[1].Release != "v2" || seen[1].First.Before(cut) || seen[0].Last.After(seen[1].First) {
		t.Errorf("seen %+v, switched %s", seen, cut)
	}
}

func TestErrors(t *testing.T) {
	arrive, done := atLeast(9)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/503":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/reset":
			panic(http.ErrAbortHandler)
		case "/redirect":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/good":
			fmt.Fprint(w, "v1")
		}
		arrive()
	})
	l, err := load.Run(testContext(t), load.Options{URL: url, Hosts: []string{"a"}, Paths: []string{"/503", "/reset", "/redirect", "/empty", "/good"}, Release: body})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, done)
	r := l.Stop()
	if r.Errors == 0 || r.Errors+r.Answers("v1") != r.Requests {
		t.Errorf("%d requests, %d errors, %d answers", r.Requests, r.Errors, r.Answers("v1"))
	}
	all := strings.Join(r.Described, "\n")
	for _, want := range []string{"a/503: status 503", "a/reset: ", "a/redirect: status 302", "a/empty: the answer does not tell its release"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not among the errors:\n%s", want, all)
		}
	}
}

func TestWhatStopCutsOffIsNoError(t *testing.T) {
	arrive, done := atLeast(1)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrive()
		<-r.Context().Done()
	})
	l, err := load.Run(testContext(t), load.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, done)
	if r := l.Stop(); r.Requests != 0 || r.Errors != 0 {
		t.Errorf("%d requests, errors %v", r.Requests, r.Described)
	}
}

func TestWorst(t *testing.T) {
	arrive, done := atLeast(5)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrive()
		fmt.Fprint(w, "v1")
	})
	l, err := load.Run(testContext(t), load.Options{URL: url, Release: body})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, done)
	r := l.Stop()
	if worst := r.Between(r.Start, r.End).Wait(1); worst <= 0 || worst > r.End.Sub(r.Start) {
		t.Errorf("worst %s", worst)
	}
	if before := r.Between(r.Start.Add(-2*time.Hour), r.Start.Add(-time.Hour)).Wait(1); before != 0 {
		t.Errorf("a request of %s before the load", before)
	}
}

func TestBadURL(t *testing.T) {
	if _, err := load.Run(testContext(t), load.Options{URL: "nonsense"}); err == nil {
		t.Error("a load on nonsense runs")
	}
}

// Requests of an open loop begin at their times also while nobody is answered.
func TestOpenLoop(t *testing.T) {
	const many = 12
	arrive, done := atLeast(many)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrive()
		<-done // a client that waits for its answer would never ask so often
		fmt.Fprint(w, "v1")
	})
	l, err := load.Run(testContext(t), load.Options{URL: url, Rate: 200, Release: body})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Stop()
	wait(t, done)
}
