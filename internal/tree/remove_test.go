package tree

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Whoever may write in a folder of a release swaps what is in it for links to what
// is not his, while root removes the release.
func TestRemovalFollowsNoLinkThatIsSwappedIn(t *testing.T) {
	root := t.TempDir()
	outside := filepath.Join(root, "outside")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(outside, 0o700))
	must(os.WriteFile(filepath.Join(outside, "secret"), nil, 0o600))
	must(os.Chmod(outside, 0o711))
	for range 60 {
		tree := filepath.Join(root, "release")
		must(os.MkdirAll(filepath.Join(tree, "cache", "entry", "deeper"), 0o755))
		must(os.Chmod(filepath.Join(tree, "cache", "entry"), 0o377))
		must(os.Symlink(outside, filepath.Join(root, "link")))
		var stop atomic.Bool
		flipped := make(chan struct{})
		go func() {
			defer close(flipped)
			for !stop.Load() {
				_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(tree, "cache", "entry"), unix.AT_FDCWD, filepath.Join(root, "link"), unix.RENAME_EXCHANGE)
			}
		}()
		err := Remove(t.Context(), tree)
		stop.Store(true)
		<-flipped
		info, statErr := os.Stat(outside)
		must(statErr)
		if info.Mode().Perm() != 0o711 {
			t.Fatalf("the mode of what is outside has become %o", info.Mode().Perm())
		}
		if _, err := os.Stat(filepath.Join(outside, "secret")); err != nil {
			t.Fatalf("what is outside has been removed: %v", err)
		}
		if err != nil { // it gives up on a folder that never holds still; the next removal takes the rest
			must(Remove(t.Context(), tree))
		}
		must(Remove(t.Context(), filepath.Join(root, "link")))
	}
}
