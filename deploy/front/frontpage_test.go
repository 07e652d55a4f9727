package front

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"relink/internal/config"
)

func TestWorse(t *testing.T) {
	instances := []config.Instance{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}, {Name: "e"}}
	before := map[string]Page{"a": {Status: 200}, "b": {Status: 302}, "c": {Status: 500}, "d": {Status: 404}, "e": {Status: 401}}
	if err := Worse(instances, before, before); err != nil {
		t.Error(err)
	}
	after := map[string]Page{"a": {Status: 500}, "b": {Err: errors.New("connection refused")}, "c": {Status: 503}, "d": {Status: 200}, "e": {Status: 401}}
	err := Worse(instances, before, after)
	if !errors.Is(err, ErrCheck) {
		t.Fatal(err)
	}
	for _, want := range []string{"a: status 200 before the switch, status 500 after it", "b: status 302 before the switch, connection refused after it"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
	for _, spared := range []string{"c:", "d:", "e:"} {
		if strings.Contains(err.Error(), spared) {
			t.Errorf("%q is in %q", spared, err)
		}
	}
}

func TestComparable(t *testing.T) {
	at := config.Probe{URL: "http://127.0.0.1/"}
	got := Compared([]config.Instance{
		{Name: "plain", Probe: at}, {Name: "checked", Probe: at, Check: &config.Check{}}, {Name: "off", Probe: at, Check: &config.Check{Off: true}},
		{Name: "unknown"}, {Name: "unprobed", Probe: config.Probe{Off: true}},
	})
	if len(got) != 1 || got[0].Name != "plain" {
		t.Errorf("%+v", got)
	}
}

// Pages of many sites come over a few connections. One that goes on for ever has told by its
// header how it is.
func TestPages(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "forever" {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write(make([]byte, restMost/2))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	var sites []config.Instance
	for i := range 40 {
		sites = append(sites, config.Instance{Name: strconv.Itoa(i), Probe: config.Probe{URL: server.URL}})
	}
	for name, page := range Pages(t.Context(), sites, 2) {
		if page.Status != http.StatusTeapot || page.Err != nil {
			t.Errorf("%s: %+v", name, page)
		}
	}
	if n := connections.Load(); n > 6 {
		t.Errorf("%d connections for %d pages", n, len(sites))
	}
	began := time.Now()
	forever := Pages(t.Context(), []config.Instance{{Name: "it", Probe: config.Probe{URL: server.URL, Host: "forever"}}}, 1)
	if !forever["it"].Well() || time.Since(began) >= frontPageTimeout {
		t.Errorf("%+v after %s", forever, time.Since(began))
	}
}
