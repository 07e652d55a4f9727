package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"relink/fcgi"
	"relink/internal/sandbox"
	"relink/php"
)

// BenchmarkOPcacheReport runs the built program as a user does, over a cache of
// many scripts whose pool has memory_limit locked at 128 MB. It tells the wall
// time and the peak of the program's own memory; the aims are 150 ms and 60 MB
// for 6,000 scripts, 1 s and 200 MB for 50,000.
func BenchmarkOPcacheReport(b *testing.B) {
	for _, scripts := range []int{6000, 50000} {
		b.Run(fmt.Sprint(scripts), func(b *testing.B) {
			l := newLibrary(b, scripts)
			for _, format := range []string{"text", "json", "csv"} {
				b.Run(format, func(b *testing.B) {
					peak := int64(0)
					for b.Loop() {
						peak = max(peak, l.report(format))
					}
					b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/run")
					b.ReportMetric(float64(peak)/(1<<20), "peak-MB")
					b.ReportMetric(0, "ns/op")
				})
			}
		})
	}
}

// library is a server whose OPcache holds many small scripts of one release.
type library struct {
	b      *testing.B
	root   string
	binary string
}

func newLibrary(b *testing.B, scripts int) *library {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	b.Cleanup(cancel)
	root, err := sandbox.TempRoot()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(root) })
	l := &library{b: b, root: root, binary: filepath.Join(root, "relink")}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", l.binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	server, err := sandbox.Start(ctx, sandbox.Options{Root: filepath.Join(root, "srv"), NoApache: true, Masters: []sandbox.Master{{
		INI:   map[string]string{"opcache.memory_consumption": "512", "opcache.max_accelerated_files": "100000"},
		Pools: []sandbox.Pool{{Name: "www", Workers: 2, Settings: map[string]string{"php_admin_value[memory_limit]": "128M"}}},
	}}})
	l.must(err)
	b.Cleanup(func() { l.must(server.Stop()) })
	l.configure(server)
	l.fill(ctx, server, scripts)
	return l
}

func (l *library) must(err error) {
	l.b.Helper()
	if err != nil {
		l.b.Fatal(err)
	}
}

func (l *library) path(elements ...string) string {
	return filepath.Join(append([]string{l.root}, elements...)...)
}

func (l *library) configure(server *sandbox.Server) {
	text := fmt.Sprintf("state_dir: %s\npools: [{address: %q, status_path: %s, agent_dir: %s}]\napps:\n  booking:\n    source: {dir: %s}\n    releases: %s\n    instances:\n",
		l.path("state"), server.Pool("").Address, sandbox.StatusPath, server.AgentDir(), l.path("src"), l.path("releases"))
	l.must(os.MkdirAll(l.path("www"), 0o755))
	for i := range 30 {
		name := fmt.Sprintf("club%d", i)
		text += fmt.Sprintf("      %s: %s\n", name, l.path("www", name))
		l.must(os.Symlink(l.path("releases", "v1"), l.path("www", name)))
	}
	l.must(os.WriteFile(l.path("relink.yaml"), []byte(text), 0o644))
}

func (l *library) fill(ctx context.Context, server *sandbox.Server, scripts int) {
	files := make([]string, scripts)
	old := time.Now().Add(-time.Hour)
	for i := range files {
		files[i] = l.path("releases", "v1", "vendor", fmt.Sprintf("company%d", i%40), fmt.Sprintf("library%d", i%400), "src", fmt.Sprintf("Component%d.php", i))
		l.must(os.MkdirAll(filepath.Dir(files[i]), 0o755))
		l.must(os.WriteFile(files[i], fmt.Appendf(nil, "<?php\nfunction component%d($x) { return [$x, 'component %d']; }\n", i, i), 0o644))
		l.must(os.Chtimes(files[i], old, old))
	}
	address, err := fcgi.ParseAddress(server.Pool("").Address)
	l.must(err)
	agent, err := php.NewAgent(php.Pool{Address: address, AgentDir: server.AgentDir()})
	l.must(err)
	for left := files; len(left) > 0; {
		done, err := agent.Compile(ctx, left, 2*time.Second)
		l.must(err)
		if len(done) == 0 {
			break
		}
		left = left[len(done):]
	}
	status, err := agent.Status(ctx)
	l.must(err)
	if got := status.Statistics.CachedScripts; got < int64(scripts) {
		l.b.Fatalf("%d scripts are cached, want %d", got, scripts)
	}
}

// report gives the program's peak memory in bytes.
func (l *library) report(format string) int64 {
	l.b.Helper()
	cmd := exec.Command(l.binary, "--config", l.path("relink.yaml"), "opcache", "report", "--format", format, "--top", "20")
	if out, err := cmd.Output(); err != nil || len(out) == 0 {
		l.b.Fatalf("%v, %d bytes", err, len(out))
	}
	return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
}
