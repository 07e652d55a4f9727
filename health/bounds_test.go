package health

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/deploy/journal"
	"relink/deploy/lock"
	"relink/deploy/outcome"
	"relink/deploy/release"
	"relink/deploy/status"
	"relink/fcgi"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/opcache/report"

	"github.com/google/go-cmp/cmp"
)

func pointer[T any](v T) *T { return &v }

// facts is one pool, one OPcache, one application and one file system, in order.
func facts() Facts {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	before := now.Add(-15 * time.Minute)
	m := Master{MasterReport: report.MasterReport{
		Name: "unix:/a.sock", Pools: []string{"unix:/a.sock"},
		Memory:  report.MemoryReport{TotalBytes: 128 << 20, UsedRatio: 0.5, WastedRatio: 0.1},
		Keys:    report.KeyReport{Used: 100, Max: 1000, Ratio: 0.1},
		Strings: report.StringsReport{SizeBytes: 8 << 20, Ratio: 0.5},
		JIT:     &report.JITReport{SizeBytes: 1 << 20, Ratio: 0.5},
		Window:  report.WindowReport{Since: &before, Hits: pointer[int64](990), Misses: pointer[int64](10)},
	}}
	m.Configuration.MemoryConsumption, m.Configuration.InternedStringsBuffer, m.Configuration.MaxAcceleratedFiles = 128<<20, 8<<20, 1000
	m.Configuration.RealpathCacheSize = 4 << 20
	m.ControlTimeout, m.Xdebug, m.Restarted = pointer(10*time.Second), pointer(false), &RestartGrowth{Since: before}
	known := release.Release{Sealed: true}
	return Facts{
		Time: now, Took: 42 * time.Millisecond,
		Pools: []Pool{{Address: "unix:/a.sock", Latency: 2 * time.Millisecond, Status: &fcgi.PoolStatus{AcceptedConn: 7, Processes: []fcgi.Process{{State: fcgi.StateIdle}}},
			Queue: pointer[int64](0), Growth: &PoolGrowth{Since: before}}},
		Masters: []Master{m},
		Apps: []App{{Name: "booking", Releases: "/srv/releases", Instances: []Instance{
			{Name: "club1", Link: "/var/www/club1", Kind: links.Good, Real: "/srv/releases/v1", Release: "v1", Inside: true, Known: known, Changed: now.Add(-72 * time.Hour)},
			{Name: "club2", Link: "/var/www/club2", Kind: links.Good, Real: "/srv/releases/v1", Release: "v1", Inside: true, Known: known, Changed: now.Add(-72 * time.Hour)},
		}}},
		FileSystems: []FileSystem{{Path: "/srv/releases", Bytes: 1000 << 20, FreeBytes: 500 << 20, Inodes: 1000, Free: 500}},
		Report:      &report.Report{},
	}
}

// limits are those of an empty configuration.
func limits(tb testing.TB) Thresholds {
	tb.Helper()
	c, err := config.Parse("relink.yaml", nil)
	if err != nil {
		tb.Fatal(err)
	}
	return Thresholds{
		Bounds: c.Health.Bounds, FreeBytes: c.Thresholds.FreeBytes,
		HitRateRequests: c.Thresholds.HitRateRequests, Settle: c.Timeouts.Settle, Window: c.Health.Window,
	}
}

func made(results []Result, check string) []Result {
	return slices.DeleteFunc(slices.Clone(results), func(r Result) bool { return r.Check != check })
}

func TestFactsInOrderAreOK(t *testing.T) {
	for _, r := range Evaluate(facts(), limits(t)) {
		if r.State != OK || r.Fix != "" || r.Message == "" {
			t.Errorf("%+v", r)
		}
	}
}

