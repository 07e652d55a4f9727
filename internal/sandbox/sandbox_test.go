package sandbox

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"relink/internal/hint"
	"relink/internal/proc"

	"github.com/prometheus/procfs"
)

func TestSitesAnswer(t *testing.T) {
	root := testRoot(t)
	one, two := page(t, filepath.Join(root, "one"), "1"), page(t, filepath.Join(root, "two"), "2")
	s := start(t, Options{Root: root, Sites: []Site{
		{Host: "one.test", DocumentRoot: one, Env: map[string]string{"SITE": `a "quoted" \ value`}},
		{Host: "two.test", DocumentRoot: two},
	}})

	wantPage(t, s, "one.test", "1 "+one+`/index.php a "quoted" \ value`)
	wantPage(t, s, "two.test", "2 "+two+"/index.php ")
	if status, _ := get(t, s.URL(), "stranger.test", "/"); status != http.StatusForbidden {
		t.Errorf("a host that is no site was answered with %d", status)
	}
	if pids, err := s.WorkerPIDs(""); err != nil || len(pids) != 8 {
		t.Errorf("workers %v (%v), want 8", pids, err)
	}
}

func TestStopRemovesChosenRoot(t *testing.T) {
	s := start(t, Options{NoApache: true})
	groups := s.groups()
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	noneLeft(t, groups)
	if err := s.StartMaster(testContext(t), "php"); err == nil {
		t.Error("a stopped sandbox started a master")
	}
	if _, err := os.Stat(s.Root()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", s.Root(), err)
	}
}

func TestStopEndsStuckWorkers(t *testing.T) {
	s := start(t, Options{NoApache: true})
	pids, err := s.WorkerPIDs("www")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pids[0], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	groups := s.groups()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	noneLeft(t, groups)
}

func TestTwoMastersAndTCP(t *testing.T) {
	root := testRoot(t)
	dir := page(t, filepath.Join(root, "www"), "page")
	s := start(t, Options{
		Root: root,
		Masters: []Master{
			{Name: "a", Pools: []Pool{{Name: "a1", Workers: 2}, {Name: "a2", Workers: 1, TCP: true}}},
			{Name: "b", Pools: []Pool{{Name: "b1", Workers: 1}}, INI: map[string]string{"opcache.memory_consumption": "16"}},
		},
		Sites: []Site{
			{Host: "a1.test", DocumentRoot: dir},
			{Host: "a2.test", DocumentRoot: dir, Pool: "a2"},
			{Host: "b1.test", DocumentRoot: dir, Pool: "b1"},
		},
	})

	for _, host := range []string{"a1.test", "a2.test", "b1.test"} {
		wantPage(t, s, host, "page "+dir+"/index.php ")
	}
	if a, b := s.Pool("a1").MasterPID, s.Pool("b1").MasterPID; a == b || a != s.Pool("a2").MasterPID {
		t.Errorf("masters of the pools: %+v", s.Pools())
	}
	if address := s.Pool("a2").Address; !strings.HasPrefix(address, "tcp:127.0.0.1:") {
		t.Errorf("a2 listens on %s", address)
	}
}

func TestMasterGoesDownAndComesBack(t *testing.T) {
	root := testRoot(t)
	dir := page(t, filepath.Join(root, "www"), "page")
	s := start(t, Options{Root: root, Sites: []Site{{Host: "a.test", DocumentRoot: dir}}})
	if err := s.StopMaster("php"); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, s.URL(), "a.test", "/"); status != http.StatusServiceUnavailable {
		t.Errorf("without its pool the site answered %d", status)
	}
	before := s.Pool("").MasterPID
	if err := s.StartMaster(testContext(t), "php"); err != nil {
		t.Fatal(err)
	}
	if err := s.StartMaster(testContext(t), "php"); err == nil {
		t.Error("a running master was started again")
	}
	if s.Pool("").MasterPID == before {
		t.Error("the new master has the old pid")
	}
}

// Debian's Apache, its handler and FPM must cope with such paths in the
// sandbox's own folder (sockets, configuration) and in the document roots.
func TestSpacesAndUTF8(t *testing.T) {
	root := filepath.Join(testRoot(t), "größe und 形")
	dir := page(t, filepath.Join(root, `Straße "7" $HOME`, "öffentlich"), "page")
	s := start(t, Options{Root: root, Sites: []Site{{Host: "a.test", DocumentRoot: dir}}})
	wantPage(t, s, "a.test", "page "+dir+"/index.php ")
}

