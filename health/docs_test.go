package health

import (
	"os"
	"strings"
	"testing"
)

func TestManual(t *testing.T) {
	text, err := os.ReadFile("../docs/health.md")
	if err != nil {
		t.Fatal(err)
	}
	manual := string(text)
	for _, c := range All() {
		if !strings.Contains(manual, "| `"+c.Name+"` | `"+c.Family+"` |") {
			t.Errorf("docs/health.md has no row for %s of %s", c.Name, c.Family)
		}
	}
}
