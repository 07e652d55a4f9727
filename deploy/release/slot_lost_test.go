package release

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"relink/deploy/release/kept"
)

// Each makes v1 in a slot, puts it away, does something in between, and wants it back.
func wantBack(t *testing.T, s *Store) {
	t.Helper()
	if _, err := broughtBack(t, s, "v1", "back", slot2, nil); err != nil {
		t.Errorf("v1 is lost: %v", err)
	} else if got := read(t, s.Path("back/same.php")); got != "same" {
		t.Errorf("it holds %q", got)
	}
}

// stranger is to whom root can give files; others can only keep theirs.
func stranger() int {
	if uid := os.Geteuid(); uid != 0 {
		return uid
	}
	return 33
}

func ownedByApp(t *testing.T, s *Store, id string, files map[string]string) {
	t.Helper()
	one := begin(t, s, id, slot1)
	one.fetch(files)
	one.staging.BuildBegins()
	for name := range files { // the build hook: chown -R www-data .
		if err := os.Lchown(filepath.Join(one.staging.Path(), name), stranger(), stranger()); err != nil {
			t.Fatal(err)
		}
	}
	one.seal()
}

func other(files map[string]string) map[string]string {
	all := maps.Clone(files)
	all["same.php"] = "other"
	return all
}

func TestFailedTurnAfterChownLosesNothing(t *testing.T) {
	s := newStore(t)
	ownedByApp(t, s, "v1", first)
	putAway(t, s, "v1")
	two := begin(t, s, "v2", slot1) // the fetch fails
	if err := two.staging.Abort(); err != nil {
		t.Fatal(err)
	}
	made(t, s, "v3", slot1, other(first))
	wantBack(t, s)
}

func TestUnfitSlotAfterChownLosesNothing(t *testing.T) {
	s := newStore(t)
	ownedByApp(t, s, "v1", first)
	putAway(t, s, "v1")
	two := begin(t, s, "v2", slot1)
	files := maps.Clone(first)
	files[".user.ini"] = "memory_limit=1G"
	two.fetch(files)
	if _, err := two.staging.Seal(t.Context(), Manifest{Source: "test"}); !errors.Is(err, ErrUnfit) {
		t.Fatal(err)
	}
	if err := two.staging.Abort(); err != nil {
		t.Fatal(err)
	}
	if err := s.RetireSlot(t.Context(), slot1); err != nil {
		t.Fatal(err)
	}
	wantBack(t, s)
}

func TestChmodOfAServedFileLosesNothing(t *testing.T) {
	s := newStore(t)
	made(t, s, "v1", slot1, first)
	if err := os.Chmod(s.Path("v1/same.php"), 0o644); err != nil { // chmod -R, a restored backup, an ACL
		t.Fatal(err)
	}
	putAway(t, s, "v1")
	made(t, s, "v2", slot1, other(first))
	wantBack(t, s)
}

func TestACarriedAssetIsNotLost(t *testing.T) {
	s := newStore(t)
	files := maps.Clone(first)
	files["public/app-1.css"] = "one"
	made(t, s, "v1", slot1, files)
	next := maps.Clone(first)
	next["public/app-2.css"] = "two"
	v2, _ := made(t, s, "v2", slot2, next)
	v1, err := s.Get("v1")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.carryFrom(t.Context(), v1, v2.ID, []string{"public/app-1.css"}); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	putAway(t, s, "v1")
	made(t, s, "v3", slot1, other(next))
	if _, err := broughtBack(t, s, "v1", "back", "slot-cccccc", nil); err != nil {
		t.Errorf("v1 is lost: %v", err)
	}
}

func TestARepeatByHardLinksLosesNothing(t *testing.T) {
	s := newStore(t)
	made(t, s, "v1", slot1, first)
	if _, err := repeat(t, s, "v1", "v1b"); err != nil {
		t.Fatal(err)
	}
	putAway(t, s, "v1")
	remove(t, s, "v1b")
	made(t, s, "v2", slot1, other(first))
	wantBack(t, s)
}

// A build that only gives files away, and one file that names its slot.
func TestChownIsNoAlteration(t *testing.T) {
	s := newStore(t)
	one := begin(t, s, "v1", slot1)
	one.fetch(first)
	one.staging.BuildBegins()
	writeFile(t, s.Path(slot1+"/cache.php"), s.Path(slot1)+"/config")
	if err := os.Chown(s.Path(slot1+"/same.php"), stranger(), stranger()); err != nil {
		t.Fatal(err)
	}
	one.seal()
	putAway(t, s, "v1")
	two := begin(t, s, "v2", slot1)
	if _, has := two.staging.Has("same.php"); !has {
		t.Error("the source brings anew what the build has only given to another owner")
	}
	two.fetch(first)
	two.seal()
	if _, err := broughtBack(t, s, "v1", "v3", slot2, map[string]string{"cache.php": s.Path(slot2) + "/config"}); err != nil {
		t.Errorf("rollback: %v", err)
	}
}

func TestDamagedListOfAReleasePutAway(t *testing.T) {
	s := newStore(t)
	made(t, s, "v1", slot1, first)
	putAway(t, s, "v1")
	made(t, s, "v2", slot1, other(first))
	if err := os.WriteFile(s.Kept().ListPath("v1"), []byte(`{"app":`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := broughtBack(t, s, "v1", "v3", slot2, nil)
	if !errors.Is(err, kept.ErrGone) {
		t.Error("a damaged list is told as a source without files")
	}
	if err := s.Kept().Sweep(); err != nil {
		t.Error(err)
	}
	if _, err := s.CleanStaging(t.Context()); err != nil {
		t.Errorf("it blocks every recovery: %v", err)
	}
	if _, err := s.CarryAssets(t.Context(), []string{"public"}, []string{"v2"}); err != nil {
		t.Errorf("it blocks every deploy: %v", err)
	}
	if got := names(t, s.Path(".relink/contents")); got == "" {
		t.Error("one list that cannot be read has all that is kept of the release removed")
	}
}

// A crash in Remove, after the link has gone, or in occupy, before it is there.
func TestAPlaceIsNotLeftForEver(t *testing.T) {
	s := newStore(t)
	const place = "place-aaaaaa"
	made(t, s, "v1", place, first)
	if err := os.Remove(s.Path("v1")); err != nil { // the crash comes here, in leave
		t.Fatal(err)
	}
	for range 2 {
		removed, err := s.CleanStaging(t.Context())
		t.Log(removed, err)
	}
	if _, err := os.Lstat(s.Path(place)); err == nil {
		t.Error("a place for one release stays for ever, and nobody can use it")
	}
}