func TestSlashHandler(t *testing.T) {
	root := testRoot(t)
	dir := page(t, filepath.Join(root, "www"), "page")
	s := start(t, Options{Root: root, Handler: HandlerSetSlash, Sites: []Site{{Host: "a.test", DocumentRoot: dir}}})
	wantPage(t, s, "a.test", "page /"+dir+"/index.php ")
}

func TestStatusPage(t *testing.T) {
	root := testRoot(t)
	s := start(t, Options{Root: root, Masters: []Master{{Pools: []Pool{{Name: "www"}, {Name: "mute", NoStatusPage: true}}}}})
	if path := s.Pool("mute").StatusPath; path != "" {
		t.Errorf("pool mute has a status page at %s", path)
	}
	answer := statusPage(t, s.Pool("www"), "")
	if !strings.Contains(answer, "total processes:      8") {
		t.Errorf("status page:\n%s", answer)
	}
}

// A connection that Apache keeps shows as a worker that reads headers though no
// request is under way.
func TestEnableReusePinsAWorker(t *testing.T) {
	for name, pool := range map[string]Pool{"unix": {Name: "www", Workers: 2}, "tcp": {Name: "www", Workers: 2, TCP: true}} {
		t.Run(name, func(t *testing.T) {
			root := testRoot(t)
			dir := page(t, filepath.Join(root, "www"), "page")
			s := start(t, Options{Root: root, EnableReuse: true,
				Masters: []Master{{Pools: []Pool{pool}}},
				Sites:   []Site{{Host: "a.test", DocumentRoot: dir}}})
			wantPage(t, s, "a.test", "page "+dir+"/index.php ")
			err := poll(testContext(t), func() (bool, error) {
				return strings.Contains(statusPage(t, s.Pool(""), "full"), "Reading headers"), nil
			})
			if err != nil {
				t.Error("no worker is pinned: ", err)
			}
		})
	}
}

func TestSettingsReachPHP(t *testing.T) {
	root := testRoot(t)
	dir := filepath.Join(root, "www")
	page(t, dir, "")
	code := "<?php echo ini_get('opcache.memory_consumption'), ' ', ini_get('opcache.validate_timestamps'), ' ', ini_get('memory_limit'), ' ', opcache_get_status(false)['opcache_enabled'];"
	if err := os.WriteFile(filepath.Join(dir, "index.php"), []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	pool := Pool{Name: "www", Settings: map[string]string{"php_admin_value[memory_limit]": "77M"}}
	s := start(t, Options{Root: root,
		Masters: []Master{{INI: map[string]string{"opcache.memory_consumption": "64"}, Pools: []Pool{pool}}},
		Sites:   []Site{{Host: "a.test", DocumentRoot: dir}}})
	wantPage(t, s, "a.test", "64 0 77M 1")
}

func TestFailedStartSaysWhyAndLeavesNothing(t *testing.T) {
	root := testRoot(t)
	pool := Pool{Name: "www", Settings: map[string]string{"pm": "sometimes"}}
	_, err := Start(testContext(t), Options{Root: root, Masters: []Master{{Pools: []Pool{pool}}}})
	if err == nil || !strings.Contains(err.Error(), "invalid process manager") {
		t.Fatalf("the error does not tell what FPM said: %v", err)
	}
	if len(hint.Of(err)) == 0 {
		t.Error("the error has no hint")
	}
	left, err := processes(func(p procfs.ProcStat) bool { return strings.Contains(proc.Title(proc.Of(p.PID)), root) })
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v (%v)", left, err)
	}
}

func TestBadOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"host":          {Sites: []Site{{Host: "a b", DocumentRoot: "/"}}},
		"no pool":       {Sites: []Site{{Host: "a", DocumentRoot: "/", Pool: "none"}}},
		"environment":   {Web: WebNginx, Sites: []Site{{Host: "a", DocumentRoot: "/", Env: map[string]string{"A": "$b"}}}},
		"document root": {Sites: []Site{{Host: "a", DocumentRoot: "relative"}}},
		"command":       {FPMCommand: []string{"chroot", "/x"}},
		"long root":     {Root: filepath.Join(testRoot(t), strings.Repeat("long", 30))},
	} {
		s, err := Start(testContext(t), o)
		if err == nil {
			t.Errorf("%s: started", name)
			err = s.Stop()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
