package e2e

import (
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
)

// screen stdout|stderr wants what was written there to fit on a screen of 24 lines and 80
// columns, one of them for the prompt. A path or command that is longer stays whole.
func wantScreen(ts *testscript.TestScript, _ bool, args []string) {
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile(args[0]), "\n"), "\n")
	if len(lines) > 23 {
		ts.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		if words := strings.Fields(line); utf8.RuneCountInString(line) > 80 && len(words) > 4 {
			ts.Fatalf("%d columns: %s", utf8.RuneCountInString(line), line)
		}
	}
}

// onehint wants exactly one hint on stderr: three that say the same are none.
func wantOneHint(ts *testscript.TestScript, _ bool, _ []string) {
	if n := strings.Count("\n"+ts.ReadFile("stderr"), "\nhint: "); n != 1 {
		ts.Fatalf("%d hints", n)
	}
}
