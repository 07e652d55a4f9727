package registry

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"relink/internal/config"

	"github.com/google/go-cmp/cmp"
)

// Each kind has a key in the configuration and is held against the contract.
func TestKinds(t *testing.T) {
	if diff := cmp.Diff(config.SourceKinds(), slices.Sorted(maps.Keys(kinds))); diff != "" {
		t.Errorf("in the configuration (-) and here (+):\n%s", diff)
	}
	for kind := range kinds {
		s, err := Open(Spec{Kind: kind, Location: "/srv/x", CacheDir: "/srv/cache"})
		if s == nil || err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		tests, err := filepath.Glob(filepath.Join("..", kind, "*_test.go"))
		if err != nil || !slices.ContainsFunc(tests, runsTheSuite) {
			t.Errorf("no test of deploy/source/%s calls sourcetest.Run (%v)", kind, err)
		}
	}
	if _, err := Open(Spec{Kind: "ftp"}); err == nil {
		t.Error("an unknown kind is opened")
	}
}

func runsTheSuite(file string) bool {
	text, err := os.ReadFile(file)
	return err == nil && bytes.Contains(text, []byte("sourcetest.Run("))
}
