package serve

import (
	"reflect"
	"testing"
	"time"

	"relink/deploy/journal"
	"relink/deploy/lock"
	"relink/deploy/outcome"
	"relink/deploy/status"
	"relink/health"
	"relink/health/gather"
	"relink/opcache/report"

	"github.com/google/go-cmp/cmp"
)

// seen are the facts of a full look, or of a cheap one at the same state.
func seen(cheap bool) health.Facts {
	started := noon.Add(-time.Hour)
	m := report.MasterReport{Name: "c", Pools: []string{"c"}, Started: &started, Memory: report.MemoryReport{TotalBytes: 100, UsedBytes: 50, FreeBytes: 40, WastedBytes: 10, UnexplainedBytes: 50, ReplacedBytes: 10, OverheadBytes: 50}}
	app := report.ApplicationReport{Name: "booking", Releases: []report.ReleaseReport{{Release: "v1", Folder: "/r/v1", Instances: []string{"club1"}}}}
	f := health.Facts{Time: noon, Cheap: cheap, Apps: []health.App{{Name: "booking", Instances: []health.Instance{{Name: "club1", Real: "/r/v1", Release: "v1"}}}}}
	if !cheap {
		m.Memory.LiveBytes, m.Memory.UnexplainedBytes, m.Memory.OverheadBytes, m.Memory.DeadBytes, m.Memory.ReplacedBytes = 45, 5, 5, 8, 2
		m.SavedBytes, m.Scripts.Live = 45, 9
		app.SavedBytes = 45
		app.Releases[0].Holding = report.Holding{LiveBytes: 45, LiveScripts: 9}
		f.Apps[0].Prunable = []outcome.PrunedRelease{{}}
		f.Apps[0].Old = []health.OldRelease{{Release: "v0"}}
		ten := 10 * time.Second
		f.Masters = []health.Master{{ControlTimeout: &ten}}
	} else {
		f.Masters = []health.Master{{}}
	}
	f.Masters[0].MasterReport = m
	f.Report = &report.Report{Masters: []report.MasterReport{m}, Applications: []report.ApplicationReport{app}}
	return f
}

func TestWhatHasNotChangedIsJudgedByTheFullLook(t *testing.T) {
	now := seen(true)
	now.Report.Masters[0].Memory.UsedBytes, now.Report.Masters[0].Memory.FreeBytes = 56, 30
	now.Report.Masters[0].Memory.WastedBytes = 14
	got := overlay(now, seen(false))
	if got.Cheap || len(got.Apps[0].Old) != 1 || len(got.Apps[0].Prunable) != 1 || got.Masters[0].ControlTimeout == nil {
		t.Errorf("%+v", got.Apps)
	}
	want := report.MemoryReport{TotalBytes: 100, UsedBytes: 56, FreeBytes: 30, WastedBytes: 14, LiveBytes: 45, OverheadBytes: 11, UnexplainedBytes: 11, DeadBytes: 8, ReplacedBytes: 6}
	if diff := cmp.Diff(want, got.Masters[0].Memory); diff != "" {
		t.Error(diff)
	}
	if got.Report.SavedBytes != 45 || got.Report.Applications[0].Releases[0].LiveBytes != 45 || got.Masters[0].Scripts.Live != 9 {
		t.Errorf("%+v", got.Report)
	}
}

func TestWhatHasChangedIsNotJudged(t *testing.T) {
	for name, change := range map[string]func(*health.Facts){
		"a link":      func(f *health.Facts) { f.Apps[0].Instances[0].Real = "/r/v2" },
		"a deploy":    func(f *health.Facts) { f.Apps[0].Locked = &lock.Holder{} },
		"its end":     func(f *health.Facts) { f.Apps[0].Last = &journal.Event{ID: "1"} },
		"its journal": func(f *health.Facts) { f.Apps[0].Pending = &status.Pending{Phase: journal.PhaseMoved} },
		"a restart":   func(f *health.Facts) { f.Masters[0].LastRestart = &f.Time },
		"a master":    func(f *health.Facts) { f.Masters[0].Started = &f.Time },
	} {
		now := seen(true)
		change(&now)
		for i := range now.Masters {
			now.Report.Masters[i] = now.Masters[i].MasterReport
		}
		if got := overlay(now, seen(false)); !got.Cheap || len(got.Apps[0].Old) > 0 {
			t.Errorf("%s: what the full look has found is still told", name)
		}
	}
}

// After a switch the old release is still held, by no instance; a cache that was
// emptied holds nothing that is known.
func TestFiguresFollowTheLinks(t *testing.T) {
	now := seen(true)
	now.Apps[0].Instances[0].Real = "/r/v2"
	now.Report.Applications[0].Releases = []report.ReleaseReport{{Release: "v2", Folder: "/r/v2", Instances: []string{"club1"}}}
	releases := overlay(now, seen(false)).Report.Applications[0].Releases
	if len(releases) != 2 || len(releases[0].Instances) != 1 || releases[1].LiveBytes != 45 || len(releases[1].Instances) != 0 {
		t.Errorf("%+v", releases)
	}
	now = seen(true)
	now.Report.Masters[0].LastRestart = &now.Time
	if got := overlay(now, seen(false)); got.Report.Masters[0].Memory.LiveBytes != 0 {
		t.Errorf("%+v", got.Report.Masters[0].Memory)
	}
}

