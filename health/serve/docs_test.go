package serve

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/deploy/fleet"
	"relink/health"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every field that an answer has stands in the manual. What is a contract of its
// own stands there.
func TestTheManualNamesEveryField(t *testing.T) {
	s := newScene(t)
	s.deploy("r1")
	o := s.options()
	o.Health.Fleet = someFleet
	r := start(t, o).looked()
	s.deploy("r2")
	r.notices("deploy", "r2")
	manual := read(t, "../../docs/serve.md")
	for _, path := range []string{"/api/v1/state", "/api/v1/history", "/api/v1/deploys"} {
		var answer map[string]any
		r.json(path, &answer)
		delete(answer, "caches")
		for _, name := range fields(answer) {
			if !strings.Contains(manual, "`"+name+"`") && !strings.Contains(manual, "."+name+"`") && !strings.Contains(manual, "`"+name+"[]`") && !strings.Contains(manual, "."+name+"[]`") {
				t.Errorf("%s: the manual does not name %s", path, name)
			}
		}
	}
}

// someFleet is what a fleet says.
func someFleet(context.Context) *health.Fleet {
	return &health.Fleet{Host: "a", Time: time.Now(), Steward: "b", Apps: []fleet.Overview{{
		App: "shop", Rollout: &fleet.Rollout{Phase: fleet.Switching, Started: time.Now(), Hosts: []string{}},
		Hosts: []fleet.Standing{{Name: "a", There: true, State: fleet.Well}, {Name: "b", State: fleet.Away}},
	}}}
}

// fields lists the names of an answer; those of a step are the report's, and those of a
// rollout and its hosts "relink fleet status".
func fields(value any) []string {
	var names []string
	switch v := value.(type) {
	case map[string]any:
		for name, below := range v {
			names = append(names, name)
			if !slices.Contains([]string{"steps", "reasons", "rollout", "hosts"}, name) {
				names = append(names, fields(below)...)
			}
		}
	case []any:
		for _, one := range v {
			names = append(names, fields(one)...)
		}
	}
	return names
}
