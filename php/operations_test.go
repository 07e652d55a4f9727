package php_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/internal/sandbox"
	"relink/php"

	"github.com/google/go-cmp/cmp"
)

// operations are what the agent must do on every PHP version.
var operations = []struct {
	name string
	test func(t *testing.T, on platform)
}{
	{"Ping", testPing},
	{"Sweep", testSweep},
	{"Siblings", testSiblings},
	{"Status", testStatus},
	{"Configuration", testConfiguration},
	{"Scripts", testScripts},
	{"Holdings", testHoldings},
	{"CutOver", testCutOver},
	{"CutOverWithTimestamps", testCutOverWithTimestamps},
	{"DeadKeysComeBackToLife", testDeadKeysComeBackToLife},
	{"DeadKeysCostACompilation", testDeadKeysCostACompilation},
	{"CutOverWithLockedTimestamps", testCutOverWithLockedTimestamps},
	{"CutOverOfPharsAndRelativePaths", testCutOverOfPharsAndRelativePaths},
	{"InvalidateManyRequests", testInvalidateManyRequests},
	{"InvalidateBudget", testInvalidateBudget},
	{"InvalidateDeleted", testInvalidateDeleted},
	{"Compile", testCompile},
	{"CompileBudget", testCompileBudget},
	{"CompileFatal", testCompileFatal},
	{"Reset", testReset},
	{"APCu", testAPCu},
	{"NotUTF8", testNotUTF8},
	{"Door", testDoor},
}

func TestOperations(t *testing.T) {
	for _, o := range operations {
		t.Run(o.name, func(t *testing.T) { o.test(t, platform{}) })
	}
}

func testPing(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	w := check[php.Worker](t)(p.Ping(withTimeout(t)))
	pids, err := p.server.WorkerPIDs("")
	if err != nil || !slices.Contains(pids, w.PID) {
		t.Errorf("pid %d is not among the workers %v (%v)", w.PID, pids, err)
	}
	if want := p.server.Pool("").MasterPID; w.ParentPID != want && w.ParentPID != 0 {
		t.Errorf("parent %d, want %d", w.ParentPID, want)
	}
	if w.SAPI != "fpm-fcgi" || !strings.Contains(w.PHPVersion, ".") {
		t.Errorf("%+v", w)
	}
}

func testSweep(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	p.write("real/a.php", "<?php echo realpath_cache_size() > 0 ? 'full' : 'empty';")
	p.write("look.php", "<?php clearstatcache(); echo array_key_exists(__DIR__ . '/real/a.php', realpath_cache_get()) ? 'kept' : 'gone';")
	p.wantBody(p.www+"/real/a.php", "full")
	p.wantBody(p.www+"/look.php", "kept")
	before := check[php.Worker](t)(p.Ping(withTimeout(t)))
	swept := check[php.Worker](t)(p.Sweep(withTimeout(t)))
	if swept.PID != before.PID || swept.RealpathCache != 0 || before.RealpathCache == 0 {
		t.Errorf("before %+v, swept %+v", before, swept)
	}
	p.wantBody(p.www+"/look.php", "gone")
}

func testStatus(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{INI: map[string]string{"opcache.memory_consumption": "16"}})
	began := time.Now().Add(-time.Minute)
	root := p.release("r1", 3)
	for _, name := range []string{"/s0.php", "/s0.php", "/s1.php"} {
		p.get(root + name)
	}
	s := check[php.Status](t)(p.Status(withTimeout(t)))
	if !s.Enabled || s.CacheFull || s.RestartPending || s.RestartInProgress || s.Worker.PID == 0 {
		t.Errorf("%+v", s)
	}
	if s.Memory.Total() != 16<<20 || s.Memory.Used == 0 || s.Strings.Size == 0 || s.Strings.Count == 0 {
		t.Errorf("memory %+v, strings %+v", s.Memory, s.Strings)
	}
	if n := s.Statistics; n.CachedScripts != 3 || n.Hits < 1 || n.Misses < 2 || n.MaxCachedKeys < 10000 || n.StartTime.Before(began) || !n.LastRestart.IsZero() {
		t.Errorf("%+v", n)
	}
}

func testConfiguration(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{
		INI: map[string]string{
			"opcache.memory_consumption": "32", "opcache.interned_strings_buffer": "4",
			"opcache.file_update_protection": "7", "realpath_cache_size": "256K",
			"opcache.revalidate_path": "1",
		},
	})
	c := check[php.Configuration](t)(p.Configuration(withTimeout(t)))
	if c.MemoryConsumption != 32<<20 || c.InternedStringsBuffer != 4<<20 || c.FileUpdateProtection != 7*time.Second {
		t.Errorf("%+v", c)
	}
	if c.RealpathCacheSize != 256<<10 || c.ValidateTimestamps || !c.RevalidatePath {
		t.Errorf("%+v", c)
	}
	if c.Worker.PID == 0 || len(c.OpenBasedir) != 0 {
		t.Errorf("%+v", c)
	}
}

