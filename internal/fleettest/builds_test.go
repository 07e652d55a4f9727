package fleettest

import (
	"os"
	"path/filepath"
	"testing"
)

// What a build writes down of where it ran is another path on each host, and the content the
// same.
func TestBuildsThatNameTheirPath(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, 1, func(s *spec) {
		s.Hooks = `{build: ["echo \"<?php return '$PWD/public';\" >compiled.php; ln -s \"$PWD/public\" current"]}`
	})
	f.relink(0, "fleet", "deploy", "v1")
	f.must(f.line.Few(f.ctx, "v2"))
	f.relink(0, "fleet", "deploy", "v2")
	f.wantOn("v2")
	var compiled []string
	for _, h := range f.hosts {
		text, err := os.ReadFile(filepath.Join(h.path("www", "club0"), "compiled.php"))
		f.must(err)
		compiled = append(compiled, string(text))
	}
	if compiled[0] == compiled[1] {
		t.Errorf("both hosts have made it at one path: %q", compiled)
	}
	f.relink(2, "fleet", "deploy", f.root) // nobody could fetch it
}
