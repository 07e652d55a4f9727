package opcache

import (
	"strings"
	"testing"
)

func TestDecide(t *testing.T) {
	bounds := Thresholds{FreeBytes: 10e6, Keys: 0.9, Waste: 0.05}
	next := Forecast{Bytes: 20e6, Keys: 100}
	healthy := Figures{UsedBytes: 60e6, FreeBytes: 60e6, WastedBytes: 8e6, Wasted: 0.0625, Keys: 500, MaxKeys: 1000}
	tests := []struct {
		name   string
		change func(*Figures)
		want   Action
		reason string
	}{
		{"room for all", func(*Figures) {}, None, "60.0 MB free, the next release and its reserve need 30.0 MB"},
		{"memory at the bound", func(f *Figures) { f.FreeBytes = 30e6 }, None, "30.0 MB free"},
		{"memory below the bound", func(f *Figures) { f.FreeBytes = 30e6 - 1 }, Reset, "a restart frees the 8.0 MB that are wasted"},
		{"keys at the bound", func(f *Figures) { f.Keys = 800 }, None, "800 of 1000 keys used"},
		{"keys above the bound", func(f *Figures) { f.Keys = 801 }, Reset, "801 of 1000 keys used and the next release needs 100"},
		{"full", func(f *Figures) { f.Full = true }, Reset, "the cache is full"},
		{"short of memory, waste at the bound", func(f *Figures) { f.FreeBytes, f.Wasted = 0, 0.05 }, Reset, "0.0 MB free"},
		{"short of memory, nothing to free", func(f *Figures) { f.FreeBytes, f.Wasted = 0, 0.049 }, None, "raise opcache.memory_consumption"},
		{"a restart is pending", func(f *Figures) { f.FreeBytes, f.Pending = 0, true }, None, "already pending"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			figures := healthy
			tt.change(&figures)
			got := Decide(figures, next, bounds)
			if got.Action != tt.want || !strings.Contains(strings.Join(got.Reasons, "\n"), tt.reason) {
				t.Errorf("%s because of %q; want %s, %q", got.Action, got.Reasons, tt.want, tt.reason)
			}
		})
	}
}

func TestForecastLacks(t *testing.T) {
	figures := Figures{FreeBytes: 10, Keys: 5, MaxKeys: 10}
	for _, tt := range []struct {
		need Forecast
		want string
	}{
		{Forecast{10, 5}, ""},
		{Forecast{11, 5}, "free, the new release needs"},
		{Forecast{10, 6}, "5 of 10 keys used"},
	} {
		if got := tt.need.lacks(figures); !strings.Contains(got, tt.want) || (tt.want == "") != (got == "") {
			t.Errorf("%+v lacks %q, want %q", tt.need, got, tt.want)
		}
	}
}

func TestSaved(t *testing.T) {
	for instances, want := range map[int]int64{0: 0, 1: 0, 2: 100, 30: 2900} {
		if got := Saved(instances, Footprint{Bytes: 100, DeadBytes: 50}); got != want {
			t.Errorf("%d instances save %d, want %d", instances, got, want)
		}
	}
}
