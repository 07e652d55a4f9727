package probe

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
)

// Many sites are asked over a few connections, but not over one for all of them.
func TestAskAllKeepsConnectionsForAWhile(t *testing.T) {
	var connections, requests atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	const sites = 10 * perConnection
	doors := make([]Door, sites)
	for i := range doors {
		doors[i] = Door{Site: strconv.Itoa(i), URL: server.URL + "/", Name: "relink-x.php"}
	}
	heard := AskAll(t.Context(), doors, AtOnce)
	for i, one := range heard {
		if one.Door.Site != strconv.Itoa(i) || one.Err == nil {
			t.Errorf("site %d: %+v", i, one)
		}
	}
	if got := connections.Load(); requests.Load() != sites || got < sites/perConnection || got >= sites/perConnection+AtOnce {
		t.Errorf("%d connections, %d requests", got, requests.Load())
	}
}
