package release

import (
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"relink/deploy/release/kept"
	"relink/internal/tree"
)

// Whoever owned a file may have it open still when it is taken back.
func TestWhatABuildGaveAwayIsAnotherFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root, who alone can give files away")
	}
	s := newStore(t)
	files := map[string]string{"a.php": "good", "same.php": "same"}
	one := begin(t, s, "v1", slot1)
	one.fetch(files)
	one.staging.BuildBegins()
	for _, name := range []string{"", "/a.php"} { // chown -R www-data .
		if err := os.Chown(s.Path(slot1+name), 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	one.seal()
	remove(t, s, "v1")
	open, err := os.OpenFile(s.Path(slot1+"/a.php"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()

	two := begin(t, s, "v2", slot1)
	info, err := os.Stat(s.Path(slot1))
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("the slot's own folder is still another user's: %v", err)
	}
	if _, has := two.staging.Has("a.php"); !has {
		t.Error("the source brings anew what only had another owner")
	}
	two.fetch(files)
	if _, err := open.WriteAt([]byte("evil"), 0); err != nil {
		t.Fatal(err)
	}
	two.seal()
	if got := read(t, s.Path("v2/a.php")); got != "good" {
		t.Errorf("the release holds %q, which its source has not brought", got)
	}
}

// A lock file, say, of a build's last program.
func TestWhatVanishesWhileItIsSealed(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/cache.lock", "four")
	info, err := os.Lstat(dir + "/cache.lock")
	if err != nil {
		t.Fatal(err)
	}
	err = tree.With(dir, func(root *os.Root) error {
		counts := &Manifest{Files: 2, Inodes: 3, Bytes: 10}
		l := newListing(&slotStaging{}, root, counts)
		l.after.Files["cache.lock"] = kept.Entry{}
		l.putOff("cache.lock", info, time.Now())
		if err := os.Remove(dir + "/cache.lock"); err != nil {
			t.Fatal(err)
		}
		err := l.end(t.Context())
		if _, listed := l.after.Files["cache.lock"]; listed || counts.Files != 1 || counts.Inodes != 2 || counts.Bytes != 6 {
			t.Errorf("listed: %t, counted: %+v", listed, counts)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A build that has made the same again: OPcache goes by its time.
func TestWhatIsTheSameAgainIsLookedAtTwice(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/same.php", "four")
	writeFile(t, dir+"/other.php", "five")
	then := time.Now().Add(-time.Hour)
	err := tree.With(dir, func(root *os.Root) error {
		slot := &slotStaging{before: kept.List{Files: map[string]kept.Entry{}}}
		l := newListing(slot, root, &Manifest{})
		sum := ""
		for _, name := range []string{"same.php", "other.php"} {
			info, err := root.Lstat(name)
			if err != nil {
				return err
			}
			before := kept.EntryOf(info)
			if sum == "" {
				sum, err = tree.Sum(t.Context(), root, name, info)
			}
			if err != nil {
				return err
			}
			before.Sum, before.Modified = sum, then.UnixNano()
			slot.before.Files[name] = before
			if err := l.visit(t.Context(), name, info, false); err != nil {
				return err
			}
		}
		if err := l.end(t.Context()); err != nil {
			return err
		}
		if l.round != 2 || !slices.Equal(l.changes.Changed, []string{"other.php"}) {
			t.Errorf("%d rounds, changed: %q", l.round, l.changes.Changed)
		}
		for name, same := range map[string]bool{"same.php": true, "other.php": false} {
			info, err := root.Lstat(name)
			if err != nil {
				return err
			}
			if info.ModTime().Equal(time.Unix(0, then.UnixNano())) != same {
				t.Errorf("%s is of %s", name, info.ModTime())
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
