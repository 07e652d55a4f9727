package php_test

import (
	"archive/tar"
	"bytes"
	"testing"
	"time"

	"relink/internal/sandbox"
	"relink/php"

	"github.com/google/go-cmp/cmp"
)

// cutOver moves a link and proves that the old release is served until what is
// below it is invalidated, and not afterwards, whatever the path was that led there.
func cutOver(t *testing.T, p pool) {
	old, next := p.release("r1", 3), p.release("r2", 3)
	beside := p.release("r10", 1)
	link := p.link("club", old)
	p.wantBody(link+"/s0.php", "r1")
	p.wantBody("/"+link+"//s1.php", "r1")
	p.wantBody(old+"/s2.php", "r1")
	p.wantBody(beside+"/s0.php", "r10")
	p.link("club", next)
	check[php.Worker](t)(p.Sweep(withTimeout(t)))
	p.wantBody(link+"/s0.php", "r1")
	p.wantBody("/"+link+"//s1.php", "r1")
	before := time.Now()
	done := check[php.BelowResult](t)(p.InvalidateBelow(withTimeout(t), []string{old, "/nowhere"}))
	if done.Last.Before(before.Add(-time.Millisecond)) || done.Last.After(time.Now().Add(time.Millisecond)) || len(done.Failed) > 0 || done.Invalidated != 3 {
		t.Errorf("%+v", done)
	}
	p.wantBody(link+"/s0.php", "r2")
	p.wantBody("/"+link+"//s1.php", "r2")
	again := check[php.BelowResult](t)(p.InvalidateBelow(withTimeout(t), []string{old}))
	if diff := cmp.Diff(php.BelowResult{Failed: []string{}}, again); diff != "" {
		t.Errorf("invalidated twice: %s", diff)
	}
	for _, script := range check[[]php.Script](t)(p.Scripts(withTimeout(t), []string{beside})) {
		if !script.Live {
			t.Error("a release whose name only begins alike was invalidated")
		}
	}
}

func testCutOver(t *testing.T, on platform) { cutOver(t, on.start(t, sandbox.Master{})) }

func testCutOverWithTimestamps(t *testing.T, on platform) {
	cutOver(t, on.start(t, sandbox.Master{INI: map[string]string{"opcache.validate_timestamps": "1"}}))
}

func testCutOverWithLockedTimestamps(t *testing.T, on platform) {
	cutOver(t, on.start(t, sandbox.Master{Pools: []sandbox.Pool{{Name: "www", Workers: 1,
		Settings: map[string]string{"php_admin_value[opcache.validate_timestamps]": "1"}}}}))
}

// Scripts in an archive, and those that were included by a path relative to the
// working directory, are left of a release like any other.
func testCutOverOfPharsAndRelativePaths(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	for _, name := range []string{"r1", "r2"} {
		p.write(name+"/part.php", "<?php echo '"+name+" ';")
		p.write(name+"/lib.phar.tar", tarOf(t, "a.php", "<?php echo '"+name+"';"))
		p.write(name+"/s0.php", "<?php chdir(__DIR__); require './part.php'; require 'phar://' . __DIR__ . '/lib.phar.tar/a.php';")
	}
	old, next := p.www+"/r1", p.www+"/r2"
	link := p.link("club", old)
	p.wantBody(link+"/s0.php", "r1 r1")
	p.wantBody(link+"/s0.php", "r1 r1")
	live := 0
	for _, script := range check[[]php.Script](t)(p.Scripts(withTimeout(t), []string{old})) {
		if script.Live {
			live++
		}
	}
	p.link("club", next)
	check[php.Worker](t)(p.Sweep(withTimeout(t)))
	done := check[php.BelowResult](t)(p.InvalidateBelow(withTimeout(t), []string{old}))
	if done.Invalidated != live || live < 2 || len(done.Failed) > 0 {
		t.Errorf("%+v of %d live scripts", done, live)
	}
	p.wantBody(link+"/s0.php", "r2 r2")
}

func tarOf(t *testing.T, name, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
