package doctor_test

import (
	"fmt"
	"strings"
	"testing"

	"relink/health"
	"relink/health/doctor"

	"github.com/google/go-cmp/cmp"
)

func found(check, subject string, state health.State, blocks bool) health.Result {
	return health.Result{Check: check, Subject: subject, State: state, Blocks: blocks, Message: "is wrong", Fix: "mend it"}
}

func TestWhatBlocksComesFirst(t *testing.T) {
	d := doctor.Diagnose("relink.yaml", []health.Result{
		found("xdebug", "a", health.Warning, false),
		found("hit-rate", "a", health.Unknown, false),
		found("max-children", "a", health.Warning, false),
		found("memory", "b", health.Unknown, false), // follows from what blocks
		found("pool", "b", health.Critical, true),
		found("front-door", "app", health.Critical, false),
		{Check: "links", Subject: "app"},
	})
	var got []string
	for _, f := range d.Findings {
		got = append(got, fmt.Sprintf("%s %s", f.Urgency, f.Check))
	}
	want := []string{"deploy pool", "visitors front-door", "visitors max-children", "advice xdebug", "advice hit-rate"}
	if diff := cmp.Diff(want, got); diff != "" || d.Exit != 1 {
		t.Errorf("exit %d: %s", d.Exit, diff)
	}
	if diff := cmp.Diff([]string{"links"}, d.InOrder); diff != "" {
		t.Error(diff)
	}
}

func TestAdviceAloneIsNoFailure(t *testing.T) {
	if d := doctor.Diagnose("relink.yaml", []health.Result{found("xdebug", "a", health.Warning, false)}); d.Exit != 0 {
		t.Error(d.Exit)
	}
	if text := doctor.Diagnose("relink.yaml", nil).Text(80); text != "All is well.\n" {
		t.Error(text)
	}
}

func TestADiagnosisFitsOnAScreen(t *testing.T) {
	var results []health.Result
	for i := range 60 {
		r := found("pool", fmt.Sprintf("unix:/run/php/pool-%d.sock", i), health.Critical, true)
		r.Message, r.Fix = strings.Repeat("a cause of many words ", i), strings.Repeat("do this and that ", i%12)
		results = append(results, r, health.Result{Check: fmt.Sprintf("check-%d", i)})
	}
	d := doctor.Diagnose("relink.yaml", results, "relink recover")
	for i := range 30 {
		d.Seen = append(d.Seen, fmt.Sprintf("thing %d", i))
	}
	for _, width := range []int{0, 40, 80, 200} {
		text := d.Text(width)
		if lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n"); len(lines) > 23 {
			t.Errorf("%d lines at %d columns:\n%s", len(lines), width, text)
		}
		for line := range strings.Lines(text) {
			if len(line) > max(width, 80)+1 {
				t.Errorf("%d columns: %s", len(line), line)
			}
		}
		if !strings.Contains(text, "more: relink health") || !strings.Contains(text, "next:     relink recover\n") {
			t.Error(text)
		}
	}
}
