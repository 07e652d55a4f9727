package moves

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/links"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tree is two releases and the places of three links: an absolute one, a relative
// one, and one that is missing. Their folder is itself reached by a link.
func tree(t *testing.T) (releases string, places []string) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	root = filepath.Join(root, "Früh stück [1]")
	for _, dir := range []string{"rel/v1", "rel/v2", "data/www"} {
		must(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	must(t, os.Symlink(filepath.Join(root, "data", "www"), filepath.Join(root, "www")))
	must(t, os.Symlink(filepath.Join(root, "rel", "v1"), filepath.Join(root, "www", "absolute")))
	must(t, os.Symlink("../../rel/v1", filepath.Join(root, "www", "relative")))
	for _, name := range []string{"absolute", "relative", "new"} {
		places = append(places, filepath.Join(root, "data", "www", name))
	}
	return filepath.Join(root, "rel"), places
}

// planTo leads all links to v2. They are configured by the path through the link.
func planTo(t *testing.T, releases string, places []string) Plan {
	t.Helper()
	v2 := filepath.Join(releases, "v2")
	var goals []Goal
	for _, place := range places {
		link := filepath.Join(filepath.Dir(releases), "www", filepath.Base(place))
		state := links.Read(link)
		goals = append(goals, Goal{config.Instance{Name: filepath.Base(place), Link: link}, state, TargetOf(state, releases),
			Target{Release: "v2", Literal: v2, Real: v2}, true})
	}
	plan, err := New(goals)
	must(t, err)
	return plan
}

func wantLinks(t *testing.T, places []string, want ...string) {
	t.Helper()
	for i, place := range places {
		got, err := os.Readlink(place)
		if err != nil {
			got = ""
		}
		if got != want[i] {
			t.Errorf("%s leads to %q, want %q", filepath.Base(place), got, want[i])
		}
		err = new(folders).in(place, func(folder int, name string) error {
			left, err := temporaries(folder, []string{name})
			if len(left) > 0 {
				t.Errorf("temporary links are left: %v", left)
			}
			return err
		})
		must(t, err)
	}
}

func TestMoveAndMoveBack(t *testing.T) {
	releases, places := tree(t)
	v1, v2 := filepath.Join(releases, "v1"), filepath.Join(releases, "v2")
	plan := planTo(t, releases, places)
	for _, step := range []struct {
		plan Plan
		want []string
	}{
		{plan, []string{v2, "../../rel/v2", v2}},
		{plan.Back(), []string{v1, "../../rel/v1", ""}},
	} {
		prepared, err := Prepare(step.plan, "run", func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		if err := prepared.Move(); err != nil {
			t.Fatal(err)
		}
		if err := prepared.Sync(); err != nil {
			t.Fatal(err)
		}
		wantLinks(t, places, step.want...)
	}
}

func TestPreparedLinksAreAllOrNone(t *testing.T) {
	releases, places := tree(t)
	plan := planTo(t, releases, places)
	plan[1].Place = filepath.Join(releases, "no folder", "x")
	if _, err := Prepare(plan, "run", func(string) {}); err == nil {
		t.Fatal("a link in a missing folder was prepared")
	}
	wantLinks(t, places, filepath.Join(releases, "v1"), "../../rel/v1", "")
}

func TestWhatACrashLeftBesideTheLinksIsRemoved(t *testing.T) {
	releases, places := tree(t)
	if _, err := Prepare(planTo(t, releases, places), "crashed", func(string) {}); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(filepath.Dir(places[0]), ".other.relink-crashed")
	must(t, os.Symlink("x", foreign))
	removed, err := RemoveTemporary(places)
	if err != nil || len(removed) != 3 {
		t.Errorf("removed %q, %v; want three", removed, err)
	}
	if _, err := os.Lstat(foreign); err != nil {
		t.Error("what belongs to another link was removed")
	}
}

// The name of a link may hold what tells temporary ones.
func TestTemporaryNames(t *testing.T) {
	of := map[string]bool{"club": true, "club.relink-x": true, ".": true}
	for name, want := range map[string]bool{
		".club.relink-1": true, ".club.relink-x.relink-1": true, "..relink-1": false, "...relink-1": true, ".club.relink-x.relink-y.relink-1": true,
		"club.relink-1": false, ".clubs.relink-1": false, ".club": false, ".club.relink": false, "": false, ".": false, ".other.relink-club.relink-1": false,
	} {
		if isTemporary(name, of) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}

func TestTheOwnerOfALinkIsKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a link to somebody")
	}
	releases, places := tree(t)
	if err := os.Lchown(places[0], 65534, 65534); err != nil {
		t.Fatal(err)
	}
	prepared, err := Prepare(planTo(t, releases, places), "run", func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := prepared.Move(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(places[0])
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 65534 || owner.Gid != 65534 {
		t.Errorf("the link belongs to %d:%d now", owner.Uid, owner.Gid)
	}
}

// Whoever may write in a site's folder can put another's file where the link was made.
func TestOnlyALinkIsGivenAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root gives files away")
		return
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	parent, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Close()
	if err := errors.Join(parent.WriteFile("roots", nil, 0o600), parent.Mkdir("backup", 0o700), parent.Symlink("roots", "link")); err != nil {
		t.Fatal(err)
	}
	give := func(name string) error {
		return new(folders).in(filepath.Join(dir, name), func(folder int, name string) error { return chownLink(folder, name, 65534, 65534) })
	}
	for _, name := range []string{"roots", "backup"} {
		if err := give(name); !errors.Is(err, errNoLink) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := give("link"); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]uint32{"roots": 0, "backup": 0, "link": 65534} {
		if info, err := parent.Lstat(name); err != nil || info.Sys().(*syscall.Stat_t).Uid != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever owns a folder on the way can put a link to any other in its place.
func TestAFolderThatIsLedElsewhere(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.Mkdir(at("www"), 0o755), os.Mkdir(at("release"), 0o755), os.Mkdir(at("roots"), 0o755)); err != nil {
		t.Fatal(err)
	}
	plan := Plan{{Instance: "club", Link: at("www/club"), Place: at("www/club"), To: Target{Release: "v1", Literal: at("release"), Real: at("release")}, UID: -1}}
	ready, err := Prepare(plan, "1", func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(at("www"), at("www.was")), os.Symlink("roots", at("www"))); err != nil {
		t.Fatal(err)
	}
	if err := ready.Move(); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a move into a folder that was led elsewhere: %v", err)
	}
	if _, err := Prepare(plan, "2", func(string) {}); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("links are prepared there: %v", err)
	}
	if entries, err := os.ReadDir(at("roots")); err != nil || len(entries) > 0 {
		t.Errorf("in the folder are %v, %v", entries, err)
	}
	must(t, os.Symlink("x", at("roots/.club.relink-1")))
	if err := ready.Discard(); !errors.Is(err, syscall.ELOOP) || len(hint.Of(err)) == 0 {
		t.Errorf("discarded: %v, hints %q", err, hint.Of(err))
	}
	if removed, err := RemoveTemporary([]string{at("www/club")}); !errors.Is(err, syscall.ELOOP) || len(removed) != 0 {
		t.Errorf("removed %q, %v", removed, err)
	}
	if _, err := os.Lstat(at("roots/.club.relink-1")); err != nil {
		t.Errorf("what another folder holds: %v", err)
	}
}
