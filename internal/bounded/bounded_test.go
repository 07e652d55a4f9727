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

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"b", "c", "a"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		entries, err := bounded.Folder(dir, 2)
		if wanted := i < 2; wanted && (err != nil || len(entries) != i+1) || !wanted && !errors.Is(err, bounded.ErrTooLarge) {
			t.Errorf("%d of 2: %v, %v", i+1, entries, err)
		}
	}
	entries, err := bounded.Folder(dir, 3)
	if err != nil || len(entries) != 3 || entries[0].Name() != "a" || entries[2].Name() != "c" {
		t.Errorf("%v, %v", entries, err)
	}
	if entries, err := bounded.Folder(filepath.Join(dir, "a"), 1); len(entries) != 0 || err != nil {
		t.Errorf("empty: %v, %v", entries, err)
	}
	if _, err := bounded.Folder(filepath.Join(dir, "gone"), 1); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestOpenNoLink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/etc/passwd", path); err != nil {
		t.Fatal(err)
	}
	if _, err := bounded.OpenNoLink(path); !errors.Is(err, unix.ELOOP) {
		t.Error(err)
	}
}
