package php_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/fcgi"
	"relink/internal/hint"
	"relink/internal/sandbox"
	"relink/php"
)

// Each cause that keeps the agent from its work has a name and a hint, and a
// message that says what is at fault.
func TestCauses(t *testing.T) {
	ini := func(pairs ...string) sandbox.Master {
		m := sandbox.Master{INI: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			m.INI[pairs[i]] = pairs[i+1]
		}
		return m
	}
	setting := func(name, value string) sandbox.Master {
		return sandbox.Master{Pools: []sandbox.Pool{{Name: "www", Workers: 1, Settings: map[string]string{name: value}}}}
	}
	status := func(ctx context.Context, a *php.Agent) error { _, err := a.Status(ctx); return err }
	ping := func(ctx context.Context, a *php.Agent) error { _, err := a.Ping(ctx); return err }
	sweep := func(ctx context.Context, a *php.Agent) error { _, err := a.Sweep(ctx); return err }
	invalidate := func(ctx context.Context, a *php.Agent) error {
		_, err := a.Invalidate(ctx, []string{strings.Repeat("x", 2000)}, 0)
		return err
	}
	cases := []struct {
		name    string
		master  sandbox.Master
		call    func(context.Context, *php.Agent) error
		want    error
		message string
	}{
		{"limit_extensions", setting("security.limit_extensions", ".phtml"), ping, php.ErrExtension, "relink-agent-"},
		{"open_basedir", ini("open_basedir", "/nonexistent"), ping, php.ErrOpenBasedir, "relink-agent-"},
		{"restrict_api", ini("opcache.restrict_api", "/srv/admin"), status, php.ErrRestrictAPI, "/srv/admin"},
		{"opcache.enable in the INI", ini("opcache.enable", "0"), status, php.ErrOPcacheOff, "opcache.enable"},
		{"opcache.enable in the pool", setting("php_admin_value[opcache.enable]", "0"), status, php.ErrOPcacheOff, "opcache.enable"},
		{"file_cache_only", ini("opcache.file_cache_only", "1", "opcache.file_cache", "/tmp"), status, php.ErrFileCacheOnly, "file_cache_only"},
		{"disabled opcache function", ini("disable_functions", "opcache_get_status,opcache_reset"), status, php.ErrFunctionDisabled, "opcache_get_status, opcache_reset"},
		{"disabled getmypid", ini("disable_functions", "getmypid"), ping, php.ErrFunctionDisabled, "getmypid"},
		{"disabled clearstatcache", ini("disable_functions", "clearstatcache"), sweep, php.ErrFunctionDisabled, "clearstatcache"},
		{"disabled ini_get", ini("disable_functions", "ini_get"), status, php.ErrFunctionDisabled, "ini_get"},
		{"small post_max_size", ini("post_max_size", "1K"), invalidate, nil, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := platform{}.start(t, c.master)
			wantCause(t, c.call(withTimeout(t), p.Agent), c.want, c.message)
		})
	}
}

func wantCause(t *testing.T, err, want error, message string) {
	t.Helper()
	if err == nil && want == nil {
		return
	}
	if !errors.Is(err, want) || !strings.Contains(err.Error(), message) {
		t.Errorf("%v\nwant %v with %q", err, want, message)
	}
	if len(hint.Of(err)) == 0 {
		t.Errorf("no hint with %v", err)
	}
}

// What hardened pools often disable is not what the agent needs for a sweep and
// an invalidation.
func TestUsefulFunctionsDisabled(t *testing.T) {
	p := platform{}.start(t, sandbox.Master{INI: map[string]string{
		"disable_functions":  "ini_set,set_time_limit,posix_getppid,realpath_cache_size,getenv",
		"variables_order":    "GPCS",
		"opcache.enable_cli": "0",
	}})
	root := p.release("r1", 1)
	p.get(root + "/s0.php")
	w := check[php.Worker](t)(p.Sweep(withTimeout(t)))
	if w.PID == 0 || w.ParentPID != 0 {
		t.Errorf("%+v", w)
	}
	got := check[php.InvalidateResult](t)(p.Invalidate(withTimeout(t), []string{root + "/s0.php"}, 0))
	if got.Invalidated != 1 {
		t.Errorf("%+v", got)
	}
}

func TestAgentNotVisible(t *testing.T) {
	p := platform{}.start(t, sandbox.Master{})
	hidden := newAgent(t, p.server, filepath.Join(p.server.Root(), "hidden"))
	entries, err := filepath.Glob(filepath.Join(p.server.Root(), "hidden", "*.php"))
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	if err := os.Chmod(entries[0], 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // else the pool runs as the caller, who can read it
		_, err = hidden.Ping(withTimeout(t))
		wantCause(t, err, php.ErrAgentUnreadable, entries[0])
		if hints := hint.Of(err); len(hints) != 1 || !strings.Contains(hints[0], "AppArmor or SELinux") {
			t.Errorf("hints %q", hints)
		}
	}
	if err := os.Remove(entries[0]); err != nil {
		t.Fatal(err)
	}
	_, err = hidden.Ping(withTimeout(t))
	wantCause(t, err, php.ErrAgentNotVisible, entries[0])
}

// The agent is no control page: it obeys only FastCGI parameters that a web
// client cannot send.
func TestAgentRefusesTheWeb(t *testing.T) {
	p := platform{}.start(t, sandbox.Master{})
	nonce := strings.Repeat("a", 32)
	for name, params := range map[string]map[string]string{
		"plain":    {},
		"headers":  {"HTTP_RELINK_OP": "ping", "HTTP_RELINK_NONCE": nonce},
		"query":    {"QUERY_STRING": "RELINK_OP=ping&RELINK_NONCE=" + nonce},
		"host":     {"HTTP_HOST": "example.org", "RELINK_OP": "ping", "RELINK_NONCE": nonce},
		"no nonce": {"RELINK_OP": "ping", "RELINK_NONCE": "x\n"},
	} {
		response, err := fcgi.Call(withTimeout(t), p.Pool().Address, fcgi.Request{Script: p.agentFile(), Params: params})
		if err != nil || response.Status != 404 || len(response.Body) != 0 {
			t.Errorf("%s: %v %d %q", name, err, response.Status, response.Body)
		}
	}
}

func TestLostBody(t *testing.T) {
	p := noisy(t, tempRoot(t), "<?php stream_wrapper_unregister('php');", nil)
	_, err := p.Scripts(withTimeout(t), nil)
	wantCause(t, err, php.ErrBodyLost, "0 of 12 bytes")
	check[php.Worker](t)(p.Sweep(withTimeout(t))) // needs none
}

func TestTwoAgentsSideBySide(t *testing.T) {
	p := platform{}.start(t, sandbox.Master{})
	other, err := php.InstallOther(p.server.AgentDir())
	if err != nil {
		t.Fatal(err)
	}
	response, err := fcgi.Call(withTimeout(t), p.Pool().Address, fcgi.Request{Script: other})
	if err != nil || string(response.Body) != "other" {
		t.Errorf("%v %q", err, response.Body)
	}
	check[php.Worker](t)(p.Ping(withTimeout(t)))
}
