package demo

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"relink/deploy/journal"
	"relink/deploy/outcome"
	"relink/internal/sandbox/app"
	"relink/opcache"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
	for line := range strings.Lines(got) {
		if utf8.RuneCountInString(strings.TrimRight(line, "\n")) > width {
			t.Errorf("wider than %d columns: %s", width, line)
		}
	}
}

const ms = time.Millisecond

func exampleReport(shared int) outcome.Report {
	return outcome.Report{
		Release: "20261123T062716Z-v2", CutoverMS: 12.31,
		Steps: []journal.Step{
			{Name: "recover", MS: 0.2}, {Name: "preflight", MS: 41}, {Name: "resolve", MS: 65}, {Name: "stage", MS: 2012},
			{Name: "observe", MS: 20}, {Name: "warm", MS: 265}, {Name: "prepare", MS: 7.4}, {Name: "switch", MS: 0.9},
			{Name: "sweep", MS: 9.1}, {Name: "invalidate", MS: 3.2}, {Name: "check", MS: 3}, {Name: "settle", MS: 2600},
		},
		Sweep: outcome.Sweep{Pools: 1, Workers: 7, Settled: 8},
		SetUp: opcache.Keyed, FrontDoor: slices.Repeat([]outcome.Front{{SetUp: opcache.Keyed, SAPI: "fpm-fcgi"}}, shared),
		SharedBy: shared, LiveBytes: 4 << 20, SavedBytes: int64(shared-1) * 4 << 20,
	}
}

func exampleActs() []act {
	return []act{
		{title: "deploy v1", args: []string{"deploy", "v1", "--all"}, report: exampleReport(30), took: 3600 * ms, moved: 30, toMove: 30, answering: 30, toAnswer: 30},
		{title: "load alone", figures: figures{requests: 2938, worst: 45 * ms}},
		{title: "v2 to one", args: []string{"deploy", "v2", "--instance", "club1"}, report: exampleReport(1), took: 2740 * ms,
			moved: 1, toMove: 1, figures: figures{requests: 2501, worst: 47 * ms}},
		{title: "v2 to all", args: []string{"deploy", "v2", "--all"}, report: exampleReport(30), took: 5100 * ms, moved: 30, toMove: 30,
			figures: figures{requests: 3855, worst: 49 * ms}, slow: &slowAnswer{status: 200, release: "v1", took: 5003 * ms}},
	}
}

func brokenAct() act {
	a := exampleActs()[3]
	a.figures = figures{requests: 3855, errors: 2, first: "club3.test/doku.php: status 503", old: 211, strayed: 1, mixed: 3, worst: 4278 * ms}
	a.moved, a.others, a.restarts, a.meeting = 29, 2, 8, waitedFor
	a.slow = &slowAnswer{status: 200, release: app.Mixed, took: 5003 * ms}
	a.report.SetUp = opcache.Revalidated
	a.report.FrontDoor[0] = outcome.Front{Error: "no answer"}
	a.report.Restart = outcome.Restart{Action: "opcache", Reasons: []string{"--reset always"}}
	return a
}

func TestTeller(t *testing.T) {
	var out bytes.Buffer
	tell := teller{out: &out, setUp: Keyed}
	acts := exampleActs()
	tell.opening(30)
	tell.begin("The first release: the command makes the links.", acts[0].args)
	tell.first(acts[0])
	tell.loadBegins(5 * time.Second)
	tell.alone(acts[1].figures, 5*time.Second)
	for _, a := range acts[2:] {
		tell.begin("The next release.", a.args)
		tell.act(a, 30, acts[1].figures)
	}
	tell.summary(acts)
	golden(t, "story", out.String())
}

// What differs between the set-ups.
func TestTellerSetUps(t *testing.T) {
	var out bytes.Buffer
	for _, setUp := range setUps {
		tell := teller{out: &out, setUp: setUp}
		tell.opening(30)
		one := exampleActs()[2]
		one.report.SetUp = setUp.addressing()
		one.report.FrontDoor[0].SetUp = setUp.addressing()
		if setUp.addressing() == opcache.Keyed {
			one.report.Instances = []outcome.Instance{{Name: "club2", Stays: true}}
		}
		tell.act(one, 30, exampleActs()[1].figures)
		one.restarts = 2
		tell.act(one, 30, exampleActs()[1].figures)
	}
	golden(t, "setups", out.String())
}

func TestTellerBroken(t *testing.T) {
	var out bytes.Buffer
	tell := teller{out: &out, setUp: Keyed}
	alone := exampleActs()[1].figures
	tell.act(brokenAct(), 30, alone)
	lost := exampleActs()[3]
	lost.slow = &slowAnswer{problem: "connection reset by peer"}
	tell.act(lost, 30, alone)
	strayed := exampleActs()[2]
	strayed.figures.strayed, strayed.others = 3, 1
	tell.act(strayed, 30, alone)
	early := exampleActs()[3]
	early.meeting = missed
	tell.act(early, 30, alone)
	tell.summary([]act{brokenAct()})
	out.WriteString(promise([]act{brokenAct(), lost}, Keyed, "").Error() + "\n")
	golden(t, "broken", out.String())
}
