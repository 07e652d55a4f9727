package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relink/deploy/apps"
	"relink/deploy/moves"
	"relink/internal/config"
)

// tree is two releases and links in a folder that is itself reached by a link.
func tree(t *testing.T) (app apps.App, places []string) {
	t.Helper()
	root := realTemp(t)
	mkdir(t, filepath.Join(root, "rel", "v1"), filepath.Join(root, "rel", "v2"), filepath.Join(root, "data", "www"))
	symlink(t, filepath.Join(root, "data", "www"), filepath.Join(root, "www"))
	symlink(t, filepath.Join(root, "rel", "v1"), filepath.Join(root, "www", "absolute"))
	symlink(t, "../../rel/v1", filepath.Join(root, "www", "relative"))
	app = apps.App{App: config.App{Name: "app", Releases: filepath.Join(root, "rel")}, State: filepath.Join(root, "state")}
	for _, name := range []string{"absolute", "relative", "new"} {
		app.Instances = append(app.Instances, config.Instance{Name: name, Link: filepath.Join(root, "www", name)})
		places = append(places, filepath.Join(root, "data", "www", name))
	}
	return app, places
}

func planTo(t *testing.T, app apps.App, release string) moves.Plan {
	t.Helper()
	var goals []moves.Goal
	for i, state := range apps.ReadLinks(app.Instances) {
		goals = append(goals, moves.Goal{Instance: app.Instances[i], State: state, Now: moves.TargetOf(state, app.RealReleases()), To: app.Destination(release), Chosen: true})
	}
	plan, err := moves.New(goals)
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
		left, err := os.ReadDir(filepath.Dir(place))
		if err != nil || slices.ContainsFunc(left, func(e os.DirEntry) bool { return strings.Contains(e.Name(), ".relink-") }) {
			t.Errorf("temporary links are left: %v %v", left, err)
		}
	}
}
