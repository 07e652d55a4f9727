package serve

import (
	"os"
	"strings"
	"testing"
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
