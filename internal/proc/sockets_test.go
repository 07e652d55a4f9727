package proc_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"relink/internal/bounded"
	"relink/internal/proc"
)

func TestATableHasABound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table")
	line := append(bytes.Repeat([]byte("a"), 32<<10-1), '\n')
	for times, want := range map[int]error{2: nil, 2100: bounded.ErrTooLarge} {
		if err := os.WriteFile(path, bytes.Repeat(line, times), 0o600); err != nil {
			t.Fatal(err)
		}
		lines := 0
		err := proc.EachLine(path, func(fields []string) { lines += len(fields) })
		if !errors.Is(err, want) || lines > 2048 {
			t.Errorf("%d lines: %d are read, %v", times, lines, err)
		}
	}
}
