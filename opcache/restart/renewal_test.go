package restart

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"relink/internal/hint"
	"relink/internal/links"
	"relink/opcache"
)

func TestWhatHasToBeRenewed(t *testing.T) {
	stays := func(name, at string) opcache.Link { return opcache.Link{Name: name, From: at, To: at} }
	both := []opcache.Link{{Name: "club1", From: "v1", To: "v2"}, {Name: "club2", From: "v1", To: "v2"}}
	preload := func(now, then string, sites ...opcache.Link) Needs {
		return Needs{Preload: Preloading{File: "/www/club1/preload.php", Through: "club1", Now: now, Then: then, Sites: sites}}
	}
	for name, c := range map[string]struct {
		needs   Needs
		action  Action
		figures []string
		err     error
	}{
		"nothing":                        {Needs{}, None, nil, nil},
		"preload moves with all":         {preload("v1", "v2", both...), ReloadFPM, []string{FigurePreloadMoves}, nil},
		"preload of somebody else":       {preload("", "", both...), None, nil, nil},
		"preloaded site moves alone":     {preload("v1", "v2", both[0], stays("club2", "v1")), None, nil, ErrOnePreload},
		"other site moves alone":         {preload("v1", "v1", stays("club1", "v1"), both[1]), None, nil, ErrOnePreload},
		"other site comes":               {preload("v2", "v2", stays("club1", "v2"), both[1]), None, nil, nil},
		"one was on a third before":      {preload("v1", "v2", both[0], stays("club2", "v0")), ReloadFPM, []string{FigurePreloadMoves}, nil},
		"preload of a release, no link":  {preload("v1", "v1", both...), None, nil, ErrOnePreload},
		"preloaded site leaves releases": {preload("v1", "", both...), None, nil, ErrOnePreload},
		"user.ini":                       {Needs{UserINI: []string{".user.ini"}}, EndWorkers, []string{FigureUserINI}, nil},
		"user.ini, workers of others":    {Needs{UserINI: []string{".user.ini"}, MayEnd: syscall.EPERM}, ReloadFPM, []string{FigureUserINI}, nil},
		"settings":                       {Needs{Settings: true}, ReloadFPM, []string{FigureSettings}, nil},
		"settings and user.ini":          {Needs{Settings: true, UserINI: []string{".user.ini"}}, ReloadFPM, []string{FigureSettings, FigureUserINI}, nil},
		"both": {Needs{UserINI: []string{".user.ini"}, Preload: preload("v1", "v2", both...).Preload}, ReloadFPM,
			[]string{FigurePreloadMoves, FigureUserINI}, nil},
	} {
		got, err := c.needs.Decide()
		var figures []string
		for _, reason := range got.Reasons {
			figures = append(figures, reason.Figure)
		}
		if !errors.Is(err, c.err) || got.Action != c.action || !slices.Equal(figures, c.figures) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if err != nil && len(hint.Of(err)) == 0 {
			t.Errorf("%s: no hint", name)
		}
		if got.Renews() != (c.action == ReloadFPM) {
			t.Errorf("%s: renews %t", name, got.Renews())
		}
	}
}

// Who has a master for each site, each with the preload of its own, is not refused.
func TestEachMasterPreloadsForItsSites(t *testing.T) {
	sites := []opcache.Link{{Name: "club1", Path: "/www/club1"}, {Name: "club2", Path: "/www/club2"}, {Name: "club3", Path: "/www/club3"}}
	all := []*masterRenewal{{passed: []string{"/www/club1"}}, {passed: []string{"/www/club2"}}, {}}
	for i, want := range []string{"club1 club3", "club2 club3", "club3"} {
		var got []string
		for _, l := range servedBy(all, i, sites) {
			got = append(got, l.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("master %d: %q, want %s", i, got, want)
		}
	}
}

func TestFollowToWherePathsWillLead(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	for _, dir := range []string{"releases/v1/config", "releases/v2", "www", "etc"} {
		must(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(root, "releases/v1/config/preload.php"), nil, 0o644))
	for link, target := range map[string]string{"www/club1": "../releases/v1", "www/loop": "loop", "etc/preload.php": "../www/club1/config/preload.php", "web": "www"} {
		must(t, os.Symlink(target, filepath.Join(root, link)))
	}
	moved := map[string]string{filepath.Join(root, "www/club1"): filepath.Join(root, "releases/v2")}
	for path, want := range map[string]struct{ now, then string }{
		"www/club1/config/preload.php":       {"releases/v1/config/preload.php", "releases/v2/config/preload.php"},
		"web/club1/config/preload.php":       {"releases/v1/config/preload.php", "releases/v2/config/preload.php"},
		"etc/preload.php":                    {"releases/v1/config/preload.php", "releases/v2/config/preload.php"},
		"web/../www//./club1":                {"releases/v1", "releases/v2"},
		"releases/v1/config/preload.php":     {"releases/v1/config/preload.php", "releases/v1/config/preload.php"},
		"nowhere/at/all.php":                 {"nowhere/at/all.php", "nowhere/at/all.php"},
		"www/loop/preload.php":               {"www/loop/preload.php", "www/loop/preload.php"},
		"www/club1/../../www/club1/same.php": {"releases/v1/same.php", "releases/v2/same.php"},
	} {
		now, _ := links.Follow(root+"/"+path, nil)
		then, _ := links.Follow(root+"/"+path, moved)
		if now != filepath.Join(root, want.now) || then != filepath.Join(root, want.then) {
			t.Errorf("%s: now %s, then %s", path, now, then)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestUserINIThatChanges(t *testing.T) {
	old, next := t.TempDir(), t.TempDir()
	write := func(folder, name, text string) {
		t.Helper()
		file := filepath.Join(folder, name)
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(text), 0o644))
	}
	for _, folder := range []string{old, next} {
		write(folder, "same/.user.ini", "a=1")
		write(folder, "other.ini", folder)
		write(folder, "config/ini", folder)
		must(t, os.Symlink("config/ini", filepath.Join(folder, ".user.ini")))
		must(t, os.MkdirAll(filepath.Join(folder, "pipe"), 0o755))
		must(t, syscall.Mkfifo(filepath.Join(folder, "pipe", ".user.ini"), 0o600))
		must(t, os.MkdirAll(filepath.Join(folder, "folder", ".user.ini"), 0o755))
		must(t, os.Symlink("/", filepath.Join(folder, "outside")))
	}
	write(old, "gone/.user.ini", "a=1")
	write(next, "new/.user.ini", "a=1")
	write(old, "changed/.user.ini", "a=1")
	write(next, "changed/.user.ini", "a=2")
	got, err := changedUserINI(t.Context(), old, next, ".user.ini")
	must(t, err)
	if want := []string{".user.ini", "changed/.user.ini", "gone/.user.ini", "new/.user.ini"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, err := changedUserINI(t.Context(), filepath.Join(old, "nowhere"), filepath.Join(next, "same"), ".user.ini"); err != nil || len(got) != 1 {
		t.Errorf("%q %v", got, err)
	}
}
