package paths

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relink/deploy/apps"
	"relink/deploy/moves"
	"relink/deploy/release"
	"relink/internal/config"
	"relink/opcache"

	"github.com/google/go-cmp/cmp"
)

// crowd is an application whose instances are on these releases.
func crowd(t *testing.T, on map[string]string) apps.App {
	t.Helper()
	root := tempFolder(t)
	app := apps.App{App: config.App{Name: "app", Releases: filepath.Join(root, "rel")}, State: filepath.Join(root, "state")}
	folders(t, filepath.Join(root, "www"))
	for _, name := range slices.Sorted(maps.Keys(on)) {
		folders(t, filepath.Join(app.Releases, on[name]))
		linkTo(t, filepath.Join(app.Releases, on[name]), filepath.Join(root, "www", name))
		app.Instances = append(app.Instances, config.Instance{Name: name, Link: filepath.Join(root, "www", name)})
	}
	return app
}

// apartFrom runs the rule for instances that go to these releases, of which made is
// made by this very run, and tells where each instance that moves goes then; "v1'"
// is a repeat of v1.
func apartFrom(t *testing.T, app apps.App, addressing opcache.Addressing, to map[string]string, made ...string) (went map[string]string, stay []string, err error) {
	t.Helper()
	var instances []config.Instance
	var places []moves.Target
	for _, instance := range app.Instances {
		if to[instance.Name] != "" {
			instances, places = append(instances, instance), append(places, app.Destination(to[instance.Name]))
		}
	}
	store, err := release.Open(app.Releases)
	if err != nil {
		t.Fatal(err)
	}
	p := Planner{App: app, Chosen: instances, Store: store}
	goals, err := p.Apart(addressing, p.goals(apps.ReadLinks(instances), places), made,
		func(of string) (moves.Target, error) { return app.Destination(of + "'"), nil })
	went = map[string]string{}
	for _, g := range goals {
		went[g.Instance.Name] = g.To.Release
		if !g.Chosen {
			stay = append(stay, g.Instance.Name)
		}
	}
	slices.Sort(stay)
	return went, stay, err
}

func TestApart(t *testing.T) {
	all := map[string]string{"a": "v1", "b": "v1", "c": "v1"}
	for name, c := range map[string]struct {
		on, to, want map[string]string
		made         []string
		stay         []string
	}{
		"all leave": {on: all, made: []string{"v2"},
			to: map[string]string{"a": "v2", "b": "v2", "c": "v2"}, want: map[string]string{"a": "v2", "b": "v2", "c": "v2"}},
		"one leaves, the others get a path of their own": {on: all, made: []string{"v2"},
			to: map[string]string{"a": "v2"}, want: map[string]string{"a": "v2", "b": "v1'", "c": "v1'"}, stay: []string{"b", "c"}},
		"others are elsewhere": {on: map[string]string{"a": "v1", "b": "v3", "c": "v3"}, made: []string{"v2"},
			to: map[string]string{"a": "v2"}, want: map[string]string{"a": "v2"}},
		"the rest follows, to a path that nobody leaves": {on: map[string]string{"a": "v2", "b": "v1", "c": "v1"},
			to: map[string]string{"b": "v2", "c": "v2"}, want: map[string]string{"b": "v2", "c": "v2"}},
		"back to a path that all have left": {on: map[string]string{"a": "v2", "b": "v2", "c": "v2"},
			to: map[string]string{"a": "v1", "b": "v1", "c": "v1"}, want: map[string]string{"a": "v1'", "b": "v1'", "c": "v1'"}},
		"one goes where another one leaves": {on: map[string]string{"a": "v2", "b": "v1", "c": "v1"},
			to: map[string]string{"a": "v1", "b": "v3"}, want: map[string]string{"a": "v1'", "b": "v3'", "c": "v1'"}, stay: []string{"c"}},
		"nobody moves": {on: all, to: map[string]string{"a": "v1"}, want: map[string]string{"a": "v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			app := crowd(t, c.on)
			folders(t, filepath.Join(app.Releases, "v1"), filepath.Join(app.Releases, "v2"), filepath.Join(app.Releases, "v3"))
			got, stay, err := apartFrom(t, app, opcache.Keyed, c.to, c.made...)
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
			if !slices.Equal(c.stay, stay) {
				t.Errorf("%q stay, want %q", stay, c.stay)
			}
		})
	}
}

// Where literal paths are not looked at, paths are just paths.
func TestApartWherePathsAreReused(t *testing.T) {
	for _, addressing := range []opcache.Addressing{opcache.Resolved, opcache.Revalidated} {
		app := crowd(t, map[string]string{"a": "v1", "b": "v1"})
		got, stay, err := apartFrom(t, app, addressing, map[string]string{"a": "v0"})
		if diff := cmp.Diff(map[string]string{"a": "v0"}, got); diff != "" || err != nil || len(stay) > 0 {
			t.Error(addressing, err, diff)
		}
	}
}

// What relink may not move, or cannot repeat, is refused before anything moves.
func TestApartRefuses(t *testing.T) {
	app := crowd(t, map[string]string{"a": "v1", "b": "v1"})
	stranger := filepath.Join(filepath.Dir(app.Instances[0].Link), "stranger")
	linkTo(t, filepath.Join(app.Releases, "v1"), stranger)
	_, _, err := apartFrom(t, app, opcache.Keyed, map[string]string{"a": "v2", "b": "v2"}, "v2")
	if !errors.Is(err, ErrDivided) || !strings.Contains(err.Error(), "/stranger would stay") {
		t.Error(err)
	}
	if err := os.Remove(stranger); err != nil {
		t.Fatal(err)
	}

	// A folder that is no release: its path cannot be made new.
	adopted := filepath.Join(filepath.Dir(app.Releases), "by-hand")
	folders(t, adopted)
	for _, instance := range app.Instances {
		if err := os.Remove(instance.Link); err != nil {
			t.Fatal(err)
		}
		linkTo(t, adopted, instance.Link)
	}
	_, _, err = apartFrom(t, app, opcache.Keyed, map[string]string{"a": "v2"}, "v2")
	if !errors.Is(err, ErrDivided) || !strings.Contains(err.Error(), "is no release") || !strings.Contains(err.Error(), "for b") {
		t.Error(err)
	}
	if _, _, err = apartFrom(t, app, opcache.Keyed, map[string]string{"a": "v2", "b": "v2"}, "v2"); err != nil {
		t.Error("all of them may leave it:", err)
	}
}

// tempFolder is a folder whose name has what real paths have, and no symlink in it.
func tempFolder(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "Früh stück [1]")
	folders(t, dir)
	return dir
}

func folders(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func linkTo(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}