func TestChangesAreNoticed(t *testing.T) {
	before, now := seen(true), seen(true)
	if got := changesBetween(before, now); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	now.Apps[0].Instances[0].Real, now.Apps[0].Instances[0].Release = "", ""
	now.Apps[0].Last = &journal.Event{ID: "1", Operation: journal.OperationRollback, Release: "v1", Undone: "no"}
	now.Masters[0].Started = &now.Time
	before.Pools = []health.Pool{{Address: "a"}, {Address: "b"}}
	now.Pools = []health.Pool{{Address: "b", Err: journal.ErrJournal}, {Address: "d"}}
	want := []string{
		"link booking: 1 link moved from v1 to nowhere", "deploy booking: the rollback of v1 failed and was rolled back",
		"pool b: does not answer: unreadable journal", "pool d: appeared", "pool a: is gone", "master c: the FPM master was started or reloaded",
	}
	if diff := cmp.Diff(want, told(before, now)); diff != "" {
		t.Error(diff)
	}
}

func told(before, now health.Facts) []string {
	var list []string
	for _, c := range changesBetween(before, now) {
		list = append(list, c.Kind+" "+c.Subject+": "+c.Message)
	}
	return list
}

// The lock is held for a moment before its file names somebody, and after the history tells
// the end; another deploy may take it at once, and a run that has ended may be taken back.
func TestEachDeployIsNoticedFromBeginningToEnd(t *testing.T) {
	at := func(second int) *lock.Holder {
		return &lock.Holder{PID: second, User: "ci", Since: time.Unix(int64(second), 0)}
	}
	ended := &journal.Event{ID: "1", Operation: journal.OperationDeploy, Release: "v2"}
	undone := *ended
	undone.Undone = "no"
	const began, end, back = "deploy booking: a deploy began, by ci", "deploy booking: the deploy of v2 ended", "deploy booking: the deploy of v2 failed and was rolled back"
	for name, c := range map[string]struct {
		before, now health.App
		want        []string
	}{
		"begun":              {health.App{}, health.App{Locked: at(1)}, []string{began}},
		"under way":          {health.App{Locked: at(1)}, health.App{Locked: at(1)}, nil},
		"begun and ended":    {health.App{}, health.App{Locked: at(1), Last: ended}, []string{began, end}},
		"not named yet":      {health.App{}, health.App{Locked: &lock.Holder{}}, nil},
		"named now":          {health.App{Locked: &lock.Holder{}}, health.App{Locked: at(1)}, []string{began}},
		"not named any more": {health.App{Locked: at(1)}, health.App{Locked: &lock.Holder{}, Last: ended}, []string{end}},
		"ended":              {health.App{Locked: at(1)}, health.App{Last: ended}, []string{end}},
		"and another began":  {health.App{Locked: at(1)}, health.App{Locked: at(2), Last: ended}, []string{began, end}},
		"taken back":         {health.App{Last: ended}, health.App{Last: &undone}, []string{back}},
	} {
		before, now := c.before, c.now
		before.Name, now.Name = "booking", "booking"
		if diff := cmp.Diff(c.want, told(health.Facts{Apps: []health.App{before}}, health.Facts{Apps: []health.App{now}})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestOnlyTheLastChangesAreKept(t *testing.T) {
	c := newChanges()
	for range 3 * keptChanges {
		c.add(Change{Kind: "link"})
	}
	if len(c.newest()) != keptChanges || c.counted()["link"] != 3*keptChanges {
		t.Errorf("%d of %d", len(c.newest()), c.counted()["link"])
	}
}

// A field that the report or a sample gains must not get lost on the way.
func TestNothingButScriptsIsLeftOut(t *testing.T) {
	var r report.Report
	fill(reflect.ValueOf(&r).Elem())
	if diff := cmp.Diff(&r, r.WithoutScripts(), cmpopts(report.Report{})); diff != "" {
		t.Error(diff)
	}
	s := gather.Sample{Totals: report.Totals{Masters: make([]report.MasterTotals, 1)}}
	fill(reflect.ValueOf(&s.Masters[0]).Elem())
	if diff := cmp.Diff(s.Totals, s.WithoutScripts(), cmpopts(report.MasterTotals{})); diff != "" {
		t.Error(diff)
	}
}

func cmpopts(of any) cmp.Option {
	kind := reflect.TypeOf(of)
	return cmp.FilterPath(func(p cmp.Path) bool {
		field, ok := p.Last().(cmp.StructField)
		return ok && p.Index(-2).Type() == kind && !kind.Field(field.Index()).IsExported()
	}, cmp.Ignore())
}

// fill gives each exported field some value.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		switch field := v.Field(i); {
		case !field.CanSet():
		case field.Kind() == reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
		case field.Kind() == reflect.Map:
			field.Set(reflect.MakeMap(field.Type()))
		case field.Kind() == reflect.Pointer:
			field.Set(reflect.New(field.Type().Elem()))
		case field.Kind() == reflect.String:
			field.SetString("x")
		case field.Kind() == reflect.Bool:
			field.SetBool(true)
		case field.CanInt():
			field.SetInt(7)
		case field.CanFloat():
			field.SetFloat(7)
		}
	}
}
