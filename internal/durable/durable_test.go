package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"relink/internal/durable"
)

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for _, step := range []struct {
		content string
		mode    os.FileMode
	}{{"first", 0o644}, {"", 0o600}, {"third", 0o640}} {
		if err := durable.WriteFile(path, []byte(step.content), step.mode); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(content) != step.content || info.Mode().Perm() != step.mode {
			t.Errorf("%q, mode %v; want %q, mode %v", content, info.Mode().Perm(), step.content, step.mode)
		}
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("%d files beside the one that was written: %v, %v", len(left)-1, left, err)
	}
}

func TestFailuresLeaveTheOldFile(t *testing.T) {
	dir := t.TempDir()
	if err := durable.WriteFile(filepath.Join(dir, "missing", "state"), nil, 0o644); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing folder gave %v", err)
	}
	if err := durable.WriteFile(dir, []byte("x"), 0o644); err == nil {
		t.Error("a folder was replaced by a file")
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, sync := range []func(string) error{durable.SyncDir, durable.SyncFileSystem} {
		if err := sync(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("syncing a missing folder gave %v", err)
		}
		if err := sync(fifo); !errors.Is(err, syscall.ENOTDIR) { // which nobody ever opens for writing
			t.Errorf("syncing a FIFO gave %v", err)
		}
		if err := sync(dir); err != nil {
			t.Error(err)
		}
	}
}

func TestWriteNewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relink.yaml")
	if err := durable.WriteNewFile(path, []byte("first"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteNewFile(path, []byte("second"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that exists: %v", err)
	}
	content, _ := os.ReadFile(path)
	info, err := os.Stat(path)
	if err != nil || string(content) != "first" || info.Mode().Perm() != 0o644 {
		t.Errorf("%q, %v, %v", content, info, err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	// A dangling link is a name that exists.
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path+".gone", link); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteNewFile(link, nil, 0o644); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a dangling link: %v", err)
	}
}
