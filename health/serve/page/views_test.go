package page

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/journal"
	"relink/deploy/status"
	"relink/health"

	"github.com/google/go-cmp/cmp"
)

func TestGroups(t *testing.T) {
	app := App{Name: "shop", Instances: []Instance{
		{Name: "a", Release: "/srv/old"}, {Name: "b", Release: older}, {Name: "c"}, {Name: "d", Release: newer}, {Name: "e", Release: older},
	}}
	var got []string
	for _, g := range groupsOf(app) {
		got = append(got, fmt.Sprintf("%s %d %s", g.Title(), g.Count, g.Class))
	}
	want := []string{newer + " 1 release-0", older + " 2 release-1", "/srv/old 1 release-2", "leading nowhere 1 release-none"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := releasesIn(groupsOf(app)); n != 3 {
		t.Errorf("on %d releases", n)
	}
}

// Instances are grouped at once, however many releases they are on.
func TestGroupsOfMany(t *testing.T) {
	app := App{Name: "shop", Instances: instancesOf("site", 1000, 0)}
	for i := range app.Instances {
		app.Instances[i].Release = fmt.Sprintf("20260314-%06d", i)
	}
	if groups := groupsOf(app); len(groups) != 1000 || groups[0].Release != "20260314-000999" || groups[999].Class != "release-3" {
		t.Errorf("%d groups, the first is %s", len(groups), groups[0].Release)
	}
}

// Of many hosts those are seen first that somebody has to look at.
func TestFleetOfMany(t *testing.T) {
	o := fleet.Overview{App: "shop", Rollout: &fleet.Rollout{ID: "1", Target: fleet.Target{Ref: "v2"}, Phase: fleet.Switching, Waves: []int{1, 20}, Wave: 1}}
	for i := range 20 {
		h := fleet.Standing{Name: fmt.Sprintf("web%02d", i), There: true, State: fleet.Moving, Stage: fleet.Ready}
		o.Rollout.Hosts = append(o.Rollout.Hosts, h.Name)
		switch i {
		case 3:
			h.State, h.Stage = fleet.NotReady, ""
		case 5:
			h.State, h.Stage = fleet.Behind, fleet.Failed
		case 7:
			h.State, h.There = fleet.Away, false
		}
		o.Hosts = append(o.Hosts, h)
	}
	v := fleetOf(o, "web03", "web05")
	var got []string
	for _, row := range v.Rows {
		got = append(got, fmt.Sprintf("%s %s own=%v steward=%v", row.Name, row.State, row.Own, row.Steward))
	}
	want := []string{"web07 away own=false steward=false", "web05 behind own=false steward=true", "web03 not ready own=true steward=false"}
	if diff := cmp.Diff(want, got); diff != "" || len(v.Others) != 17 || v.Wave != "wave 2 of 2" {
		t.Errorf("%d others, %s: %s", len(v.Others), v.Wave, diff)
	}
	if want := "Fleet, shop: 20 hosts, rollout of v2: switch, 18 ready, 1 failed, 1 away, 1 behind, 1 not ready"; v.Say != want {
		t.Errorf("%q instead of %q", v.Say, want)
	}
	if all, away, behind := (&Fleet{Apps: []fleet.Overview{o, o}}).hosts(); all != 20 || away != 1 || behind != 1 {
		t.Errorf("%d hosts, %d away, %d behind", all, away, behind)
	}
}

// What etcd told last is shown with its time, and says that it is old.
func TestFleetWithoutEtcd(t *testing.T) {
	s := Snapshot{Time: noon, Fleet: fixedFleet()}
	before, err := draw(s, nil)
	must(t, err)
	s.Fleet = fixedFleet()
	s.Fleet.Error = "etcd does not answer"
	now, err := draw(s, before)
	must(t, err)
	if s.same(before.snapshot) || !strings.Contains(string(now.whole), "etcd does not answer. What follows is of 2026-03-14 12:00:00 UTC.") || !strings.Contains(string(now.whole), "web4") {
		t.Error("it is not said")
	}
	if alone, err := draw(Snapshot{Time: noon}, nil); err != nil || strings.Contains(string(alone.whole), "Fleet") {
		t.Errorf("a host by itself is told of a fleet: %v", err)
	}
}

// drawnAs is what a template says.
func drawnAs(t *testing.T, name string, data any) string {
	text, err := execute(name, data)
	must(t, err)
	return text
}

func TestRunning(t *testing.T) {
	for want, r := range map[string]Running{
		`Under way: the deploy of v2 since 2026-03-14 12:00:00 UTC (moved), by root, pid 7`:                         {status.Pending{Operation: journal.OperationDeploy, Release: "v2", Phase: "moved", Since: noon}, "root, pid 7"},
		`Under way: the work since 2026-03-14 12:00:00 UTC, by root`:                                                {status.Pending{Since: noon}, "root"},
		`Not finished: the rollback of v1 since 2026-03-14 12:00:00 UTC (switching). "relink recover" finishes it.`: {status.Pending{Operation: journal.OperationRollback, Release: "v1", Phase: "switching", Since: noon}, ""},
	} {
		if got := drawnAs(t, "running", r); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

func TestOpenChecksComeByUrgency(t *testing.T) {
	v := checksRegion(fixture()).view.(checksView)
	var got []string
	for _, o := range v.Open {
		got = append(got, fmt.Sprint(o.State, " ", o.Check))
	}
	want := []string{"CRITICAL links", "CRITICAL pool", "WARNING memory", "UNKNOWN listen-queue, max-children, slow-requests, opcache-on"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(v.Fine) != 2 || v.Say != "CRITICAL: 2 critical, 1 warning, 4 unknown, 2 ok" || drawnAs(t, "checks heading", v) != "4 open checks" {
		t.Errorf("%d fine, %q, %q", len(v.Fine), v.Say, drawnAs(t, "checks heading", v))
	}
	twin := []health.Result{{Check: "a", State: health.Warning, Message: "1"}, {Check: "a", State: health.Warning, Message: "2"}}
	if v := checksRegion(Snapshot{Checks: twin}).view.(checksView); len(v.Open) != 2 || v.Open[0].ID == v.Open[1].ID {
		t.Errorf("%+v", v.Open)
	}
	if v := checksRegion(Snapshot{Checks: []health.Result{{}}}).view.(checksView); drawnAs(t, "checks heading", v) != "No open checks" {
		t.Error(drawnAs(t, "checks heading", v))
	}
}

// The parts of a cache add up to its memory, and the releases' savings to its own.
func TestMemoryAddsUp(t *testing.T) {
	r := fixedReport()
	v := cacheOf(r, &r.Masters[0])
	var bytes, saved int64
	for _, row := range v.Rows {
		bytes += row.Bytes
		saved += row.Saved
	}
	if bytes != v.Memory.TotalBytes || bytes != 128*mb {
		t.Errorf("the parts are %d of %d bytes", bytes, v.Memory.TotalBytes)
	}
	if off := saved - v.SavedBytes; off < -4 || off > 4 {
		t.Errorf("the releases save %d, the cache %d bytes", saved, v.SavedBytes)
	}
	if down := cacheOf(r, &r.Masters[1]); down.Error == "" || down.Rows != nil {
		t.Errorf("%+v", down)
	}
}

func TestTimeline(t *testing.T) {
	d := Deploy{Time: noon, CutoverMS: 30, Steps: []journal.Step{{Name: "stage", MS: 900}, {Name: "switch", MS: 10}, {Name: "sweep", MS: 15}, {Name: "invalidate", MS: 5}, {Name: "settle", MS: 70}}}
	want := []segment{{"step-before", 0, 900}, {"step-cutover", 900, 10}, {"step-cutover", 910, 15}, {"step-cutover", 925, 5}, {"step-after", 930, 70}}
	if diff := cmp.Diff(want, d.segments(), cmp.AllowUnexported(segment{})); diff != "" {
		t.Error(diff)
	}
	if got := d.cutover(); !got.Equal(noon.Add(-100 * time.Millisecond)) {
		t.Errorf("the cut-over was at %v", got)
	}
	if diff := cmp.Diff([]segment{{"mark", 900, 30}}, d.marked(), cmp.AllowUnexported(segment{})); diff != "" {
		t.Error(diff)
	}
	if got := (Deploy{Steps: d.Steps[:1]}).marked(); got != nil {
		t.Errorf("a deploy that never reached it is marked %v", got)
	}
}

func TestBar(t *testing.T) {
	const empty = `<svg class="bar " viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">`
	for _, c := range []struct {
		whole, least float64
		parts        []segment
		want         string
	}{
		{0, 0, []segment{{"a", 0, 1}}, ""},
		{10, 0, []segment{{"a", 0, 5}, {"b", 5, -1}, {"c", 5, 5}}, `<rect class="a" x="0.0" width="500.0" height="10"/><rect class="c" x="500.0" width="500.0" height="10"/>`},
		{1000, 3, []segment{{"a", 1000, 0.1}}, `<rect class="a" x="997.0" width="3.0" height="10"/>`},
		{1, 0, []segment{{"a", -5, 9}}, `<rect class="a" x="0.0" width="1000.0" height="10"/>`},
	} {
		if got := string(bar("", c.whole, c.least, c.parts...)); got != empty+c.want+"</svg>" {
			t.Errorf("%+v: %s", c.parts, got)
		}
	}
}

// The newest point can still change, and the oldest go.
func TestRatesSent(t *testing.T) {
	of := func(from int64, values ...float64) *ratesView {
		v := &ratesView{Hits: []Line{{Name: "a"}}}
		for i, value := range values {
			v.Times = append(v.Times, from+int64(i))
			v.Hits[0].Values = append(v.Hits[0].Values, new(value))
		}
		return v
	}
	other := of(10, 1, 2)
	other.Hits[0].Name = "b"
	for name, c := range map[string]struct {
		before, now *ratesView
		full        bool
		from, until int64
		times       []int64
	}{
		"a new page":        {nil, of(10, 1, 2), true, 0, 0, []int64{10, 11}},
		"nothing new":       {of(10, 1, 2), of(10, 1, 2), false, 10, 11, []int64{}},
		"one more":          {of(10, 1, 2), of(10, 1, 2, 3), false, 10, 11, []int64{12}},
		"the oldest goes":   {of(10, 1, 2), of(11, 2, 3), false, 11, 11, []int64{12}},
		"the last changes":  {of(10, 1, 2), of(10, 1, 5, 6), false, 10, 10, []int64{11, 12}},
		"another line":      {of(10, 1, 2), other, true, 0, 0, []int64{10, 11}},
		"nothing in common": {of(10, 1, 2), of(90, 1), true, 0, 0, []int64{90}},
		"none left":         {of(10, 1), of(0), true, 0, 0, []int64{}},
	} {
		got := c.now.after(c.before)
		if got.Full != c.full || got.From != c.from || got.Until != c.until || !slices.Equal(got.Times, c.times) || len(got.Hits[0].Values) != len(c.times) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRatesOfManyPools(t *testing.T) {
	s := Snapshot{Rates: Rates{Times: []int64{1}}}
	for i := range 10 {
		line := Line{Name: fmt.Sprint(i), Values: []*float64{new(float64(i))}}
		s.Rates.Requests, s.Rates.HitRatio = append(s.Rates.Requests, line), append(s.Rates.HitRatio, line)
	}
	v := ratesOf(s)
	last := v.Requests[len(v.Requests)-1]
	if len(v.Requests) != mostLines || last.Name != "5 other pools" || *last.Values[0] != 5+6+7+8+9 || v.More != 4 {
		t.Errorf("%d lines, the last %s, %d more", len(v.Requests), last.Name, v.More)
	}
}

// The table has few rows, and most samples leave them as they are.
func TestRatesTable(t *testing.T) {
	v := ratesOf(fixture())
	rows := v.Rows()
	if len(rows) == 0 || len(rows) > tableRows {
		t.Fatalf("%d rows", len(rows))
	}
	for i, row := range rows[:len(rows)-1] {
		if row.Time.Unix()%v.step() != 0 || !row.Time.After(rows[i+1].Time) {
			t.Errorf("row %d is at %v", i, row.Time.UTC())
		}
	}
}

// What is drawn of a snapshot's names is one element with the id that patches
// look for, and nothing of a name ends it.
func FuzzNames(f *testing.F) {
	f.Add("shop", "v1", "</article><script>")
	f.Add("\x00", "\xff\u202e", `"'<!--{{.}}`)
	f.Fuzz(func(t *testing.T, app, release, message string) {
		s := Snapshot{Time: noon, Host: message, Apps: []App{{Name: app, Error: message, Instances: []Instance{{Name: release, Release: release, Problem: message}}}},
			Checks: []health.Result{{Check: app, Subject: release, State: health.Warning, Message: message, Fix: message}}}
		d, err := draw(s, nil)
		must(t, err)
		plain, err := draw(Snapshot{Time: noon, Host: "h", Apps: []App{{Name: "a", Error: "e", Instances: []Instance{{Name: "r", Release: "r", Problem: "p"}}}},
			Checks: []health.Result{{Check: "a", Subject: "r", State: health.Warning, Message: "m", Fix: "f"}}}, nil)
		must(t, err)
		if app == "" || release == "" || message == "" {
			return // other elements, not other names
		}
		for i, r := range d.regions {
			if got, want := tags(r.html()), tags(plain.regions[i].html()); got != want {
				t.Errorf("%s has %d tags, want %d:\n%s", r.id, got, want, r.html())
			}
		}
	})
}

func tags(html string) (n int) {
	for _, c := range html {
		if c == '<' {
			n++
		}
	}
	return n
}
