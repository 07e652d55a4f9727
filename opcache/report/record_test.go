package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/internal/ui"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestTotalsSurvive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "samples")
	if got, err := LoadTotals(dir, noon); got != nil || err != nil {
		t.Fatalf("%v %v before any was recorded", got, err)
	}
	want := *fixedBefore()
	must(t, SaveTotals(dir, want))
	got, err := LoadTotals(dir, noon)
	must(t, err)
	if diff := cmp.Diff(&want, got, cmpopts.IgnoreUnexported(MasterTotals{})); diff != "" {
		t.Error(diff)
	}
	if got, err := LoadTotals(dir, want.Time); got != nil || err != nil {
		t.Errorf("%v %v: a sample that is not earlier", got, err)
	}
}

func TestTotalsAreBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range keptTotals + 5 {
		must(t, SaveTotals(dir, Totals{Version: totalsVersion, Time: noon.Add(time.Duration(i) * time.Millisecond)}))
	}
	files, err := os.ReadDir(dir)
	must(t, err)
	if len(files) != keptTotals {
		t.Errorf("%d samples", len(files))
	}
}

// A damaged sample is passed over for the one before it.
func TestTotalsDamaged(t *testing.T) {
	dir := t.TempDir()
	good := Totals{Version: totalsVersion, Time: noon}
	must(t, SaveTotals(dir, good))
	for i, content := range []string{"", "{", "null", `{"version": 2}`, `[]`} {
		must(t, os.WriteFile(filepath.Join(dir, noon.Add(time.Duration(i+1)*time.Second).Format("20060102T150405.000000000Z.json")), []byte(content), 0o644))
	}
	got, err := LoadTotals(dir, noon.Add(time.Hour))
	must(t, err)
	if got == nil || !got.Time.Equal(noon) {
		t.Errorf("%+v", got)
	}
	if _, err := LoadTotals(filepath.Join(dir, "note"), noon); err != nil {
		t.Error(err)
	}
}

func FuzzTotals(f *testing.F) {
	data, err := json.Marshal(fixedBefore())
	must(f, err)
	f.Add(data)
	f.Add([]byte(`{"version":1,"masters":[null,{"pools":null}]}`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, noon.Format("20060102T150405.000000000Z.json")), data, 0o644))
		before, err := LoadTotals(dir, noon.Add(time.Hour))
		if must(t, err); before == nil {
			return
		}
		var out bytes.Buffer
		must(t, ui.JSON(&out, Build(fixedSample(), before, fixedApps(), Options{})))
		if !json.Valid(out.Bytes()) {
			t.Errorf("%q gives no JSON: %s", data, out.Bytes())
		}
	})
}
