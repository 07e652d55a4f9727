package release

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk is a file system of its own, of the given options.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestSpaceFor(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet", "there")
	if err := SpaceFor(dir, 0, 0); err != nil {
		t.Error(err)
	}
	for _, figures := range [][2]int64{{1 << 60, 0}, {math.MaxInt64, math.MaxInt64}, {0, math.MaxInt64}} {
		err := SpaceFor(dir, figures[0], figures[1])
		if !errors.Is(err, ErrDiskFull) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v give %v", figures, err)
		}
		wantHint(t, err, "relink prune")
	}
}

func TestSpaceOnASmallDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("only root can mount; TestSpaceFor has tried absurd figures")
		return
	}
	dir := smallDisk(t, "size=80m,nr_inodes=2000")
	for _, test := range []struct {
		bytes, inodes int64
		says          string
	}{
		{10 << 20, 500, ""},
		{17 << 20, 10, "need 81 MB, and 80 MB are free"},
		{15 << 20, 900, "need 80.8 MB"}, // blocks that are not full
		{1 << 20, 1500, "needs 1500 inodes and 1000 must stay free, but only 1999 are free"},
	} {
		err := SpaceFor(dir, test.bytes, test.inodes)
		if test.says == "" && err != nil || test.says != "" && (!errors.Is(err, ErrDiskFull) || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%d bytes, %d inodes: %v", test.bytes, test.inodes, err)
		}
	}
}

// A disk that fills up all the same leaves no release and nothing behind.
func TestSealOnAFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("only root can mount")
		return
	}
	s, err := Open(filepath.Join(smallDisk(t, "size=1m"), "releases"))
	if err != nil {
		t.Fatal(err)
	}
	st := stage(t, s, "v1", "a.php")
	if err := os.WriteFile(filepath.Join(st.Path(), "big"), make([]byte, 2<<20), 0o644); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	if _, err := st.Seal(t.Context(), Manifest{}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("got %v", err)
	}
	wantNothingLeft(t, s, st)
}
