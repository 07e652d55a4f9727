package render_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"relink/deploy/release"
	"relink/fcgi"
	"relink/health"
	"relink/health/command"
	"relink/health/render"
	"relink/internal/config"
	"relink/internal/links"
	"relink/opcache/report"
)

func pointer[T any](v T) *T { return &v }

// facts is one pool, one OPcache, one application and one file system, in order.
func facts() health.Facts {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	before := now.Add(-15 * time.Minute)
	m := health.Master{MasterReport: report.MasterReport{
		Name: "unix:/a.sock", Pools: []string{"unix:/a.sock"},
		Memory:  report.MemoryReport{TotalBytes: 128 << 20, UsedRatio: 0.5, WastedRatio: 0.1},
		Keys:    report.KeyReport{Used: 100, Max: 1000, Ratio: 0.1},
		Strings: report.StringsReport{SizeBytes: 8 << 20, Ratio: 0.5},
		JIT:     &report.JITReport{SizeBytes: 1 << 20, Ratio: 0.5},
		Window:  report.WindowReport{Since: &before, Hits: pointer[int64](990), Misses: pointer[int64](10)},
	}}
	m.Configuration.MemoryConsumption, m.Configuration.InternedStringsBuffer, m.Configuration.MaxAcceleratedFiles = 128<<20, 8<<20, 1000
	m.Configuration.RealpathCacheSize = 4 << 20
	m.ControlTimeout, m.Xdebug, m.Restarted = pointer(10*time.Second), pointer(false), &health.RestartGrowth{Since: before}
	known := release.Release{Sealed: true}
	return health.Facts{
		Time: now, Took: 42 * time.Millisecond,
		Pools: []health.Pool{{Address: "unix:/a.sock", Latency: 2 * time.Millisecond, Status: &fcgi.PoolStatus{AcceptedConn: 7, Processes: []fcgi.Process{{State: fcgi.StateIdle}}},
			Queue: pointer[int64](0), Growth: &health.PoolGrowth{Since: before}}},
		Masters: []health.Master{m},
		Apps: []health.App{{Name: "booking", Releases: "/srv/releases", Instances: []health.Instance{
			{Name: "club1", Link: "/var/www/club1", Kind: links.Good, Real: "/srv/releases/v1", Release: "v1", Inside: true, Known: known, Changed: now.Add(-72 * time.Hour)},
			{Name: "club2", Link: "/var/www/club2", Kind: links.Good, Real: "/srv/releases/v1", Release: "v1", Inside: true, Known: known, Changed: now.Add(-72 * time.Hour)},
		}}},
		FileSystems: []health.FileSystem{{Path: "/srv/releases", Bytes: 1000 << 20, FreeBytes: 500 << 20, Inodes: 1000, Free: 500}},
		Report:      &report.Report{},
	}
}

// limits are those of an empty configuration.
func limits(t *testing.T) health.Thresholds {
	t.Helper()
	c, err := config.Parse("relink.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, thresholds := command.FromConfig(c)
	return thresholds
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const textWidth = 80

// The manual has each metric.
func TestManual(t *testing.T) {
	manual := readFile(t, "../../docs/health.md")
	var text bytes.Buffer
	f := troubled()
	if err := render.Prometheus(&text, f, health.Evaluate(f, limits(t))); err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`# TYPE (\S+) (\S+)`).FindAllStringSubmatch(text.String(), -1) {
		if strings.HasPrefix(found[1], "relink_opcache_") {
			continue
		}
		if !strings.Contains(manual, "| `"+found[1]+"` | "+found[2]+" |") {
			t.Errorf("docs/health.md has no row for %s %s", found[1], found[2])
		}
	}
}
