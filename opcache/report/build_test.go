package report

import (
	"slices"
	"testing"
	"time"

	"relink/php"

	"github.com/google/go-cmp/cmp"
)

const releases = "/srv/releases/shop"

func script(path string, memory, hits int64) php.Script {
	return php.Script{Path: path, Live: true, Memory: memory, Hits: hits, LastUsed: noon}
}

func dead(path string, memory int64) php.Script { return php.Script{Path: path, Memory: memory} }

// shop has n instances on a release.
func shop(n int, release string) Application {
	app := Application{Name: "shop", Releases: releases}
	for range n {
		app.Instances = append(app.Instances, Instance{Name: "i", Target: releases + "/" + release})
	}
	return app
}

func one(m Master) Sample { return Sample{Time: noon, Masters: []Master{m}} }

func TestSums(t *testing.T) {
	m := Master{Name: "a", Scripts: []php.Script{
		script(releases+"/v2/a.php", 1000, 5), script(releases+"/v2/b.php", 3000, 0),
		dead(releases+"/v2/a2.php", 500), dead(releases+"/v1/a.php", 700), script("/usr/lib/x.php", 100, 1),
	}}
	m.Status.Memory = php.Memory{Used: 10000, Free: 5000, Wasted: 2000}
	m.Configuration.InternedStringsBuffer = 3000
	m.Status.Statistics = php.Statistics{CachedScripts: 5, CachedKeys: 9, MaxCachedKeys: 40}
	r := Build(one(m), nil, []Application{shop(4, "v2")}, Options{})
	mem := r.Masters[0].Memory
	want := MemoryReport{TotalBytes: 17000, UsedBytes: 10000, FreeBytes: 5000, WastedBytes: 2000,
		UsedRatio: 10.0 / 17, FreeRatio: 5.0 / 17, WastedRatio: 2.0 / 17,
		LiveBytes: 4100, DeadBytes: 1200, ReplacedBytes: 800,
		OverheadBytes: 5900, StringBufferBytes: 3000, KeyTableBytes: 1920, AlignmentBytes: 320, UnexplainedBytes: 660}
	if diff := cmp.Diff(want, mem); diff != "" {
		t.Error(diff)
	}
	if mem.UsedBytes != mem.LiveBytes+mem.StringBufferBytes+mem.KeyTableBytes+mem.AlignmentBytes+mem.PreloadBytes+mem.JITTableBytes+mem.UnexplainedBytes {
		t.Error("the parts do not add up to what is used")
	}
	v2 := r.Applications[0].Releases[0]
	attached := 2*int64(alignmentBytes) + 660*4000/6100
	if v2.LiveBytes != 4000 || v2.DeadBytes != 500 || v2.NeverBytes != 3000 || v2.AttachedBytes != attached ||
		v2.SavedLiveBytes != 3*4000 || v2.SavedBytes != 3*(4000+attached) || v2.SavedKeys != 3*2 {
		t.Errorf("%+v", v2)
	}
	if v1 := r.Applications[0].Releases[1]; v1.Release != "v1" || v1.LiveScripts != 0 || v1.DeadBytes != 700 || v1.SavedBytes != 0 {
		t.Errorf("%+v", v1)
	}
	if r.SavedBytes != v2.SavedBytes || r.UnsharedBytes != 10000+v2.SavedBytes || r.Masters[0].Keys.Aliases != 4 {
		t.Errorf("%+v", r)
	}
}

// With several masters each holds a copy of its own: of N copies that would be
// needed, M are there.
func TestSavingOverMasters(t *testing.T) {
	for _, c := range []struct{ masters, instances, copies int }{
		{1, 0, 0}, {1, 1, 0}, {1, 2, 1}, {2, 1, 0}, {2, 2, 0}, {2, 10, 8}, {3, 4, 1},
	} {
		s := Sample{Time: noon}
		for range c.masters {
			s.Masters = append(s.Masters, Master{Name: "m", Scripts: []php.Script{script(releases+"/v1/a.php", 6000, 1)}})
		}
		r := Build(s, nil, []Application{shop(c.instances, "v1")}, Options{})
		if want := int64(c.copies) * 6000; r.Applications[0].Releases[0].SavedLiveBytes != want {
			t.Errorf("%+v: %d saved", c, r.Applications[0].Releases[0].SavedLiveBytes)
		}
		if want := int64(c.copies) * (6000 + alignmentBytes); r.SavedBytes > want || r.SavedBytes < want-3 {
			t.Errorf("%+v: %d in all, want %d", c, r.SavedBytes, want)
		}
	}
}

