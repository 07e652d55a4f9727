package probe_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

func errorIs(err, kind error) bool { return err != nil && errors.Is(err, kind) }

var digestForm = regexp.MustCompile(`'([0-9a-f]{64})'`)

func digestIn(t *testing.T, script []byte) string {
	t.Helper()
	found := digestForm.FindSubmatch(script)
	if found == nil {
		t.Fatalf("no digest in %s", script)
	}
	return string(found[1])
}

// makeReadable lets PHP's user read a file of t.TempDir.
func makeReadable(t *testing.T, path string) {
	t.Helper()
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