func testScripts(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{INI: map[string]string{"opcache.validate_timestamps": "1"}})
	one, two := p.release("r1", 2), p.release("r10", 1)
	for _, path := range []string{one + "/s0.php", one + "/s1.php", two + "/s0.php", one + "/s0.php"} {
		p.get(path)
	}
	check[php.InvalidateResult](t)(p.Invalidate(withTimeout(t), []string{one + "/s1.php"}, 0))

	list := check[[]php.Script](t)(p.Scripts(withTimeout(t), []string{one}))
	live := map[string]bool{}
	for _, s := range list {
		live[s.Path] = s.Live
		if s.Memory <= 0 || s.LastUsed.IsZero() {
			t.Errorf("%+v", s)
		}
	}
	if diff := cmp.Diff(map[string]bool{one + "/s0.php": true, one + "/s1.php": false}, live); diff != "" {
		t.Error(diff)
	}
	if all := check[[]php.Script](t)(p.Scripts(withTimeout(t), nil)); len(all) != 4 {
		t.Errorf("%d scripts, want 3 and the agent", len(all))
	}
}

// What Holdings adds up is what Scripts lists.
func testHoldings(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	one, two := p.release("r1", 3), p.release("r10", 1)
	for _, path := range []string{one + "/s0.php", one + "/s1.php", one + "/s2.php", two + "/s0.php"} {
		p.get(path)
	}
	check[php.InvalidateResult](t)(p.Invalidate(withTimeout(t), []string{one + "/s1.php"}, 0))
	folders := []string{one, two, one + "-none"}
	each, all, err := p.Holdings(withTimeout(t), folders)
	if err != nil {
		t.Fatal(err)
	}
	got := append(each, all)
	want := make([]php.Holding, 4)
	for i, under := range [][]string{folders[:1], folders[1:2], folders[2:], nil} {
		for _, s := range check[[]php.Script](t)(p.Scripts(withTimeout(t), under)) {
			if s.Live {
				want[i].Live, want[i].LiveBytes = want[i].Live+1, want[i].LiveBytes+s.Memory
			} else {
				want[i].Dead, want[i].DeadBytes = want[i].Dead+1, want[i].DeadBytes+s.Memory
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || want[0].Live != 2 || want[0].Dead != 1 || want[1].Live != 1 {
		t.Error(diff, want)
	}
}

func testReset(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	root := p.release("r1", 1)
	p.get(root + "/s0.php")
	if err := p.Reset(withTimeout(t)); err != nil {
		t.Fatal(err)
	}
	// The pool's only worker restarts the cache at its next request.
	p.get(root + "/s0.php")
	s := check[php.Status](t)(p.Status(withTimeout(t)))
	if s.RestartPending || s.Statistics.LastRestart.IsZero() || s.Statistics.ManualRestarts != 1 || s.Memory.Wasted != 0 {
		t.Errorf("%+v", s)
	}
}

func testNotUTF8(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	root := filepath.Dir(p.write("latin1-\xe9\xff/caf\xe9.php", "<?php echo 'x';"))
	link := p.link("li\xe8n", root)
	p.wantBody(link+"/caf\xe9.php", "x")

	list := check[[]php.Script](t)(p.Scripts(withTimeout(t), []string{root}))
	if len(list) != 1 || list[0].Path != root+"/caf\xe9.php" || !list[0].Live {
		t.Errorf("%+v", list)
	}
	if done := check[php.BelowResult](t)(p.InvalidateBelow(withTimeout(t), []string{root})); done.Invalidated != 1 {
		t.Errorf("%+v", done)
	}
	compiled := check[[]php.CompiledFile](t)(p.Compile(withTimeout(t), []string{root + "/caf\xe9.php"}, 0))
	if compiled[0].Outcome != php.Compiled {
		t.Errorf("%+v", compiled)
	}
	if err := os.Remove(root + "/caf\xe9.php"); err != nil {
		t.Fatal(err)
	}
	missing := check[[]php.CompiledFile](t)(p.Compile(withTimeout(t), []string{root + "/\xe9.php"}, 0))
	if f := missing[0]; f.Outcome != php.Failed || !strings.Contains(f.Reason, "\xe9.php") {
		t.Errorf("%+v", missing)
	}
}

func TestStatusOfPreloadAndJIT(t *testing.T) {
	root := tempRoot(t)
	files := pool{t: t, www: root + "/www"}
	ini := map[string]string{
		"opcache.preload":         files.write("preload.php", "<?php class Preloaded {}\nfunction preloaded() {}"),
		"opcache.jit_buffer_size": "8M", "opcache.jit": "1255",
	}
	if os.Geteuid() == 0 {
		ini["opcache.preload_user"] = "www-data"
	}
	p := platform{}.startIn(t, root, sandbox.Master{INI: ini})
	s := check[php.Status](t)(p.Status(withTimeout(t)))
	if len(s.Preload.Classes) != 1 || len(s.Preload.Functions) != 1 || len(s.Preload.Scripts) < 1 || s.Preload.Memory == 0 {
		t.Errorf("%+v", s.Preload)
	}
	if s.JIT.BufferSize < 7<<20 || s.JIT.BufferFree == 0 {
		t.Errorf("%+v", s.JIT)
	}
	c := check[php.Configuration](t)(p.Configuration(withTimeout(t)))
	if c.Preload != ini["opcache.preload"] || c.JITMaxRootTraces == 0 {
		t.Errorf("%q %d", c.Preload, c.JITMaxRootTraces)
	}
}
