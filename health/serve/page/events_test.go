package page

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/health"
)

// listener is a client of the event stream.
type listener struct {
	t    *testing.T
	body *bufio.Reader
	stop context.CancelFunc
}

func serveWith(t *testing.T, src *Feed, l limits) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(newHandler(src, l))
	t.Cleanup(server.Close)
	return server
}

func listen(t *testing.T, url string) *listener {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(stop)
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	must(t, err)
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	t.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", answer.StatusCode, answer.Header)
	}
	return &listener{t, bufio.NewReader(answer.Body), stop}
}

// next is the next event.
func (l *listener) next() (kind, data string) {
	l.t.Helper()
	for {
		line, err := l.body.ReadString('\n')
		must(l.t, err)
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, "event: "):
			kind = line[7:]
		case strings.HasPrefix(line, "data: "):
			data = line[6:]
		case line == "" && kind != "":
			return kind, data
		}
	}
}

func (l *listener) update() (u update) {
	l.t.Helper()
	kind, data := l.next()
	for kind == "beat" {
		kind, data = l.next()
	}
	must(l.t, json.Unmarshal([]byte(data), &u))
	return u
}

func (u update) ids() []string {
	var ids []string
	for _, p := range u.Patches {
		ids = append(ids, p.ID)
	}
	return ids
}

// A page is sent all once, then what changed, and nothing that it has.
func TestEventsTellOnlyWhatChanged(t *testing.T) {
	s := fixture()
	feed := feedOf(t, s)
	server := serveWith(t, feed, defaultLimits)
	l := listen(t, server.URL+"/events")
	first := l.update()
	if want := []string{"summary", "checks", "fleet", "apps", "memory", "rates", "pools", "deploys"}; !slices.Equal(first.ids(), want) {
		t.Errorf("first %v, want %v", first.ids(), want)
	}
	if !first.Rates.Full || len(first.Rates.Times) != 360 || len(first.Rates.Marks) != 2 {
		t.Errorf("rates: full %v, %d times, %v", first.Rates.Full, len(first.Rates.Times), first.Rates.Marks)
	}
	same := listen(t, server.URL+"/events?version="+first.Version).update()
	if len(same.Patches) != 0 || !same.Rates.Full {
		t.Errorf("a page of this version is sent %v", same.ids())
	}
	s.Time, s.Pools = s.Time.Add(time.Second), slices.Clone(s.Pools)
	s.Pools[1].LatencyMS = 3
	s.Rates = withPoint(s.Rates, s.Time, 7)
	feed.Publish(s)
	second := l.update()
	if want := []string{"summary", idOf("pool", s.Pools[1].Address)}; !slices.Equal(second.ids(), want) {
		t.Errorf("then %v, want %v", second.ids(), want)
	}
	if second.Rates.Full || len(second.Rates.Times) != 1 || second.Version == first.Version {
		t.Errorf("then %+v", second.Rates)
	}
	s.Time, s.Pools = s.Time.Add(time.Second), s.Pools[1:]
	feed.Publish(s)
	if third := l.update(); !slices.Contains(third.ids(), "pools") {
		t.Errorf("after a pool has gone: %v", third.ids())
	}
}

// A stream lives on without news, also past the server's own timeouts.
func TestEventsBeat(t *testing.T) {
	l := defaultLimits
	l.beat = 50 * time.Millisecond
	server := httptest.NewUnstartedServer(newHandler(feedOf(t, fixture()), l))
	server.Config.ReadTimeout, server.Config.WriteTimeout = 500*time.Millisecond, 500*time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	client := listen(t, server.URL+"/events")
	client.update()
	for range 20 {
		if kind, data := client.next(); kind != "beat" || !strings.HasPrefix(data, `{"age":`) {
			t.Fatalf("%s %s", kind, data)
		}
	}
}

func TestEventsEndWithTheSource(t *testing.T) {
	feed := &Feed{}
	l := listen(t, serveWith(t, feed, defaultLimits).URL+"/events")
	l.update()
	feed.Close()
	if _, err := l.body.ReadByte(); err == nil {
		t.Error("the stream goes on")
	}
}

func TestEventsAreBounded(t *testing.T) {
	l := defaultLimits
	l.streams = 2
	server := serveWith(t, feedOf(t, fixture()), l)
	first := listen(t, server.URL+"/events")
	listen(t, server.URL+"/events").update()
	answer, err := http.Get(server.URL + "/events")
	must(t, err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("the third: %d %v", answer.StatusCode, answer.Header)
	}
	first.stop()
	await(t, func() bool {
		answer, err := http.Get(server.URL + "/events?version=")
		must(t, err)
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// await waits until something is so.
func await(t *testing.T, reached func() bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !reached() {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatal("it did not come")
		}
	}
}

// A client that does not read is dropped, and others do not wait for it.
func TestEventsDropSlowClients(t *testing.T) {
	s := fixture()
	s.Apps = []App{{Name: "shop", Instances: instancesOf("site", 1000, 0)}}
	feed := feedOf(t, s)
	l := defaultLimits
	l.streams, l.write = 2, 2*time.Second
	handler := newHandler(feed, l)
	ended := make(chan bool, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		ended <- r.URL.Query().Has("slow")
	}))
	t.Cleanup(server.Close)
	slow, err := net.Dial("tcp", server.Listener.Addr().String())
	must(t, err)
	defer slow.Close()
	_, err = fmt.Fprint(slow, "GET /events?slow HTTP/1.1\r\nHost: x\r\n\r\n")
	must(t, err)
	quick := listen(t, server.URL+"/events")
	for i := 0; ; i++ {
		quick.update() // its own context bounds this
		select {
		case wasSlow := <-ended:
			if !wasSlow {
				t.Error("the quick one was dropped")
			}
			return
		default:
		}
		s.Time = s.Time.Add(time.Second)
		s.Apps = []App{{Name: fmt.Sprint("shop", i), Instances: s.Apps[0].Instances}}
		feed.Publish(s)
	}
}

func TestFeed(t *testing.T) {
	feed := &Feed{}
	_, newer := feed.Newest()
	for i := range 3 {
		feed.Publish(Snapshot{Time: noon.Add(time.Duration(i)), Checks: []health.Result{}})
	}
	<-newer
	got, newer := feed.Newest()
	if got.Time != noon.Add(2) {
		t.Errorf("got %v", got.Time)
	}
	feed.Close()
	<-newer
	feed.Publish(Snapshot{})
	if _, newer := feed.Newest(); newer != nil {
		t.Error("a closed feed can be waited for")
	}
}
