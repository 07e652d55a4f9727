package php_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"relink/fcgi"
	"relink/internal/sandbox"
	"relink/php"
	"relink/php/probe"
)

// testDoor runs the probe, and the agent through it, behind a web server that hands
// requests to the pool. (Package probe has the tests on real ones.)
func testDoor(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	secret := check[probe.Secret](t)(probe.EnsureSecret(t.TempDir()))
	root := p.release("r1", 1)
	if err := secret.Install(root, ".", "app", p.server.AgentDir()); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(p.behind(root))
	t.Cleanup(web.Close)
	door := secret.Door("app", web.URL, "club1.test")

	a := check[probe.Answer](t)(door.Ask(withTimeout(t)))
	if a.File != root+"/"+door.Name || a.Filename != a.File || a.SAPI != "fpm-fcgi" || a.CacheStart.IsZero() || a.ValidateTimestamps {
		t.Errorf("%+v", a)
	}
	through := p.Agent.ThroughDoor(door)
	swept := check[php.Worker](t)(through.Sweep(withTimeout(t)))
	if swept.PID != a.PID || swept.RealpathCache != 0 {
		t.Errorf("%+v, then %+v", a, swept)
	}
	got := check[[]php.CompiledFile](t)(through.Compile(withTimeout(t), []string{root + "/s0.php"}, 0))
	if len(got) != 1 || got[0].Outcome != php.Compiled {
		t.Errorf("%+v", got)
	}
	list := check[[]php.Script](t)(through.Scripts(withTimeout(t), []string{root}))
	if !slices.ContainsFunc(list, func(s php.Script) bool { return s.Path == a.File && s.Live }) {
		t.Errorf("the probe is not cached: %+v", list)
	}
	door.Token = strings.Repeat("0", 64)
	_, err := door.Ask(withTimeout(t))
	wantCause(t, err, probe.ErrHidden, "status 404, nothing")
}

// behind passes requests on as a web server does.
func (p pool) behind(root string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		params := map[string]string{"REQUEST_METHOD": r.Method, "HTTP_HOST": r.Host, "SCRIPT_NAME": r.URL.Path, "DOCUMENT_ROOT": root}
		for name, values := range r.Header {
			params["HTTP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = values[0]
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			p.t.Error(err)
		}
		params["CONTENT_LENGTH"] = strconv.Itoa(len(body))
		response, err := fcgi.Call(r.Context(), p.Pool().Address, fcgi.Request{Script: root + r.URL.Path, Params: params, Body: body})
		if err != nil {
			p.t.Error(err)
		}
		w.WriteHeader(response.Status)
		w.Write(response.Body)
	}
}
