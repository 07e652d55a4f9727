package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFurtherDeploys(t *testing.T) {
	need := Need{Bytes: 10 * mb, Keys: 100, StringBytes: 1000}
	for name, c := range map[string]struct {
		figures ForecastFigures
		fit     int64
		limit   string
		strings int64
	}{
		"a byte too few": {ForecastFigures{FreeBytes: 20*mb + MinFreeBytes - 1, FreeKeys: 1000, FreeStringBytes: 999}, 1, "memory", 0},
		"just":           {ForecastFigures{FreeBytes: 20*mb + MinFreeBytes, FreeKeys: 1000, FreeStringBytes: 1000}, 2, "memory", 1},
		"a byte more":    {ForecastFigures{FreeBytes: 20*mb + MinFreeBytes + 1, FreeKeys: 200, FreeStringBytes: 1001}, 2, "memory", 1},
		"a key too few":  {ForecastFigures{FreeBytes: 100 * mb, FreeKeys: 199}, 1, "keys", 0},
		"no key":         {ForecastFigures{FreeBytes: 100 * mb, FreeKeys: 99}, 0, "keys", 0},
		"full":           {ForecastFigures{}, 0, "memory", 0},
	} {
		c.figures.Apps = []AppForecast{{App: "shop", Next: need}}
		got := Predict(c.figures).Applications[0]
		if got.FurtherDeploys != c.fit || got.LimitedBy != c.limit || got.StringDeploys != c.strings {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestPlans(t *testing.T) {
	hours := func(all ...int) []time.Time {
		var out []time.Time
		for _, h := range all {
			out = append(out, noon.Add(time.Duration(h)*time.Hour))
		}
		return out
	}
	for name, c := range map[string]struct {
		apps      []AppForecast
		day, week *Plan
	}{
		"none recorded": {[]AppForecast{{Next: Need{Bytes: 8 * mb, Keys: 100}}}, nil, nil},
		"one": {[]AppForecast{{Next: Need{Bytes: 8 * mb, Keys: 100}, deploys: hours(0)}},
			&Plan{1, 32 * mb, 463}, &Plan{1, 32 * mb, 463}},
		// 24 hours after the first is another day.
		"a day apart": {[]AppForecast{{Next: Need{Bytes: 8 * mb, Keys: 100}, deploys: hours(24, 0)}},
			&Plan{1, 32 * mb, 463}, &Plan{2, 40 * mb, 463}},
		"within a day": {[]AppForecast{{Next: Need{Bytes: 8 * mb, Keys: 100}, deploys: hours(23, 0, 300)}},
			&Plan{2, 40 * mb, 463}, &Plan{2, 40 * mb, 463}},
		"two applications": {[]AppForecast{
			{Next: Need{Bytes: 8 * mb, Keys: 100}, deploys: hours(0, 1, 2)},
			{Next: Need{Bytes: 16 * mb, Keys: 1000}, deploys: hours(3, 30)}},
			&Plan{4, 64 * mb, 1979}, &Plan{5, 80 * mb, 3907}},
	} {
		f := ForecastFigures{FreshBytes: 20*mb - MinFreeBytes, FreshKeys: 263, Apps: c.apps}
		got := Predict(f)
		if diff := cmp.Diff([]*Plan{c.day, c.week}, []*Plan{got.Day, got.Week}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestNeed(t *testing.T) {
	half := 0.5
	for name, c := range map[string]struct {
		changed *float64
		strings int64
	}{"unknown": {nil, 2 * (5000 + 40*100)}, "half": {&half, 2*(5000+40*100) + 3000}} {
		if got, want := needOf(700, 50, 100, 5000, 6000, c.changed), (Need{750, 100, c.strings}); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// Which release is the one that the next follows: that of most instances, then the newer.
func TestLiveRelease(t *testing.T) {
	m := Master{Name: "a"}
	for _, release := range []string{"v1", "v2", "v3"} {
		m.Scripts = append(m.Scripts, script(releases+"/"+release+"/a.php", 1000, 1))
	}
	for name, c := range map[string]struct {
		on   map[string]int
		want string
	}{"most": {map[string]int{"v1": 3, "v2": 2}, "v1"}, "newer": {map[string]int{"v1": 2, "v2": 2}, "v2"}, "none": {nil, ""}, "not held": {map[string]int{"v9": 5, "v3": 1}, "v3"}} {
		app := Application{Name: "shop", Releases: releases}
		for release, n := range c.on {
			app.Instances = append(app.Instances, shop(n, release).Instances...)
		}
		got := ""
		for _, one := range Build(one(m), nil, []Application{app}, Options{}).Masters[0].Forecast.Applications {
			got = one.Release
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