// Each bound is met below, at and above: only what is past it changes the state.
func TestBounds(t *testing.T) {
	within := []State{OK, OK, Warning, Warning, Critical}
	unmet := map[string]bool{}
	for _, c := range All() {
		unmet[c.Name] = c.Bounds != ""
	}
	for _, c := range []struct {
		check  string
		set    func(*Facts, float64)
		values []float64 // below and at the warning, above it, at the critical bound, above that
	}{
		{"pool", func(f *Facts, v float64) { f.Pools[0].Latency = time.Duration(v * float64(time.Second)) }, []float64{0.499, 0.5, 0.501, 2, 2.001}},
		{"listen-queue", func(f *Facts, v float64) { f.Pools[0].Queue = pointer(int64(v)) }, []float64{4, 5, 6, 50, 51}},
		{"max-children", func(f *Facts, v float64) { f.Pools[0].Growth.MaxChildren = int64(v) }, []float64{0, 0, 1, 100, 101}},
		{"slow-requests", func(f *Facts, v float64) { f.Pools[0].Growth.SlowRequests = int64(v) }, []float64{0, 0, 1, 100, 101}},
		{"memory", func(f *Facts, v float64) { f.Masters[0].Memory.UsedRatio, f.Masters[0].Memory.WastedRatio = v, 0 }, []float64{0.89, 0.9, 0.91, 0.97, 0.98}},
		{"waste", func(f *Facts, v float64) { f.Masters[0].Memory.WastedRatio = v }, []float64{0.24, 0.25, 0.26, 0.5, 0.51}},
		{"keys", func(f *Facts, v float64) { f.Masters[0].Keys.Ratio = v }, []float64{0.89, 0.9, 0.91, 0.97, 0.98}},
		{"strings", func(f *Facts, v float64) { f.Masters[0].Strings.Ratio = v }, []float64{0.94, 0.95, 0.96, 1, 1.01}},
		{"jit", func(f *Facts, v float64) { f.Masters[0].JIT.Ratio = v }, []float64{0.89, 0.9, 0.91, 1, 1.01}},
		{"hit-rate", func(f *Facts, v float64) {
			f.Masters[0].Window.Hits, f.Masters[0].Window.Misses = pointer(int64(v)), pointer(int64(1000-v))
		}, []float64{901, 900, 899, 700, 699}},
		{"restarts", func(f *Facts, v float64) { f.Masters[0].Restarted.Hash = int64(v) }, []float64{0, 0, 1, 2, 3}},
		{"mixed-releases", func(f *Facts, v float64) {
			f.Apps[0].Instances[1].Release = "v2"
			f.Apps[0].Instances[0].Changed = f.Time.Add(-10000 * time.Hour)
			f.Apps[0].Instances[1].Changed = f.Time.Add(-time.Duration(v) * time.Hour)
		}, []float64{23, 24, 25, 168, 169}},
		{"releases", func(f *Facts, v float64) { f.Apps[0].Prunable = make([]outcome.PrunedRelease, int(v)) }, []float64{1, 2, 3, 20, 21}},
		{"disk", func(f *Facts, v float64) { f.FileSystems[0].FreeBytes = int64(v) << 20 }, []float64{101, 100, 99, 50, 49}},
		{"inodes", func(f *Facts, v float64) { f.FileSystems[0].Free = int64(v) }, []float64{101, 100, 99, 50, 49}},
	} {
		delete(unmet, c.check)
		for n, value := range c.values {
			f := facts()
			c.set(&f, value)
			results := made(Evaluate(f, limits(t)), c.check)
			if len(results) != 1 || results[0].State != within[n] {
				t.Errorf("%s at %g: %+v, want %s", c.check, value, results, within[n])
			}
		}
	}
	for name, bounded := range unmet {
		if bounded {
			t.Errorf("no case for %s", name)
		}
	}
}

// With as much free as a deploy wants, neither a large share nor waste is a fault.
func TestMemoryIsShortBelowFreeBytes(t *testing.T) {
	for free, want := range map[int64]State{16 << 20: OK, 16<<20 - 1: Critical} {
		f := facts()
		f.Masters[0].Memory = report.MemoryReport{TotalBytes: 1 << 30, FreeBytes: free, UsedRatio: 0.38, WastedRatio: 0.6}
		for _, check := range []string{"memory", "waste"} {
			if r := made(Evaluate(f, limits(t)), check)[0]; r.State != want {
				t.Errorf("%d free: %+v", free, r)
			}
		}
	}
}

func TestHitRateNeedsRequests(t *testing.T) {
	for asked, want := range map[int64]State{0: OK, 999: OK, 1000: Critical} {
		f := facts()
		f.Masters[0].Window.Hits, f.Masters[0].Window.Misses = pointer[int64](0), pointer(asked)
		if r := made(Evaluate(f, limits(t)), "hit-rate")[0]; r.State != want {
			t.Errorf("%d look-ups: %+v", asked, r)
		}
	}
}

func TestFreeSpaceBelowMinFree(t *testing.T) {
	for minFree, want := range map[int64]State{500 << 20: OK, 500<<20 + 1: Critical} {
		f := facts()
		f.FileSystems[0].MinFree = minFree
		if r := made(Evaluate(f, limits(t)), "disk")[0]; r.State != want {
			t.Errorf("%d: %+v", minFree, r)
		}
	}
}

func TestSamplesThatCannotBeKeptAreTold(t *testing.T) {
	f := facts()
	f.Samples = errors.New("permission denied")
	f.Pools[0].Growth, f.Masters[0].Restarted, f.Masters[0].Window = nil, nil, report.WindowReport{}
	unknown := map[string]bool{}
	for _, r := range Evaluate(f, limits(t)) {
		if r.State == Unknown {
			unknown[r.Check] = true
		}
	}
	if diff := cmp.Diff(map[string]bool{"max-children": true, "slow-requests": true, "hit-rate": true, "restarts": true}, unknown); diff != "" {
		t.Error(diff)
	}
}

