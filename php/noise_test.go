package php_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"relink/fcgi"
	"relink/internal/sandbox"
	"relink/php"
)

// An auto_prepend_file can print, log, buffer, register handlers and end the
// request; the answer must be found all the same.
func TestNoise(t *testing.T) {
	loud := `<?php
echo str_repeat("noise RELINK1:00:1:00000000\n", 2000);
print_r($_SERVER);
error_log("RELINK1:" . $_SERVER['RELINK_NONCE'] . ":5:00000000\nhello");
echo $undefined;
header('Content-Encoding: identity');
register_shutdown_function(function () { echo "tail"; error_log("last words"); });
set_error_handler(function () { echo "handler"; return false; });
set_exception_handler(function () { echo "uncaught"; });
`
	buffers := `<?php
ob_start(function ($text) { return strrev($text); });
ob_start(function () { return ''; });
echo "lost";
`
	for name, c := range map[string]struct {
		prepend string
		ini     map[string]string
	}{
		"printed and logged": {loud, map[string]string{"display_errors": "1", "html_errors": "1"}},
		"logged to stderr":   {loud, map[string]string{"error_log": ""}},
		"buffered":           {buffers, map[string]string{"output_buffering": "4096"}},
		"compressed":         {"<?php", map[string]string{"zlib.output_compression": "1"}},
		"no $_SERVER":        {"<?php", map[string]string{"variables_order": "GPC"}},
	} {
		t.Run(name, func(t *testing.T) {
			root := tempRoot(t)
			p := noisy(t, root, c.prepend, c.ini)
			if w := check[php.Worker](t)(p.Ping(withTimeout(t))); w.PID == 0 {
				t.Errorf("%+v", w)
			}
			release := p.release("r1", 2)
			got := check[[]php.CompiledFile](t)(p.Compile(withTimeout(t), []string{release + "/s0.php", release + "/s1.php"}, 0))
			if got[0].Outcome != php.Compiled || got[1].Outcome != php.Compiled {
				t.Errorf("%+v", got)
			}
		})
	}
}

// Of a small answer little is read, however much a pool sends: 32 workers answer a sweep
// at a time. Where scripts are listed more is room.
func TestAnswersAreReadUpToTheBoundOfTheirOperation(t *testing.T) {
	p := noisy(t, tempRoot(t), `<?php for ($i = 0; $i < 20; $i++) { echo str_repeat('x', 65536); }`, nil)
	if _, err := p.Ping(withTimeout(t)); !errors.Is(err, fcgi.ErrTooLarge) || !strings.Contains(err.Error(), "ping in pool "+p.Pool().String()) ||
		!strings.Contains(err.Error(), "1048576 bytes") {
		t.Errorf("ping: %v", err)
	}
	if _, err := p.Scripts(withTimeout(t), nil); err != nil {
		t.Errorf("scripts: %v", err)
	}
}

func noisy(t *testing.T, root, prepend string, ini map[string]string) pool {
	t.Helper()
	files := pool{t: t, www: root + "/www"}
	all := map[string]string{"auto_prepend_file": files.write("prepend.php", prepend)}
	for name, value := range ini {
		all[name] = value
	}
	return platform{}.startIn(t, root, sandbox.Master{INI: all})
}

func TestPrependEndsTheRequest(t *testing.T) {
	p := noisy(t, tempRoot(t), "<?php echo 'closed for maintenance'; exit;", nil)
	_, err := p.Ping(withTimeout(t))
	if !errors.Is(err, php.ErrCorrupt) || !strings.Contains(err.Error(), "closed for maintenance") {
		t.Error(err)
	}
}

func TestFatalErrorIsReported(t *testing.T) {
	tiny := sandbox.Pool{Name: "www", Workers: 1, Settings: map[string]string{"php_admin_value[memory_limit]": "2M"}}
	p := platform{}.start(t, sandbox.Master{Pools: []sandbox.Pool{tiny}, INI: map[string]string{"log_errors": "0"}})
	scripts := []string{}
	for range 30_000 {
		scripts = append(scripts, "a")
	}
	_, err := p.Compile(withTimeout(t), scripts, 0)
	wantCause(t, err, php.ErrAgentFailed, "Allowed memory size")
}

func TestSmallMemoryLimitIsRaised(t *testing.T) {
	p := platform{}.start(t, sandbox.Master{INI: map[string]string{"memory_limit": "2M"}})
	scripts := []string{}
	for range 60_000 {
		scripts = append(scripts, "a")
	}
	check[php.InvalidateResult](t)(p.Invalidate(withTimeout(t), scripts, 0))
}

func TestCancelledCall(t *testing.T) {
	p := platform{}.start(t, sandbox.Master{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
