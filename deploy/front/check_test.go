package front

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"relink/internal/config"
)

func TestCheckInstances(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/endless":
			for chunk := strings.Repeat("x", 1<<16); ; {
				if _, err := w.Write([]byte(chunk)); err != nil {
					return
				}
			}
		default:
			fmt.Fprintf(w, "%s serves v2", r.Host)
		}
	}))
	defer server.Close()
	at := func(path string, check config.Check) config.Instance {
		check.URL, check.Status, check.Timeout = server.URL+path, cmp.Or(check.Status, http.StatusOK), 10*time.Second
		return config.Instance{Name: "club1", Check: &check}
	}
	for name, c := range map[string]struct {
		instance config.Instance
		want     string
	}{
		"no check":          {config.Instance{Name: "club1"}, ""},
		"as expected":       {at("/", config.Check{Host: "club1.example.org", Contains: "club1.example.org serves v2"}), ""},
		"another host":      {at("/", config.Check{Contains: "club1.example.org"}), `"club1.example.org" is not in`},
		"another status":    {at("/moved", config.Check{}), "status 302, want 200"},
		"a wanted status":   {at("/moved", config.Check{Status: 302}), ""},
		"an endless body":   {at("/endless", config.Check{Contains: "y"}), "is not in the first 1048576 bytes"},
		"nobody listens":    {config.Instance{Name: "club1", Check: &config.Check{URL: "http://127.0.0.1:1/", Timeout: 10 * time.Second}}, "connection refused"},
		"an impossible url": {config.Instance{Name: "club1", Check: &config.Check{URL: ":", Timeout: 10 * time.Second}}, "missing protocol scheme"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Check(t.Context(), []config.Instance{{Name: "other"}, c.instance}, 2)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v", err)
			case c.want != "" && (!errors.Is(err, ErrCheck) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "club1")):
				t.Errorf("got %v, want ErrCheck with %q", err, c.want)
			}
		})
	}
}

// The site is asked by its name, over TLS too, at whatever address it is reached.
func TestCheckOverTLSNamesTheSite(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s by SNI %s", r.Host, r.TLS.ServerName)
	}))
	defer server.Close()
	check := config.Check{URL: server.URL, Host: "club1.example.org", Contains: "club1.example.org by SNI club1.example.org", Status: http.StatusOK, Timeout: 10 * time.Second}
	if err := Check(t.Context(), []config.Instance{{Name: "club1", Check: &check}}, 2); err != nil {
		t.Error(err)
	}
	pages := Pages(t.Context(), []config.Instance{{Name: "club2", Probe: config.Probe{URL: server.URL, Host: "club2.example.org"}}}, 2)
	if !pages["club2"].Well() {
		t.Error(pages)
	}
}