func TestBusyStatusPageIsNotAMissingOne(t *testing.T) {
	f := facts()
	p := &f.Pools[0]
	p.Status, p.Growth, p.StatusErr = nil, nil, hint.With(fmt.Errorf("call %s: %w", p.Address, fcgi.ErrStatusBusy), "reload it")
	for _, check := range []string{"status-page", "max-children", "slow-requests"} {
		if r := made(Evaluate(f, limits(t)), check)[0]; r.State != Unknown || !strings.Contains(r.Message, "is busy") {
			t.Errorf("%+v", r)
		}
	}
}

func TestDeployUnderWayIsNoProblem(t *testing.T) {
	f := facts()
	a := &f.Apps[0]
	a.Locked = &lock.Holder{User: "ci", Since: f.Time.Add(-time.Minute)}
	a.Pending = &status.Pending{Phase: journal.PhaseMoved}
	a.Old = []OldRelease{{Release: "v0", LastUsed: f.Time}}
	for _, r := range Evaluate(f, limits(t)) {
		if r.State != OK {
			t.Errorf("%+v", r)
		}
	}
}

// The use of an old release counts from settle after the last move on, and for
// as long as the window.
func TestOldReleaseInTime(t *testing.T) {
	for name, c := range map[string]struct {
		moved, used time.Duration // ago
		want        State
	}{
		"while workers end what they began": {time.Minute, 31 * time.Second, OK},
		"at the end of settle":              {time.Minute, 30 * time.Second, OK},
		"after it":                          {time.Minute, 29 * time.Second, Critical},
		"long ago":                          {time.Hour, 16 * time.Minute, OK},
		"within the window":                 {time.Hour, 14 * time.Minute, Critical},
		"never":                             {time.Hour, 1 << 62, OK},
	} {
		f := facts()
		for i := range f.Apps[0].Instances {
			f.Apps[0].Instances[i].Changed = f.Time.Add(-c.moved)
		}
		f.Apps[0].Old = []OldRelease{{Release: "v0", Scripts: 3, LastUsed: f.Time.Add(-c.used)}}
		if r := made(Evaluate(f, limits(t)), "old-release")[0]; r.State != c.want {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestWorst(t *testing.T) {
	for _, c := range []struct {
		states []State
		want   State
	}{
		{nil, OK}, {[]State{OK, Unknown}, Unknown}, {[]State{Unknown, Warning, OK}, Warning}, {[]State{Unknown, Critical, Warning}, Critical},
	} {
		var results []Result
		for _, s := range c.states {
			results = append(results, Result{State: s})
		}
		if got := Worst(results); got != c.want {
			t.Errorf("%v: %s, want %s", c.states, got, c.want)
		}
	}
}

func TestSelect(t *testing.T) {
	name := func(checks []Check) string {
		text := ""
		for _, c := range checks {
			text += c.Name + " "
		}
		return text
	}
	if chosen, _ := Select([]string{"fpm"}, []string{"max-children"}); name(chosen) != "listen-queue slow-requests " {
		t.Error(name(chosen))
	}
	if chosen, _ := Select([]string{"links", "pool"}, nil); name(chosen) != "pool links " {
		t.Error(name(chosen))
	}
	if all, _ := Select(nil, nil); len(all) != len(All()) {
		t.Error(name(all))
	}
	_, err := Select([]string{"hitrate"}, nil)
	if !errors.Is(err, ErrUnknownCheck) {
		t.Error(err)
	}
}

// The bounds of a check are a key of the configuration, which is named where the
// check says what it means, and each key has its check.
func TestBoundsAreThoseOfTheConfiguration(t *testing.T) {
	unused := limits(t).Bounds
	for _, c := range All() {
		_, known := limits(t).Bounds[c.Bounds]
		if c.Bounds != "" && !known {
			t.Errorf("%s: the configuration has no health.%s", c.Name, c.Bounds)
		}
		if c.Bounds != "" && !strings.Contains(strings.ToLower(c.Means), "judged by health."+c.Bounds) {
			t.Errorf("%s does not say that it is judged by health.%s", c.Name, c.Bounds)
		}
		delete(unused, c.Bounds)
	}
	if len(unused) > 0 {
		t.Errorf("no check takes %v", unused)
	}
}

func TestChecksAreDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range All() {
		if c.Means == "" || c.Family == "" || c.run == nil || seen[c.Name] {
			t.Errorf("%+v", c)
		}
		seen[c.Name] = true
	}
	for name := range runs {
		if !seen[name] {
			t.Errorf("%s is not in the catalogue", name)
		}
	}
	for _, c := range All() {
		if seen[c.Family] {
			t.Errorf("%s is a family and a check", c.Family)
		}
	}
}

func TestEveryBrokenLinkIsADetail(t *testing.T) {
	f := facts()
	for i := range 100 {
		f.Apps[0].Instances = append(f.Apps[0].Instances, Instance{Name: fmt.Sprint("site", i), Kind: links.Missing})
	}
	if r := made(Evaluate(f, limits(t)), "links")[0]; r.Message != "100 of 102 links not in order" || len(r.Details) != 100 {
		t.Errorf("%+v", r)
	}
}
