package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/health"
	"relink/internal/config"
	"relink/internal/sandbox"
)

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// withINI is a sound master with further settings.
func withINI(settings map[string]string) sandbox.Master {
	m := sound("php", sandbox.Pool{Name: "www", Workers: 2})
	for key, value := range settings {
		m.INI[key] = value
	}
	return m
}

// fill caches scripts of that many functions each, outside of the releases.
func (s *scene) fill(name string, scripts, functions int) (paths []string) {
	s.t.Helper()
	dir := s.path("fill-" + name)
	s.must(os.MkdirAll(dir, 0o755))
	for i := range scripts {
		var code strings.Builder
		fmt.Fprintf(&code, "<?php // %s\n", name)
		for n := range functions {
			fmt.Fprintf(&code, "function %s_%d_%d($a) { return $a + %d * $a - strlen((string) $a); }\n", name, i, n, n)
		}
		path := filepath.Join(dir, fmt.Sprintf("%03d.php", i))
		s.must(os.WriteFile(path, []byte(code.String()), 0o644))
		s.get("www", path)
		paths = append(paths, path)
	}
	return paths
}

func TestOPcacheOff(t *testing.T) {
	s := newScene(t, withINI(map[string]string{"opcache.enable": "0"}))
	results := s.evaluate()
	s.fires(results, "opcache-on", health.Critical, "OPcache is off")
	s.fires(results, "pool", health.OK)
	s.fires(results, "memory", health.Unknown, "cannot be asked")
}

func TestMemoryAndFullCache(t *testing.T) {
	s := newScene(t, withINI(map[string]string{"opcache.memory_consumption": "8", "opcache.interned_strings_buffer": "1"}))
	s.fires(s.evaluate(), "cache-full", health.OK)
	for i := 0; i < 1000 && !s.full(); i++ { // OPcache counts as full when 64 KB in one piece are missing
		s.fill(fmt.Sprintf("more%d", i), 1, 100)
	}
	results := s.evaluate()
	s.fires(results, "memory", health.Critical, "of 8 MB in use or wasted", "more than 97 %")
	s.fires(results, "cache-full", health.Critical, "the cache is full")
}

func TestStrings(t *testing.T) {
	s := newScene(t, withINI(map[string]string{"opcache.interned_strings_buffer": "1"}))
	s.fires(s.evaluate(), "strings", health.OK)
	s.fill("names", 80, 200)
	s.fires(s.evaluate(), "strings", health.Warning, "of 1 MB in use", "more than 95 %")
}

func (s *scene) full() bool {
	status, err := s.agent("www").Status(s.ctx)
	s.must(err)
	return status.CacheFull
}

func TestWasteAndRestarts(t *testing.T) {
	s := newScene(t, withINI(map[string]string{"opcache.memory_consumption": "8", "opcache.interned_strings_buffer": "1", "opcache.max_wasted_percentage": "50"}))
	s.evaluate()
	restarts := func() int64 {
		status, err := s.agent("www").Status(s.ctx)
		s.must(err)
		return status.Statistics.OOMRestarts
	}
	wasted := false
	for i := 0; i < 1000 && restarts() == 0; i++ {
		paths := s.fill(fmt.Sprintf("waste%d", i), 1, 100)
		_, err := s.agent("www").Invalidate(s.ctx, paths, 0)
		s.must(err)
		if !wasted {
			state := health.OK
			for _, r := range made(s.evaluate(), "waste") {
				state = r.State
			}
			wasted = state == health.Warning
		}
	}
	if !wasted {
		t.Error("waste did not warn on the way")
	}
	results := s.evaluate()
	s.fires(results, "restarts", health.Warning, "1 restart by itself (1 oom, 0 hash), 0 manual")
	s.fires(results, "hit-rate", health.OK, "OPcache was restarted since")
}

func TestKeys(t *testing.T) {
	s := newScene(t, withINI(map[string]string{"opcache.max_accelerated_files": "200"}))
	s.fires(s.evaluate(), "keys", health.OK)
	s.fill("keys", 215, 1)
	results := s.evaluate()
	s.fires(results, "keys", health.Warning, "of 223 keys in use", "more than 90 %")
	for i := range 8 {
		s.fill(fmt.Sprintf("last%d", i), 1, 1)
	}
	s.fires(s.evaluate(), "keys", health.Critical)
}

func TestHitRate(t *testing.T) {
	s := newScene(t)
	s.limits.HitRateRequests = 40
	s.evaluate()
	s.fires(s.evaluate(), "hit-rate", health.OK, "not judged")
	s.fill("miss", 50, 1)
	s.fires(s.evaluate(), "hit-rate", health.Critical, "found their script", "less than 70 %")
}

func TestManualRestartIsToldAndPendingWarns(t *testing.T) {
	s := newScene(t)
	s.evaluate()
	end := s.slow("www")
	s.must(s.agent("www").Reset(s.ctx))
	s.fires(s.evaluate(), "pending-restart", health.Warning, "a restart is pending")
	end()
	s.await("the restart", func() bool {
		status, err := s.agent("www").Status(s.ctx)
		s.must(err)
		return status.Statistics.ManualRestarts > 0 && !status.RestartPending && !status.RestartInProgress
	})
	results := s.evaluate()
	s.fires(results, "restarts", health.OK, "1 manual")
	s.fires(results, "pending-restart", health.OK)
}

func TestRestartOfFPMIsTold(t *testing.T) {
	s := newScene(t)
	s.get("www", s.path("www", "club1", "index.php"))
	s.evaluate()
	s.must(s.server.StopMaster("php"))
	second := time.Now().Unix()
	s.await("the next second, in which OPcache counts its start", func() bool { return time.Now().Unix() > second })
	s.must(s.server.StartMaster(s.ctx, "php"))
	s.fires(s.evaluate(), "restarts", health.OK, "PHP-FPM was started or reloaded")
}

func TestJIT(t *testing.T) {
	s := newScene(t, withINI(map[string]string{"opcache.jit_buffer_size": "1M", "opcache.jit": "tracing"}))
	s.fires(s.evaluate(), "jit", health.OK, "of 1 MB in use")
	s.limits.Bounds["jit"] = config.Bounds{Warning: 0, Critical: 1}
	s.fires(s.evaluate(), "jit", health.Warning)
}
