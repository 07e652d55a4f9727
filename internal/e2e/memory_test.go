package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/fcgi"
	"relink/internal/sandbox"
	"relink/internal/sandbox/app"
	"relink/opcache/restart"
	"relink/php"
)

const (
	manyDeploys = 50
	partsOfMany = 40 // files of a release beside its index.php
)

// A cache that holds about four releases is never full, however many come: each
// restart is decided before it would be, done when it is quiet, and explained.
// It is an FPM reload: in about one of a hundred opcache_reset() under a load of
// short requests a worker of PHP 8.2.36 crashed, and sometimes left a shared
// memory in which every further worker crashed too (php-src#8739, #14471).
func TestDeploysInASmallCache(t *testing.T) {
	t.Parallel()
	w := newSmallTown(t)
	agent := w.agent()
	returned := map[string]time.Time{} // when the deploy that replaced a release had returned
	for n := range manyDeploys {
		release := fmt.Sprintf("r%02d", n+1)
		w.writeSource(release)
		report, ended := w.relink("deploy", release, "--all", "--smart-reset")
		returned[fmt.Sprintf("r%02d", n)] = ended
		if n == 0 {
			w.beginLoadBy(releaseHeader)
		}
		status, err := agent.Status(w.ctx)
		w.must(err)
		if s := status.Statistics; status.CacheFull || s.OOMRestarts != 0 || s.HashRestarts != 0 {
			t.Fatalf("after %s: cache full %t, restarts %+v, memory %+v, decided %+v", release, status.CacheFull, s, status.Memory, report.Restart)
		}
	}
	w.wantExplained(agent)
	result := w.load.Stop()
	for release, ended := range returned {
		if n := result.OldAfter(ended, release); n != 0 {
			t.Errorf("%d pages of %s began after the next deploy had returned", n, release)
		}
	}
	w.wantNoFault(result)
}

// wantExplained wants a reason for each restart, and room after it.
func (w *town) wantExplained(agent *php.Agent) {
	w.t.Helper()
	status, err := agent.Status(w.ctx)
	w.must(err)
	history, err := restart.ReadHistory(w.path("state"))
	w.must(err)
	if n := len(history); n == 0 || n > manyDeploys/2 || status.Statistics.ManualRestarts != 0 {
		w.t.Errorf("%d restarts, and PHP counts %d by itself", n, status.Statistics.ManualRestarts)
	}
	for _, done := range history {
		crossed := false
		for _, reason := range done.Reasons {
			crossed = crossed || reason.Crossed && reason.Text != ""
		}
		if !done.Done() || !crossed || done.Action != restart.ReloadFPM || done.After.FreeBytes <= done.Before.FreeBytes {
			w.t.Errorf("not explained: %+v", done)
		}
	}
}

// newSmallTown is a town of three sites whose cache has 8 MB, of which about 5
// are for scripts; a release takes more than one.
func newSmallTown(t testing.TB) *town {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	root, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	w := &town{t: t, ctx: ctx, root: root, program: delivered, pause: usualPause}
	w.app.Paths = []string{"/index.php"}
	w.must(os.Mkdir(w.path("www"), 0o755))
	options := sandbox.Options{Root: w.path("srv"), Masters: []sandbox.Master{{Settings: map[string]string{"process_control_timeout": "10s"}, Pools: []sandbox.Pool{{Name: "www", Workers: 4}}, INI: map[string]string{
		"opcache.memory_consumption": "8", "opcache.interned_strings_buffer": "2", "opcache.max_accelerated_files": "2000", "opcache.file_update_protection": "0",
	}}}}
	links := ""
	for i := range 3 {
		name := fmt.Sprintf("club%d", i)
		w.hosts = append(w.hosts, name+".test")
		links += fmt.Sprintf("      %s: %s\n", name, w.path("www", name))
		options.Sites = append(options.Sites, sandbox.Site{Host: name + ".test", DocumentRoot: w.path("www", name)})
	}
	w.server, err = sandbox.Start(ctx, options)
	w.must(err)
	t.Cleanup(func() { w.must(w.server.Stop()) })
	pool := w.server.Pool("")
	w.must(os.WriteFile(w.path("relink.yaml"), fmt.Appendf(nil, `state_dir: %[1]s/state
thresholds: {free_bytes: 512KB}
restart: {method: fpm}
pools: [{address: "%[2]s", status_path: %[3]s, agent_dir: %[4]s}]
apps:
  club:
    source: {dir: "%[1]s/src/{ref}"}
    releases: %[1]s/releases
    min_free: 1
    probe: {url: "%[6]s/", host: "{instance}.test"}
    instances:
%[5]s`, root, pool.Address, pool.StatusPath, w.server.AgentDir(), links, w.server.URL()), 0o644))
	return w
}

func (w *town) writeSource(release string) { w.t.Helper(); w.writeSourceOf(release, partsOfMany) }

// writeSourceOf makes a release of so many parts, whose every file tells it.
func (w *town) writeSourceOf(release string, parts int) {
	w.t.Helper()
	dir := w.path("src", release)
	w.must(os.MkdirAll(dir, 0o755))
	index := "<?php\n$seen = ['" + release + "'];\n"
	for i := range parts {
		var part strings.Builder
		fmt.Fprintf(&part, "<?php\n$seen[] = '%s';\n", release)
		for f := range 20 {
			fmt.Fprintf(&part, "function part%d_%d(array $in): array { $out = []; foreach ($in as $key => $value) { $out[$key] = strtoupper((string) $value) . %d; } return array_filter($out) ?: ['empty' => true]; }\n", i, f, f)
		}
		w.must(os.WriteFile(filepath.Join(dir, fmt.Sprintf("part%d.php", i)), []byte(part.String()), 0o644))
		index += fmt.Sprintf("require __DIR__ . '/part%d.php';\n", i)
	}
	index += "header('" + app.ReleaseHeader + ": ' . (count(array_unique($seen)) === 1 ? $seen[0] : '" + app.Mixed + "'));\n"
	w.must(os.WriteFile(filepath.Join(dir, "index.php"), []byte(index), 0o644))
}

func (w *town) agent() *php.Agent {
	w.t.Helper()
	address, err := fcgi.ParseAddress(w.server.Pool("").Address)
	w.must(err)
	agent, err := php.NewAgent(php.Pool{Address: address, AgentDir: w.server.AgentDir()})
	w.must(err)
	return agent
}
