package bounded_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"relink/internal/bounded"

	"golang.org/x/sys/unix"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for text, want := range map[string]error{"": nil, "12345": nil, "123456": bounded.ErrTooLarge} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := bounded.File(path, 5)
		if !errors.Is(err, want) || err == nil && (got == nil || string(got) != text) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if _, err := bounded.File(path+".gone", 5); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// A FIFO would be waited for, a device has no end.
func TestOnlyFilesAreRead(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, "/dev/zero", t.TempDir()} {
		if _, err := bounded.File(path, 5); !errors.Is(err, bounded.ErrNoFile) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestProcess(t *testing.T) {
	if got, err := bounded.Process(os.Getpid(), "cmdline", 3); len(got) != 3 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
