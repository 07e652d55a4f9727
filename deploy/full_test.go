package deploy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"relink/internal/exit"

	"golang.org/x/sys/unix"
)

// fill takes what is left of a disk.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = error(nil); err == nil; {
			_, err = file.Write(make([]byte, size))
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

// A disk that fills up is what makes new releases fail: the way back needs none of it.
func TestTheWayBackWorksOnAFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can mount")
	}
	for _, at := range []string{"noted switching", "moved new", "noted moved"} {
		app, places := tree(t)
		app.State = t.TempDir()
		if err := unix.Mount("tmpfs", app.State, "tmpfs", 0, "size=64k"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(app.State, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		caches := &fakeCaches{fails: map[string]error{"sweep": errors.New("broken")}}
		var once sync.Once // what is noted on the way back finds the disk full already
		_, err := runWith(t, app, caches, func(_ *Options, d *Deps) {
			d.Reached = func(point string) {
				if point == at {
					once.Do(func() { fill(t, filepath.Join(app.State, "full")) })
				}
			}
		})
		if status := exit.Status(err); status != exit.RolledBack && !(at == "noted switching" && status == exit.Failed) {
			t.Errorf("%s: exit %d: %v", at, status, err)
		}
		wantLinks(t, places, filepath.Join(app.Releases, "v1"), "../../rel/v1", "")
		if left, err := filepath.Glob(app.State + "/*.json"); len(left) > 0 || err != nil {
			t.Errorf("%s: %q is left, %v", at, left, err)
		}
		if report, err := Recover(context.Background(), Options{App: app, Instances: app.Instances}, Deps{}); err != nil || len(report.Recovered) > 0 {
			t.Errorf("%s: recover finds %q, %v", at, report.Recovered, err)
		}
	}
}
