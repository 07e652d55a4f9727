package fpm_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relink/internal/sandbox"
	"relink/php"
	"relink/php/fpm"
)

// preloading is a master that preloads a script, which may be written later.
func preloading(t *testing.T, code string) (p pool, script string) {
	t.Helper()
	root := tempRoot(t)
	script = filepath.Join(root, "preload.php")
	if err := os.WriteFile(script, []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	m := sandbox.Master{INI: map[string]string{"opcache.preload": script, "opcache.preload_user": "www-data"}}
	return platform{}.start(t, m), script
}

// Each of these ends a master that runs it at a reload; none harms the one that runs.
func TestPreloadScriptThatDoesNotLoad(t *testing.T) {
	p, _ := preloading(t, "<?php function preloaded() {}")
	before, m := p.pids(), masterOf(t, p)
	configuration := check[php.Configuration](t)(p.Configuration(withTimeout(t)))
	for name, c := range map[string]struct{ code, why string }{
		"good":            {"<?php function preloaded() {} class A {}", ""},
		"nothing to load": {"", "No such file"},
		"missing require": {"<?php require __DIR__ . '/lib.php';", "lib.php"},
		"syntax":          {"<?php class A { function b( }", "Parse error"},
		"exception":       {"<?php throw new Exception('not today');", "not today"},
		"exit":            {"<?php exit(3);", "exit"},
		"much to say":     {"<?php for ($i = 0; $i < 100000; $i++) error_log('PHP noise'); nope();", "nope"},
	} {
		script := filepath.Join(p.www, "none.php")
		if c.code != "" {
			script = p.write("trial.php", c.code)
		}
		err := m.TryPreload(withTimeout(t), script, configuration.PreloadUser, configuration.INI)
		if c.why == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.why != "" && (!errors.Is(err, fpm.ErrPreload) || !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%s: %v, want %q", name, err, c.why)
		}
	}
	p.wantUntouched(before)
}

// The trial never has the rights of root, and believes no settings that others
// could have written.
func TestPreloadTrialIsNotRoot(t *testing.T) {
	p, _ := preloading(t, "<?php function preloaded() {}")
	m := masterOf(t, p)
	ini := check[php.Configuration](t)(p.Configuration(withTimeout(t))).INI
	who := p.write("who.php", "<?php if (posix_geteuid() === 0) { throw new Exception('root'); }")
	if err := m.TryPreload(withTimeout(t), who, "www-data", ini); err != nil {
		t.Error(err)
	}
	if os.Geteuid() != 0 {
		return // the master is not root's, and its user is the caller
	}
	if err := m.TryPreload(withTimeout(t), who, "root", ini); !errors.Is(err, fpm.ErrUntried) {
		t.Errorf("as root: %v", err)
	}
	open := p.write("open/php.ini", "")
	if err := os.Chmod(open, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := m.TryPreload(withTimeout(t), who, "www-data", php.INIFiles{Loaded: open}); !errors.Is(err, fpm.ErrUntried) {
		t.Errorf("with settings of others: %v", err)
	}
}

func TestPreloadedScripts(t *testing.T) {
	p, script := preloading(t, "<?php function preloaded() {}")
	got := check[[]string](t)(p.Preloaded(withTimeout(t)))
	if !slices.Contains(got, script) {
		t.Errorf("%q, want %s", got, script)
	}
}
