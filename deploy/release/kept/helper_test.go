package kept

import (
	"errors"
	"os"
	"testing"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// makeFolder makes the folder of what is kept.
func makeFolder(s Store) error { return os.MkdirAll(s.recordDir(), 0o755) }
