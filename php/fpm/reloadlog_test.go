package fpm

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A pool's user who owns the log's folder can neither have relink wait for ever nor have
// it show what only root may read.
func TestTheLogIsAPlainFile(t *testing.T) {
	dir := t.TempDir()
	log, secret, fifo, link := filepath.Join(dir, "log"), filepath.Join(dir, "secret"), filepath.Join(dir, "fifo"), filepath.Join(dir, "link")
	for _, name := range []string{log, secret} {
		if err := os.WriteFile(name, []byte("said\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, link); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{log: "said", fifo: "", link: "", dir: ""} {
		if got := (&proof{log: name}).logTail(); got != want {
			t.Errorf("%s: %q, want %q", filepath.Base(name), got, want)
		}
	}
}
