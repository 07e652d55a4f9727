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
		{title: "deploy v1", args: []string{"deploy", "v1", "--all"}, Report: exampleReport(30), Took: 3600 * ms, Moved: 30, ToMove: 30, Answering: 30, ToAnswer: 30},
		{title: "load alone", Figures: figures{Requests: 2938, Worst: 45 * ms}},
		{title: "v2 to one", args: []string{"deploy", "v2", "--instance", "club1"}, Report: exampleReport(1), Took: 2740 * ms,
			Moved: 1, ToMove: 1, Figures: figures{Requests: 2501, Worst: 47 * ms}},
		{title: "v2 to all", args: []string{"deploy", "v2", "--all"}, Report: exampleReport(30), Took: 5100 * ms, Moved: 30, ToMove: 30,
			Figures: figures{Requests: 3855, Worst: 49 * ms}, Slow: &slowAnswer{Release: "v1", Took: 5003 * ms}},
	}
}

func brokenAct() act {
	a := exampleActs()[3]
	a.Figures = figures{Requests: 3855, Errors: 2, first: "club3.test/doku.php: status 503", Old: 211, Strayed: 1, Mixed: 3, Worst: 4278 * ms}
	a.Moved, a.Others, a.Restarts, a.Meeting = 29, 2, 8, waitedFor
	a.Slow = &slowAnswer{Problem: `its page is of release "mixed"`, Took: 5003 * ms}
	a.Report.SetUp = opcache.Revalidated
	a.Report.FrontDoor[0] = outcome.Front{Error: "no answer"}
	a.Report.Restart = outcome.Restart{Action: "opcache", Reasons: []string{"--reset always"}}
	return a
}

func TestTeller(t *testing.T) {
	var out bytes.Buffer
	tell := teller{out: &out, setUp: Keyed}
	acts := exampleActs()
	tell.say("opening", 30)
	tell.say("act begins", plan{About: "The first release: the command makes the links.", Args: acts[0].args})
	tell.say("first release", acts[0])
	tell.say("load begins", Options{Alone: 5 * time.Second})
	tell.alone(acts[1].Figures, 5*time.Second)
	for _, a := range acts[2:] {
		tell.say("act begins", plan{About: "The next release.", Args: a.args})
		tell.act(a, 30, acts[1].Figures)
	}
	tell.summary(acts)
	golden(t, "story", out.String())
}

// What differs between the set-ups.
func TestTellerSetUps(t *testing.T) {
	var out bytes.Buffer
	for _, setUp := range setUps {
		tell := teller{out: &out, setUp: setUp}
		tell.say("opening", 30)
		one := exampleActs()[2]
		one.Report.SetUp = setUp.addressing()
		one.Report.FrontDoor[0].SetUp = setUp.addressing()
		if setUp.addressing() == opcache.Keyed {
			one.Report.Instances = []outcome.Instance{{Name: "club2", Stays: true}}
		}
		tell.act(one, 30, exampleActs()[1].Figures)
		one.Restarts = 2
		tell.act(one, 30, exampleActs()[1].Figures)
	}
	golden(t, "setups", out.String())
}

func TestTellerBroken(t *testing.T) {
	var out bytes.Buffer
	tell := teller{out: &out, setUp: Keyed}
	alone := exampleActs()[1].Figures
	tell.act(brokenAct(), 30, alone)
	lost := exampleActs()[3]
	lost.Slow = &slowAnswer{Problem: "connection reset by peer"}
	tell.act(lost, 30, alone)
	strayed := exampleActs()[2]
	strayed.Figures.Strayed, strayed.Others = 3, 1
	tell.act(strayed, 30, alone)
	early := exampleActs()[3]
	early.Meeting = missed
	tell.act(early, 30, alone)
	tell.summary([]act{brokenAct()})
	out.WriteString(promise([]act{brokenAct(), lost}, Keyed, "").Error() + "\n")
	golden(t, "broken", out.String())
}