func TestWindow(t *testing.T) {
	at := func(hits, misses int64, started time.Time) Sample {
		m := Master{Name: "a", Pools: []string{"p"}, Scripts: []php.Script{script(releases+"/v1/a.php", 10, hits)}}
		m.Status.Statistics = php.Statistics{Hits: hits, Misses: misses, StartTime: started}
		return one(m)
	}
	start := noon.Add(-time.Hour)
	earlier := func(hits, misses int64) *Totals {
		s := at(hits, misses, start)
		s.Time = noon.Add(-10 * time.Second)
		totals := s.Totals([]Application{shop(1, "v1")})
		return &totals
	}
	later := earlier(0, 0)
	later.Time = noon
	stranger := earlier(0, 0)
	stranger.Masters[0].Name, stranger.Masters[0].Pools = "b", []string{"q"}
	renamed := earlier(100, 10)
	renamed.Masters[0].Name = "4711"
	for name, c := range map[string]struct {
		before *Totals
		now    Sample
		ratio  float64 // -1: unknown
		why    string
	}{
		"no sample":         {nil, at(200, 10, start), -1, "there is no earlier sample"},
		"enough":            {earlier(100, 10), at(190, 20, start), 0.9, ""},
		"one too few":       {earlier(100, 10), at(189, 20, start), -1, "99 requests in the window, 100 are needed"},
		"restarted":         {earlier(100, 10), at(400, 20, start.Add(time.Minute)), -1, "OPcache was restarted since the earlier sample"},
		"counters fell":     {earlier(100, 10), at(90, 20, start), -1, "the earlier sample does not precede this one"},
		"same time":         {later, at(400, 20, start), -1, "the earlier sample does not precede this one"},
		"another master":    {stranger, at(400, 20, start), -1, "the earlier sample lacks this OPcache"},
		"known by its pool": {renamed, at(190, 20, start), 0.9, ""},
	} {
		w := Build(c.now, c.before, []Application{shop(1, "v1")}, Options{}).Masters[0].Window
		if w.Unknown != c.why || (w.Ratio == nil) != (c.ratio < 0) || w.Ratio != nil && *w.Ratio != c.ratio {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

func TestReleaseWindow(t *testing.T) {
	apps := []Application{shop(1, "v1")}
	sample := func(hits ...int64) Sample {
		m := Master{Name: "a"}
		for i, n := range hits {
			m.Scripts = append(m.Scripts, script(releases+"/v1/"+string(rune('a'+i))+".php", 10, n))
		}
		return Sample{Time: noon.Add(time.Duration(hits[0]) * time.Second), Masters: []Master{m}}
	}
	for name, c := range map[string]struct {
		before, now []int64
		live, kept  int64 // from the hits of each script, and from the recorded sum; -1: unknown
	}{
		"grown":          {[]int64{5, 10}, []int64{7, 15}, 7, 7},
		"compiled again": {[]int64{5, 10}, []int64{7, 2}, 4, -1},
		"new script":     {[]int64{5}, []int64{7, 3}, 5, 5},
	} {
		before := sample(c.before...).Totals(apps)
		window := func() *int64 {
			return Build(sample(c.now...), &before, apps, Options{}).Applications[0].Releases[0].WindowHits
		}
		if got := window(); got == nil || *got != c.live {
			t.Errorf("%s: %v in the window", name, got)
		}
		before.Masters[0].scripts = nil
		if got := window(); (got == nil) != (c.kept < 0) || got != nil && *got != c.kept {
			t.Errorf("%s: %v in the window from the recorded sum", name, got)
		}
	}
}

func TestPlaces(t *testing.T) {
	apps := []Application{
		{Name: "shop", Releases: "/srv/shop/", Instances: []Instance{
			{Name: "a", Target: "/srv/shop/v1/web"}, {Name: "b", Target: "/home/copy"}, {Name: "c", Target: "/home/copy/"}, {Name: "d"}}},
		{Name: "nested", Releases: "/srv/shop/v1/modules"},
	}
	p := newPlaces(apps)
	for path, want := range map[string]string{
		"/srv/shop/v1/web/index.php": "/srv/shop/v1", "/srv/shop/v2/x.php": "/srv/shop/v2", "/srv/shop/loose.php": "",
		"/srv/shop2/v1/x.php": "", "/home/copy/x.php": "/home/copy", "/home/copycat/x.php": "",
		"/srv/shop/v1/modules/m1/a.php": "/srv/shop/v1/modules/m1", "$PRELOAD$": "", "": "", "/x.php": "", "phar:///a/b.phar/c.php": "",
	} {
		got := ""
		if found := p.of(path); found != nil {
			got = found.folder
		}
		if got != want {
			t.Errorf("%s belongs to %q, want %q", path, got, want)
		}
	}
	if found := p.of("/home/copy/x.php"); len(found.instances) != 2 || found.id != "/home/copy" {
		t.Errorf("%+v", found)
	}
}

func TestOutsideFolders(t *testing.T) {
	for name, c := range map[string]struct{ paths, want []string }{
		"none":         {nil, nil},
		"one":          {[]string{"/a/b/c.php"}, []string{"/a/b"}},
		"sites":        {[]string{"/var/www/a/i.php", "/var/www/b/x/i.php", "/usr/share/php/M.php"}, []string{"/usr/share/php", "/var/www/a", "/var/www/b/x"}},
		"whole":        {[]string{"/a/i.php", "/a/b/c.php"}, []string{"/a"}},
		"root":         {[]string{"/i.php", "/a/b.php"}, []string{"/"}},
		"like a child": {[]string{"/w/a/1.php", "/w/a-b/2.php", "/w/a.c/3.php"}, []string{"/w/a", "/w/a-b", "/w/a.c"}},
		"odd":          {[]string{"", "x.php", "phar:///p/a.php", "/a/b.php"}, []string{"/"}},
	} {
		var m Master
		for _, path := range c.paths {
			m.Scripts = append(m.Scripts, script(path, 10, 1))
		}
		var got []string
		scripts := int64(0)
		for _, f := range Build(one(m), nil, nil, Options{}).Outside {
			got = append(got, f.Folder)
			scripts += f.LiveScripts
		}
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got); diff != "" || scripts != int64(len(c.paths)) {
			t.Errorf("%s: %d scripts, %s", name, scripts, diff)
		}
	}
}
