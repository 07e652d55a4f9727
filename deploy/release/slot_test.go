package release

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/internal/links"
)

// turn is one release that is made in a slot.
type turn struct {
	t         *testing.T
	store     *Store
	staging   *Staging
	forgotten Changes
}

func begin(t *testing.T, s *Store, id, slot string) *turn {
	t.Helper()
	st, err := s.StageIn(t.Context(), id, slot)
	if err != nil {
		t.Fatal(err)
	}
	one := &turn{t: t, store: s, staging: st}
	st.Forget = func(_ context.Context, c Changes) error {
		one.forgotten = c
		return nil
	}
	return one
}

// fetch brings all files of the release; what begins with "-> " is a link.
func (o *turn) fetch(files map[string]string) {
	o.t.Helper()
	err := o.staging.Fetch(o.t.Context(), func(into string) (func(string) bool, error) {
		for name, content := range files {
			path := filepath.Join(into, name)
			if target, link := strings.CutPrefix(content, "-> "); link {
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(target, path)); err != nil {
					return nil, err
				}
				continue
			}
			writeFile(o.t, path, content)
			old := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
			if err := os.Chtimes(path, old, old); err != nil {
				return nil, err
			}
		}
		return func(string) bool { return false }, nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *turn) seal() Release {
	o.t.Helper()
	r, err := o.staging.Seal(o.t.Context(), Manifest{Source: "test", Commit: "c"})
	if err != nil {
		o.t.Fatal(err)
	}
	agedIndex(o.t, o.store, links.SlotOf(o.store.dir, r.ID))
	return r
}

// agedIndex has the index be of a moment that is past the grain of the kernel's clock.
func agedIndex(t *testing.T, s *Store, slot string) {
	t.Helper()
	i, err := s.readIndex(slot)
	if err != nil {
		t.Fatal(err)
	}
	i.Sealed = time.Now().Add(time.Second)
	if err := s.writeIndex(slot, i); err != nil {
		t.Fatal(err)
	}
}

func made(t *testing.T, s *Store, id, slot string, files map[string]string) (Release, Changes) {
	t.Helper()
	one := begin(t, s, id, slot)
	one.fetch(files)
	return one.seal(), one.forgotten
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var first = map[string]string{"same.php": "same", "changed.php": "1", "gone/gone.php": "gone", "link": "-> same.php"}

func TestASlotKeepsWhatIsTheSame(t *testing.T) {
	s := newStore(t)
	one, changes := made(t, s, "v1", "slot-1", first)
	if one.Path != s.Path("slot-1") || len(changes.Changed) != 0 {
		t.Fatalf("%+v, forgotten %+v", one, changes)
	}
	before := inode(t, filepath.Join(one.Path, "same.php"))
	if err := s.Remove(t.Context(), "v1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get("v1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a release that has left its slot: %v", err)
	}
	_, changes = made(t, s, "v2", "slot-1", map[string]string{"same.php": "same", "changed.php": "2", "link": "-> same.php", "new.php": "new"})
	if !slices.Equal(changes.Changed, []string{"changed.php", "new.php"}) || !slices.Equal(changes.Removed, []string{"gone/gone.php"}) || changes.Files != 4 {
		t.Errorf("%+v", changes)
	}
	if inode(t, s.Path("v2/same.php")) != before || read(t, s.Path("v2/changed.php")) != "2" {
		t.Error("the same file was written again, or the other one not")
	}
	if got := names(t, s.Path("slot-1")); got != "changed.php link new.php same.php" {
		t.Errorf("the slot holds %s", got)
	}
	if all, err := s.List(); err != nil || len(all) != 1 || all[0].ID != "v2" || all[0].Path != s.Path("slot-1") {
		t.Errorf("%+v, %v", all, err)
	}
}

// What a build changes is found by the time that only the kernel sets, and by content.
func TestBuildsInASlot(t *testing.T) {
	s := newStore(t)
	build := func(id, made string) Changes {
		one := begin(t, s, id, "slot-1")
		one.fetch(first)
		if err := one.staging.BuildBegins(t.Context()); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(one.staging.Path(), "cache.php"), made)
		changed := filepath.Join(one.staging.Path(), "changed.php")
		info, err := os.Stat(changed)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, changed, made[:1])
		if err := os.Chtimes(changed, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		one.seal()
		if err := s.Remove(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return one.forgotten
	}
	build("v1", "abc")
	when, err := os.Stat(s.Path("slot-1/cache.php"))
	if err != nil {
		t.Fatal(err)
	}
	if changes := build("v2", "abc"); len(changes.Names()) != 0 {
		t.Errorf("a build that makes the same again: %+v", changes)
	}
	if now, err := os.Stat(s.Path("slot-1/cache.php")); err != nil || !now.ModTime().Equal(when.ModTime()) {
		t.Errorf("the time of what is the same is %v, and was %v: %v", now.ModTime(), when.ModTime(), err)
	}
	if changes := build("v3", "xyz"); !slices.Equal(changes.Changed, []string{"cache.php", "changed.php"}) {
		t.Errorf("%+v", changes)
	}
}

// A release that is kept shares files with the slot that it has left, and no build can
// write through them.
func TestAReleaseLeavesItsSlot(t *testing.T) {
	s := newStore(t)
	made(t, s, "v1", "slot-1", first)
	before := inode(t, s.Path("slot-1/same.php"))
	if err := s.Vacate(t.Context(), "v1"); err != nil {
		t.Fatal(err)
	}
	kept, err := s.Get("v1")
	if err != nil || kept.Path != s.Path("v1") || !kept.Sealed || inode(t, s.Path("v1/same.php")) != before {
		t.Fatalf("%+v, %v", kept, err)
	}
	one := begin(t, s, "v2", "slot-1")
	one.fetch(first)
	if err := one.staging.BuildBegins(t.Context()); err != nil {
		t.Fatal(err)
	}
	writeFile(t, s.Path("slot-1/same.php"), "built")
	one.seal()
	if got := read(t, s.Path("v1/same.php")); got != "same" {
		t.Errorf("the release that is kept has %q", got)
	}
	if got := names(t, s.Dir()); got != ".relink slot-1 v1 v2" {
		t.Errorf("left: %s", got)
	}
}

// Another name of a file, in a release that is kept, says nothing of what it holds.
func TestOtherNamesChangeNothing(t *testing.T) {
	s := newStore(t)
	made(t, s, "v1", "slot-1", first)
	before := inode(t, s.Path("slot-1/same.php"))
	if err := s.Vacate(t.Context(), "v1"); err != nil {
		t.Fatal(err)
	}
	if _, changes := made(t, s, "v2", "slot-1", first); len(changes.Names()) != 0 || inode(t, s.Path("v2/same.php")) != before {
		t.Errorf("%+v", changes)
	}
}

// What workers remember of a path cannot be taken from them.
func TestSlotsThatAreUnfit(t *testing.T) {
	for name, second := range map[string]map[string]string{
		"a link leads elsewhere":     {"same.php": "same", "link": "-> changed.php"},
		"a file where a link was":    {"same.php": "same", "link": "x"},
		"a folder where a link was":  {"same.php": "same", "link/x": "x"},
		"the link is gone":           {"same.php": "same"},
		"a folder where a file was":  {"same.php/x": "x", "link": "-> same.php"},
		"settings of a folder":       {"same.php": "same", "link": "-> same.php", ".user.ini": "b"},
		"settings of a folder, gone": {"same.php": "same", "link": "-> same.php"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			files := map[string]string{"same.php": "same", "link": "-> same.php"}
			if strings.HasPrefix(name, "settings") {
				files[".user.ini"] = "a"
			}
			made(t, s, "v1", "slot-1", files)
			if err := s.Remove(t.Context(), "v1"); err != nil {
				t.Fatal(err)
			}
			one := begin(t, s, "v2", "slot-1")
			one.fetch(second)
			if _, err := one.staging.Seal(t.Context(), Manifest{}); !errors.Is(err, ErrUnfit) {
				t.Errorf("got %v", err)
			}
			if err := errors.Join(one.staging.Abort(), s.RetireSlot(t.Context(), "slot-1")); err != nil {
				t.Fatal(err)
			}
			if next, err := s.NewSlot(); err != nil || next != "slot-2" {
				t.Errorf("the next slot is %s, %v", next, err)
			}
			if slots, err := s.Slots(); err != nil || len(slots) != 0 {
				t.Errorf("%+v, %v", slots, err)
			}
		})
	}
}

// What an interruption has left in a slot is told from what was sealed there.
func TestAnInterruptedTurn(t *testing.T) {
	s := newStore(t)
	made(t, s, "v1", "slot-1", first)
	if err := s.Remove(t.Context(), "v1"); err != nil {
		t.Fatal(err)
	}
	half := begin(t, s, "v2", "slot-1")
	half.fetch(map[string]string{"same.php": "half", "changed.php": "half", "link": "-> same.php"})
	if err := half.staging.Abort(); err != nil {
		t.Fatal(err)
	}
	if removed, err := s.CleanStaging(t.Context()); err != nil || len(removed) != 0 {
		t.Fatalf("removed %q, %v", removed, err)
	}
	_, changes := made(t, s, "v3", "slot-1", map[string]string{"same.php": "same", "changed.php": "half", "link": "-> same.php"})
	if !slices.Equal(changes.Changed, []string{"changed.php"}) || read(t, s.Path("v3/same.php")) != "same" {
		t.Errorf("%+v", changes)
	}
}

// Whoever changes a file of a slot cannot hide it: the kernel alone sets its ctime.
func TestATamperedSlot(t *testing.T) {
	s := newStore(t)
	made(t, s, "v1", "slot-1", first)
	if err := s.Remove(t.Context(), "v1"); err != nil {
		t.Fatal(err)
	}
	file := s.Path("slot-1/same.php")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, "evil")
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if made(t, s, "v2", "slot-1", first); read(t, file) != "same" {
		t.Errorf("the release holds %q", read(t, file))
	}
}

