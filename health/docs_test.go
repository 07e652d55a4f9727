package health

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

func TestManual(t *testing.T) {
	manual := readFile(t, "../docs/health.md")
	for _, c := range All() {
		if !strings.Contains(manual, "| `"+c.Name+"` | `"+c.Family+"` |") {
			t.Errorf("docs/health.md has no row for %s of %s", c.Name, c.Family)
		}
	}
	var text bytes.Buffer
	f := troubled()
	if err := Prometheus(&text, f, Evaluate(f, limits(t))); err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`# TYPE (\S+) (\S+)`).FindAllStringSubmatch(text.String(), -1) {
		if strings.HasPrefix(found[1], "relink_opcache_") {
			continue
		}
		if !strings.Contains(manual, "| `"+found[1]+"` | "+found[2]+" |") {
			t.Errorf("docs/health.md has no row for %s %s", found[1], found[2])
		}
	}
}
