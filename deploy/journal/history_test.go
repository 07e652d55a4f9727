package journal

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"relink/deploy/moves"
	"relink/internal/state"
)

func moveOf(instance, from, to string) moves.Move {
	target := func(release string) moves.Target {
		if release == "" {
			return moves.Target{}
		}
		return moves.Target{Release: release, Literal: "/rel/" + release, Real: "/rel/" + release}
	}
	return moves.Move{Instance: instance, Link: "/www/" + instance, Place: "/www/" + instance, From: target(from), To: target(to)}
}

func at(release string) moves.Target { return moveOf("", "", release).To }

func pastOf(events []Event) *Past {
	past := &Past{older: new(state.End[Event])}
	for _, event := range events {
		past.Add(event)
	}
	return past
}

func TestBefore(t *testing.T) {
	history := []Event{
		{Operation: OperationDeploy, Moves: moves.Plan{moveOf("a", "", "v1"), moveOf("b", "", "v1")}},
		{Operation: OperationDeploy, Moves: moves.Plan{moveOf("a", "v1", "v2")}},
		{Operation: OperationDeploy, Moves: moves.Plan{moveOf("a", "v2", "v3")}},
		{Operation: OperationDeploy, Moves: moves.Plan{moveOf("a", "v3", "v4")}, Undone: "check failed"},
		{Operation: OperationRollback, Moves: moves.Plan{moveOf("a", "v3", "v2")}},
	}
	for name, c := range map[string]struct {
		instance, current, want string
	}{
		"the release before":                     {"a", "v3", "v2"},
		"a second rollback goes further back":    {"a", "v2", "v1"},
		"nothing is before the first deploy":     {"a", "v1", ""},
		"what was undone does not count":         {"a", "v4", ""},
		"each instance has a history of its own": {"b", "v2", ""},
		"a release that relink did not bring":    {"a", "v9", ""},
	} {
		t.Run(name, func(t *testing.T) {
			target, found := pastOf(history).Before(c.instance, at(c.current))
			if target.Release != c.want || found != (c.want != "") {
				t.Errorf("got %q, %v; want %q", target.Release, found, c.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.history.jsonl")
	for id, plan := range []moves.Plan{{moveOf("a", "", "v1")}, {moveOf("a", "v1", "v1-2")}, {moveOf("b", "v3", "v4")}} {
		if err := Record(path, Event{ID: strconv.Itoa(id), Operation: OperationDeploy, Release: "v1", Moves: plan}); err != nil {
			t.Fatal(err)
		}
	}
	for _, read := range []int{0, 2} { // events that were understood before
		past, err := ReadPast(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := range read {
			past.event(n)
		}
		for release, want := range map[string]bool{"v1": true, "v1-2": true, "v3": true, "v4": true, "v": false, "v2": false, "/rel/v1": false} {
			if got := past.Names(release); got != want {
				t.Errorf("%d events read, %q: %v", read, release, got)
			}
		}
	}
}

func TestALineThatACrashCutShortSpoilsOnlyItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.history.jsonl")
	first := `{"id": "1", "operation": "deploy", "from_a_newer_version": true}` + "\n"
	if err := os.WriteFile(path, []byte(first+`{"id": "2", "opera`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Record(path, Event{ID: "3", Operation: OperationRollback}); err != nil {
		t.Fatal(err)
	}
	history, err := History(path)
	if err != nil || len(history) != 2 || history[0].ID != "1" || history[1].ID != "3" {
		t.Errorf("got %v, %v", history, err)
	}
}