// A slot of which nothing is known never serves again under its path.
func TestSlotsOfWhichNothingIsKnown(t *testing.T) {
	for name, lose := range map[string]func(s *Store) error{
		"never sealed": func(s *Store) error { return errors.Join(os.Mkdir(s.Path("slot-2"), 0o755)) },
		"list lost": func(s *Store) error {
			return errors.Join(os.Mkdir(s.Path("slot-2"), 0o755), os.Symlink("v2", s.Path(".relink/slot-2")))
		},
		"list damaged": func(s *Store) error {
			return errors.Join(os.Mkdir(s.Path("slot-2"), 0o755), os.WriteFile(s.indexPath("slot-2"), []byte("{"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			made(t, s, "v1", "slot-1", first)
			if err := lose(s); err != nil {
				t.Fatal(err)
			}
			removed, err := s.CleanStaging(t.Context())
			if err != nil || !slices.Equal(removed, []string{"slot-2"}) {
				t.Errorf("removed %q, %v", removed, err)
			}
			if next, err := s.NewSlot(); err != nil || next != "slot-3" {
				t.Errorf("the next slot is %s, %v", next, err)
			}
			if _, err := s.Get("v1"); err != nil {
				t.Error(err)
			}
		})
	}
}

// Nobody's turn is taken twice at the same time.
func TestASlotIsLocked(t *testing.T) {
	s := newStore(t)
	one := begin(t, s, "v1", "slot-1")
	if _, err := s.StageIn(t.Context(), "v2", "slot-1"); err == nil {
		t.Error("two releases are made in one slot")
	}
	if err := one.staging.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(s.Path("slot-1")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a slot that was never sealed: %v", err)
	}
	made(t, s, "v3", "slot-1", first)
	if _, err := s.StageIn(t.Context(), "v4", "slot-1"); err == nil {
		t.Error("a release was made in the place of another one")
	}
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"sealed":"2024-01-02T03:04:05Z","files":{"a":"1 2 3 4 644 false 616263"}}`))
	f.Add([]byte(`{"files":{"a":""}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for name, one := range parseIndex(text).Files {
			again, err := one.MarshalText()
			var back indexed
			if err == nil {
				err = back.UnmarshalText(again)
			}
			if err != nil || back != one {
				t.Errorf("%s: %+v became %+v, %v", name, one, back, err)
			}
		}
	})
}
