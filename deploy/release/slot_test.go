package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/deploy/release/kept"
)

const (
	slot1 = "slot-aaaaaa"
	slot2 = "slot-bbbbbb"
)

// turn is one release that is made in a slot.
type turn struct {
	t       *testing.T
	store   *Store
	staging *Staging
	keep    func(name string) bool // what the caches may keep
}

func begin(t *testing.T, s *Store, id, slot string) *turn {
	t.Helper()
	one, err := tryBegin(t, s, id, slot, false)
	if err != nil {
		t.Fatal(err)
	}
	return one
}

func tryBegin(t *testing.T, s *Store, id, slot string, swept bool) (*turn, error) {
	one := &turn{t: t, store: s}
	var err error
	one.staging, err = s.StageIn(t.Context(), id, Turn{Slot: slot, App: "app", Swept: swept, Forget: func(_ context.Context, _ string, keep func(string) bool) error {
		one.keep = keep
		return nil
	}})
	return one, err
}

// fetch brings all files of the release; what begins with "-> " is a link.
func (o *turn) fetch(files map[string]string) {
	o.t.Helper()
	err := o.staging.Fill(o.t.Context(), func(into string) (func(string) bool, error) {
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
	r, err := o.staging.Seal(o.t.Context(), Manifest{Source: "test", Commit: "c", Ref: "main"})
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

func (o *turn) kept(names ...string) string {
	return strings.Join(slices.DeleteFunc(names, func(name string) bool { return !o.keep(name) }), " ")
}

func made(t *testing.T, s *Store, id, slot string, files map[string]string) (Release, *turn) {
	t.Helper()
	one := begin(t, s, id, slot)
	one.fetch(files)
	return one.seal(), one
}

func remove(t *testing.T, s *Store, id string) {
	t.Helper()
	if err := s.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

func putAway(t *testing.T, s *Store, id string) {
	t.Helper()
	if err := s.Kept().PutAway(id); err != nil {
		t.Fatal(err)
	}
}

// broughtBack repeats a release in a slot; built is what its build writes, if it is asked to.
func broughtBack(t *testing.T, s *Store, of, id, slot string, built map[string]string) (Release, error) {
	t.Helper()
	one, err := tryBegin(t, s, id, slot, true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Repeat(t.Context(), one.staging, of, func(context.Context) error {
		for name, content := range built {
			writeFile(t, filepath.Join(one.staging.Path(), name), content)
		}
		return nil
	})
	if err != nil {
		err = errors.Join(err, one.staging.Abort())
	}
	return r, err
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
	one, turn := made(t, s, "v1", slot1, first)
	if got := turn.kept("same.php", "changed.php"); one.Path != s.Path(slot1) || got != "" {
		t.Fatalf("%+v: the caches may keep %q", one, got)
	}
	before := inode(t, filepath.Join(one.Path, "same.php"))
	remove(t, s, "v1")
	if _, err := s.Get("v1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a release that has left its slot: %v", err)
	}
	_, turn = made(t, s, "v2", slot1, map[string]string{"same.php": "same", "changed.php": "2", "link": "-> same.php", "new.php": "new"})
	changes := turn.staging.Changes()
	if slices.Sort(changes.Changed); !slices.Equal(changes.Changed, []string{"changed.php", "new.php"}) || !slices.Equal(changes.Removed, []string{"gone/gone.php"}) || changes.Files != 4 {
		t.Errorf("%+v", changes)
	}
	if got := turn.kept("same.php", "changed.php", "new.php", "gone/gone.php", "made/later.php"); got != "same.php" {
		t.Errorf("the caches may keep %q", got)
	}
	if inode(t, s.Path("v2/same.php")) != before || read(t, s.Path("v2/changed.php")) != "2" {
		t.Error("the same file was written again, or the other one not")
	}
	if got := names(t, s.Path(slot1)); got != "changed.php link new.php same.php" {
		t.Errorf("the slot holds %s", got)
	}
	if all, err := s.List(); err != nil || len(all) != 1 || all[0].ID != "v2" || all[0].Path != s.Path(slot1) {
		t.Errorf("%+v, %v", all, err)
	}
}

// What a build changes is found by the time that only the kernel sets, and by content.
func TestBuildsInASlot(t *testing.T) {
	s := newStore(t)
	build := func(id, made string) *turn {
		one := begin(t, s, id, slot1)
		one.fetch(first)
		one.staging.BuildBegins()
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
		remove(t, s, id)
		return one
	}
	build("v1", "abc")
	when, err := os.Stat(s.Path(slot1 + "/cache.php"))
	if err != nil {
		t.Fatal(err)
	}
	one := build("v2", "abc")
	if got := one.kept("cache.php", "changed.php", "same.php"); got != "cache.php changed.php same.php" || len(one.staging.Changes().Changed) != 0 {
		t.Errorf("a build that makes the same again: the caches may keep %q, %+v", got, one.staging.Changes())
	}
	if now, err := os.Stat(s.Path(slot1 + "/cache.php")); err != nil || !now.ModTime().Equal(when.ModTime()) {
		t.Errorf("the time of what is the same is %v, and was %v: %v", now.ModTime(), when.ModTime(), err)
	}
	if got := build("v3", "xyz").kept("cache.php", "changed.php", "same.php"); got != "same.php" {
		t.Errorf("the caches may keep %q", got)
	}
}

// A release that was put away costs what the slot's next one has otherwise, and comes
// back as it was: where it was made, in another slot, or in a folder of its own.
func TestAReleaseIsPutAway(t *testing.T) {
	for _, where := range []string{slot1, slot2, ""} {
		t.Run(where, func(t *testing.T) {
			s := newStore(t)
			made(t, s, "v1", slot1, first)
			before := inode(t, s.Path(slot1+"/same.php"))
			putAway(t, s, "v1")
			kept, err := s.Get("v1")
			if err != nil || !kept.Away || !kept.Sealed || kept.Ref != "main" {
				t.Fatalf("%+v, %v", kept, err)
			}
			made(t, s, "v2", slot1, map[string]string{"same.php": "same", "changed.php": "2", "link": "-> same.php"})
			if got := len(strings.Fields(names(t, s.Path(".relink/contents")))); got != 2 {
				t.Errorf("%d files are kept beside", got)
			}
			if where == slot1 {
				putAway(t, s, "v2")
			}
			var back Release
			if where == "" {
				back, err = repeat(t, s, "v1", "v3")
			} else {
				back, err = broughtBack(t, s, "v1", "v3", where, nil)
			}
			if err != nil || back.Content() != "v1" {
				t.Fatalf("%+v, %v", back, err)
			}
			for name, content := range first {
				if target, link := strings.CutPrefix(content, "-> "); link {
					if got, err := os.Readlink(s.Path("v3/" + name)); err != nil || got != target {
						t.Errorf("%s leads to %s, %v", name, got, err)
					}
				} else if got := read(t, s.Path("v3/"+name)); got != content {
					t.Errorf("%s holds %q", name, got)
				}
			}
			if now := inode(t, s.Path("v3/same.php")); (now == before) != (where == slot1) {
				t.Error("the same file was written again, or is another release's too")
			}
			remove(t, s, "v1")
			if where == slot1 {
				remove(t, s, "v2")
			}
			if got := names(t, s.Path(".relink/contents")); got != "" {
				t.Errorf("nobody needs %s", got)
			}
		})
	}
}

// Another name that a file has got, as an asset of another release, changes its ctime.
func TestAFileWithAnotherNameIsKept(t *testing.T) {
	s := newStore(t)
	made(t, s, "v1", slot1, first)
	if err := os.Link(s.Path(slot1+"/changed.php"), s.Path(slot1+"-elsewhere")); err != nil {
		t.Fatal(err)
	}
	putAway(t, s, "v1")
	made(t, s, "v2", slot1, map[string]string{"same.php": "same", "changed.php": "2", "link": "-> same.php"})
	if _, err := broughtBack(t, s, "v1", "v3", slot2, nil); err != nil || read(t, s.Path("v3/changed.php")) != "1" {
		t.Error(err)
	}
}

// Of a release that was put away nobody is served anything else than it held.
func TestAFileOfAReleaseThatWasPutAwayIsGone(t *testing.T) {
	s := newStore(t)
	made(t, s, "v1", slot1, first)
	putAway(t, s, "v1")
	made(t, s, "v2", slot1, first)
	writeFile(t, s.Path("v2/same.php"), "by hand")
	if _, err := broughtBack(t, s, "v1", "v3", slot2, nil); !errors.Is(err, kept.ErrGone) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(s.Path("v3")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a release that cannot be had: %v", err)
	}
	if got := read(t, s.Path("v2/same.php")); got != "by hand" {
		t.Errorf("the other release holds %q", got)
	}
}

// What a build has written of the path that it ran at is right where it ran only.
func TestWhatNamesItsSlotIsBuiltAgain(t *testing.T) {
	s := newStore(t)
	build := func(slot string) map[string]string {
		return map[string]string{"cache.php": s.Path(slot) + "/config"}
	}
	one := begin(t, s, "v1", slot1)
	one.fetch(first)
	writeFile(t, s.Path(slot1+"/cache.php"), build(slot1)["cache.php"])
	one.seal()
	putAway(t, s, "v1")
	made(t, s, "v2", slot1, first)
	if _, err := broughtBack(t, s, "v1", "v3", slot2, build(slot2)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s.Path("v3/cache.php")); got != s.Path(slot2)+"/config" {
		t.Errorf("it names %s", got)
	}
	putAway(t, s, "v2")
	if _, err := broughtBack(t, s, "v1", "v4", slot1, nil); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s.Path("v4/cache.php")); got != s.Path(slot1)+"/config" {
		t.Errorf("where it was made it names %s", got)
	}
}

// A slot that is given up leaves what releases need that were put away.
func TestASlotIsGivenUp(t *testing.T) {
	s := newStore(t)
	made(t, s, "v1", slot1, first)
	putAway(t, s, "v1")
	if err := s.RetireSlot(t.Context(), slot1); err != nil {
		t.Fatal(err)
	}
	if _, err := broughtBack(t, s, "v1", "v2", slot2, nil); err != nil || read(t, s.Path("v2/same.php")) != "same" {
		t.Error(err)
	}
	if slots, err := s.Slots("app"); err != nil || len(slots) != 1 || slots[0].Name != slot2 {
		t.Errorf("%+v, %v", slots, err)
	}
}

// Two configurations may name one releases folder.
func TestSlotsOfOthersAreLeftAlone(t *testing.T) {
	s := newStore(t)
	made(t, s, "v1", slot1, first)
	if slots, err := s.Slots("another"); err != nil || len(slots) != 0 {
		t.Errorf("%+v, %v", slots, err)
	}
}

// What workers remember of a path cannot be taken from them, unless they all have just
// been asked.
func TestSlotsThatAreUnfit(t *testing.T) {
	for name, second := range map[string]map[string]string{
		"a link leads elsewhere":     {"same.php": "same", "link": "-> changed.php"},
		"a file where a link was":    {"same.php": "same", "link": "x"},
		"a folder where a link was":  {"same.php": "same", "link/x": "x"},
		"the link is gone":           {"same.php": "same"},
		"a folder where a file was":  {"same.php/x": "x", "link": "-> same.php"},
		"a link where a folder was":  {"same.php": "same", "link": "-> same.php", "dir": "-> same.php"},
		"settings of a folder":       {"same.php": "same", "link": "-> same.php", ".user.ini": "b"},
		"settings of a folder, gone": {"same.php": "same", "link": "-> same.php"},
	} {
		for _, swept := range []bool{false, true} {
			t.Run(fmt.Sprint(name, swept), func(t *testing.T) {
				s := newStore(t)
				files := map[string]string{"same.php": "same", "link": "-> same.php"}
				settings := strings.HasPrefix(name, "settings")
				if settings {
					files[".user.ini"] = "a"
				}
				if strings.HasSuffix(name, "a folder was") {
					files["dir/x.php"] = "x"
				}
				made(t, s, "v1", slot1, files)
				remove(t, s, "v1")
				one, err := tryBegin(t, s, "v2", slot1, swept)
				if err != nil {
					t.Fatal(err)
				}
				one.fetch(second)
				_, err = one.staging.Seal(t.Context(), Manifest{})
				if unfit := !swept || settings; errors.Is(err, ErrUnfit) != unfit || err != nil && !unfit {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// What was made after the release was sealed is in no list.
func TestWhatWasMadeSinceMakesASlotUnfit(t *testing.T) {
	for name, make := range map[string]func(slot string) error{
		"a link":   func(slot string) error { return os.Symlink("same.php", filepath.Join(slot, "late")) },
		"settings": func(slot string) error { return os.WriteFile(filepath.Join(slot, ".user.ini"), nil, 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			r, _ := made(t, s, "v1", slot1, first)
			if err := make(r.Path); err != nil {
				t.Fatal(err)
			}
			remove(t, s, "v1")
			if _, err := tryBegin(t, s, "v2", slot1, false); !errors.Is(err, ErrUnfit) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What an earlier build has granted to others is not theirs while the next release is made.
func TestNobodyElseWritesIntoASlot(t *testing.T) {
	s := newStore(t)
	files := map[string]string{"cache/x.php": "x", "same.php": "same"}
	r, _ := made(t, s, "v1", slot1, files)
	cache := filepath.Join(r.Path, "cache")
	if err := os.Chmod(cache, 0o777); err != nil {
		t.Fatal(err)
	}
	root := os.Geteuid() == 0
	if root {
		if err := os.Chown(cache, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	remove(t, s, "v1")
	one := begin(t, s, "v2", slot1)
	info, err := os.Stat(cache)
	if err != nil || info.Mode().Perm() != 0o755 || root && info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("%v, %v", info, err)
	}
	one.fetch(files)
	one.seal()
}

// What an interruption has left in a slot is told from what was sealed there.
func TestAnInterruptedTurn(t *testing.T) {
	s := newStore(t)
	made(t, s, "v1", slot1, first)
	putAway(t, s, "v1")
	half := begin(t, s, "v2", slot1)
	half.fetch(map[string]string{"same.php": "half", "changed.php": "half", "link": "-> same.php"})
	if err := half.staging.Abort(); err != nil {
		t.Fatal(err)
	}
	if removed, err := s.CleanStaging(t.Context()); err != nil || len(removed) != 0 {
		t.Fatalf("removed %q, %v", removed, err)
	}
	_, turn := made(t, s, "v3", slot1, map[string]string{"same.php": "same", "changed.php": "half", "link": "-> same.php"})
	if got := turn.kept("same.php", "changed.php"); got != "" || read(t, s.Path("v3/same.php")) != "same" {
		t.Errorf("the caches may keep %q", got)
	}
	if _, err := broughtBack(t, s, "v1", "v4", slot2, nil); err != nil || read(t, s.Path("v4/changed.php")) != "1" {
		t.Errorf("the release that was put away: %v", err)
	}
}

// Whoever changes a file of a slot cannot hide it, not even by changing it back: the
// kernel alone sets its ctime.
func TestATamperedSlot(t *testing.T) {
	s := newStore(t)
	made(t, s, "v1", slot1, first)
	remove(t, s, "v1")
	tamper := func(name string, contents ...string) {
		file := s.Path(slot1 + "/" + name)
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, content := range contents {
			writeFile(t, file, content)
		}
		if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	tamper("same.php", "evil")
	tamper("changed.php", "2", "1")
	_, turn := made(t, s, "v2", slot1, first)
	if got := turn.kept("same.php", "changed.php", "gone/gone.php"); read(t, s.Path(slot1+"/same.php")) != "same" || got != "gone/gone.php" {
		t.Errorf("the caches may keep %q", got)
	}
}

// A slot of which nothing is known never serves again under its path.
func TestSlotsOfWhichNothingIsKnown(t *testing.T) {
	for name, lose := range map[string]func(s *Store) error{
		"never sealed": func(s *Store) error { return os.Mkdir(s.Path(slot2), 0o755) },
		"list lost": func(s *Store) error {
			return errors.Join(os.Mkdir(s.Path(slot2), 0o755), os.Symlink("v2", s.Path(".relink/"+slot2)))
		},
		"list damaged": func(s *Store) error {
			return errors.Join(os.Mkdir(s.Path(slot2), 0o755), os.WriteFile(s.Kept().ListPath(slot2), []byte("{"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			made(t, s, "v1", slot1, first)
			if err := lose(s); err != nil {
				t.Fatal(err)
			}
			removed, err := s.CleanStaging(t.Context())
			if err != nil || !slices.Equal(removed, []string{slot2}) {
				t.Errorf("removed %q, %v", removed, err)
			}
			if slots, err := s.Slots("app"); err != nil || len(slots) != 1 {
				t.Errorf("%+v, %v", slots, err)
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
	one := begin(t, s, "v1", slot1)
	if _, err := tryBegin(t, s, "v2", slot1, true); err == nil {
		t.Error("two releases are made in one slot")
	}
	if err := one.staging.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(s.Path(slot1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a slot that was never sealed: %v", err)
	}
	made(t, s, "v3", slot1, first)
	if _, err := tryBegin(t, s, "v4", slot1, true); err == nil {
		t.Error("a release was made in the place of another one")
	}
}
