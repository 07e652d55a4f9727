package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"relink/internal/config"
)

func manual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestExamplesOfTheManualLoad(t *testing.T) {
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(manual(t), -1)
	if len(examples) < 4 {
		t.Fatalf("only %d examples found", len(examples))
	}
	for _, example := range examples {
		if _, err := config.Parse("example", []byte(example[1])); err != nil {
			t.Error(err)
		}
	}
}

// The messages for unknown keys list the known ones, section by section: each
// of them has to have its row or mention in the manual.
func TestManualNamesEveryKey(t *testing.T) {
	_, err := config.Parse("x", []byte(`???: 1
apps:
  a:
    ???: 1
    source: {???: 1}
    instances: {i: {???: 1, check: {???: 1}}}
    instances_from: {???: 1}
    hooks: {???: 1}
pools: [{???: 1, path_map: [{???: 1}]}]
apache: {???: 1}
thresholds: {???: 1}
restart: {???: 1}
warm: {???: 1}
health: {???: 1, disk: {???: 1}}
serve: {???: 1, tls: {???: 1}}
fleet: {???: 1, etcd: {???: 1}}
timeouts: {???: 1}
`))
	if err == nil {
		t.Fatal("unknown keys are accepted")
	}
	lists := regexp.MustCompile(`known here: (.*)`).FindAllStringSubmatch(err.Error(), -1)
	if len(lists) != 20 {
		t.Fatalf("%d sections, want 20:\n%v", len(lists), err)
	}
	text := manual(t)
	for _, list := range lists {
		for _, key := range strings.Split(list[1], ", ") {
			if !strings.Contains(text, "`"+key+"`") {
				t.Errorf("docs/configuration.md does not name %s", key)
			}
		}
	}
}

// Every default that the manual states is the one that holds.
func TestManualStatesTheDefaults(t *testing.T) {
	shown := show(t, parse(t, smallest+"pools: [{address: /run/x.sock}]\nfleet: {etcd: {endpoints: [\"http://127.0.0.1:2379\"]}}\n"), "yaml")
	rows := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|[^|]*\\| `([^`{}]+)` \\|").FindAllStringSubmatch(manual(t), -1)
	if len(rows) < 25 {
		t.Fatalf("only %d rows with a default", len(rows))
	}
	for _, row := range rows {
		key, value := row[1], row[2]
		if key == "submodules" || key == "status" || strings.HasPrefix(value, "timeouts.") {
			continue // not shown for an application without them
		}
		if !regexp.MustCompile(`(?m)^[ -]*` + key + `: ` + regexp.QuoteMeta(value) + `$`).MatchString(shown) {
			t.Errorf("the manual says %s: %s, but the default is not that:\n%s", key, value, shown)
		}
	}
}

// The bounds of health are shown as two lines below their key.
func TestManualStatesTheBounds(t *testing.T) {
	shown := show(t, parse(t, smallest), "yaml")
	rows := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|[^|]*\\| ([^` ]+) \\| ([^` ]+) \\|").FindAllStringSubmatch(manual(t), -1)
	if len(rows) != 15 {
		t.Fatalf("%d rows with two bounds", len(rows))
	}
	for _, row := range rows {
		if want := "  " + row[1] + ":\n    warning: " + row[2] + "\n    critical: " + row[3] + "\n"; !strings.Contains(shown, want) {
			t.Errorf("the manual says %q, but the default is not that:\n%s", want, shown)
		}
	}
}
