package deploy

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// tree is two releases and links in a folder that is itself reached by a link.
func tree(t *testing.T) (app App, places []string) {
	t.Helper()
	root := realTemp(t)
	mkdir(t, filepath.Join(root, "rel", "v1"), filepath.Join(root, "rel", "v2"), filepath.Join(root, "data", "www"))
	symlink(t, filepath.Join(root, "data", "www"), filepath.Join(root, "www"))
	symlink(t, filepath.Join(root, "rel", "v1"), filepath.Join(root, "www", "absolute"))
	symlink(t, "../../rel/v1", filepath.Join(root, "www", "relative"))
	app = App{Name: "app", Releases: filepath.Join(root, "rel"), State: filepath.Join(root, "state")}
	for _, name := range []string{"absolute", "relative", "new"} {
		app.Instances = append(app.Instances, Instance{Name: name, Link: filepath.Join(root, "www", name)})
		places = append(places, filepath.Join(root, "data", "www", name))
	}
	return app, places
}

func planTo(t *testing.T, app App, release string) Plan {
	t.Helper()
	states, err := readLinks(app.Instances)
	if err != nil {
		t.Fatal(err)
	}
	to := make([]Destination, len(states))
	for i := range to {
		to[i] = app.destination(release)
	}
	plan, err := PlanMoves(app.Instances, states, to, app.realReleases())
	if err != nil {
		t.Fatal(err)
	}
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
		if left, err := temporaries(place); err != nil || len(left) > 0 {
			t.Errorf("temporary links are left: %v %v", left, err)
		}
	}
}

func TestMoveAndMoveBack(t *testing.T) {
	app, places := tree(t)
	v1, v2 := filepath.Join(app.Releases, "v1"), filepath.Join(app.Releases, "v2")
	plan := planTo(t, app, "v2")
	for _, step := range []struct {
		moves Plan
		want  []string
	}{
		{plan, []string{v2, "../../rel/v2", v2}},
		{plan.Back(), []string{v1, "../../rel/v1", ""}},
	} {
		links, err := prepareLinks(step.moves, "run", func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		if err := links.move(); err != nil {
			t.Fatal(err)
		}
		if err := links.sync(); err != nil {
			t.Fatal(err)
		}
		wantLinks(t, places, step.want...)
	}
}

func TestPreparedLinksAreAllOrNone(t *testing.T) {
	app, places := tree(t)
	plan := planTo(t, app, "v2")
	plan[1].Place = filepath.Join(app.Releases, "no folder", "x")
	if _, err := prepareLinks(plan, "run", func(string) {}); err == nil {
		t.Fatal("a link in a missing folder was prepared")
	}
	wantLinks(t, places, filepath.Join(app.Releases, "v1"), "../../rel/v1", "")
}

func TestWhatACrashLeftBesideTheLinksIsRemoved(t *testing.T) {
	app, places := tree(t)
	if _, err := prepareLinks(planTo(t, app, "v2"), "crashed", func(string) {}); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(filepath.Dir(places[0]), ".other.relink-crashed")
	symlink(t, "x", foreign)
	removed, err := removeTemporary(places)
	if err != nil || len(removed) != 3 {
		t.Errorf("removed %q, %v; want three", removed, err)
	}
	if _, err := os.Lstat(foreign); err != nil {
		t.Error("what belongs to another link was removed")
	}
}

func TestTheOwnerOfALinkIsKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a link to somebody")
	}
	app, places := tree(t)
	if err := os.Lchown(places[0], 65534, 65534); err != nil {
		t.Fatal(err)
	}
	links, err := prepareLinks(planTo(t, app, "v2"), "run", func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := links.move(); err != nil {
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
