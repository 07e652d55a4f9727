package serve

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
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
	r := start(t, s.options()).looked()
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

// fields lists the names of an answer; those of a step are the report's.
func fields(value any) []string {
	var names []string
	switch v := value.(type) {
	case map[string]any:
		for name, below := range v {
			names = append(names, name)
			if name != "steps" && name != "reasons" {
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

var used = regexp.MustCompile(`\brelink_[a-z0-9_]+`)

// Alerts and dashboard ask only for metrics that there are.
func TestMonitoringAsksForMetricsThatExist(t *testing.T) {
	manual := read(t, "../../docs/serve.md") + read(t, "../../docs/health.md") + read(t, "../../docs/opcache-report.md")
	for _, file := range []string{"alerts.yml", "dashboard.json"} {
		text := read(t, "../../docs/monitoring/"+file)
		names := used.FindAllString(text, -1)
		if len(names) < 10 {
			t.Errorf("%s: only %d metrics", file, len(names))
		}
		for _, name := range names {
			plain := strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count")
			if !strings.Contains(manual, "`"+name+"`") && !strings.Contains(manual, "`"+plain+"`") {
				t.Errorf("%s: %s is no metric", file, name)
			}
		}
	}
}

func TestMonitoringFilesAreWhole(t *testing.T) {
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations struct{ Summary string }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "../../docs/monitoring/alerts.yml")), &rules); err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules.Groups[0].Rules {
		if rule.Alert == "" || rule.Expr == "" || rule.Annotations.Summary == "" {
			t.Errorf("%+v", rule)
		}
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "../../docs/monitoring/dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	known := map[int]bool{}
	for _, p := range dashboard.Panels {
		if p.Title == "" || known[p.ID] {
			t.Errorf("%+v", p)
		}
		known[p.ID] = true
	}
}
