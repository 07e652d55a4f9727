package config

import (
	"path/filepath"
	"strings"

	"relink/internal/links"
)

// folders refuses what would make relink prune, copy or seal a folder that
// belongs to something else.
func (v *validator) folders() {
	for i := range v.Apps {
		a, key := &v.Apps[i], child("apps", v.Apps[i].Name)
		if a.Releases == "" {
			continue
		}
		if links.Within(v.StateDir, a.Releases) {
			v.wrong("state_dir", "%s lies in the releases folder of %s", v.StateDir, a.Name)
		}
		if links.Within(a.SharedDir, a.Releases) {
			v.wrong(key+".shared_dir", "%s lies in the releases folder, where it would be taken for a release", a.SharedDir)
		}
		v.sourceFolder(key, a)
		for j := range v.Apps[:i] {
			v.together(&v.Apps[j], a, key)
		}
	}
}

func (v *validator) sourceFolder(key string, a *App) {
	if a.Source.Kind != "dir" || a.Source.Location == "" {
		return
	}
	dir, _, _ := strings.Cut(a.Source.Location, Placeholder)
	if dir != a.Source.Location {
		dir = filepath.Dir(dir + "x")
	}
	switch {
	case links.Within(dir, a.Releases):
		v.wrong(key+".source.dir", "%s lies in the releases folder", a.Source.Location)
	case dir == a.Source.Location && links.Within(a.Releases, dir):
		v.wrong(key+".source.dir", "%s holds the releases folder: each release would hold all earlier ones", dir)
	}
}

func (v *validator) together(first, second *App, key string) {
	if first.Releases != "" && links.Overlap(first.Releases, second.Releases) {
		v.wrong(key+".releases", "%s and the releases folder of %s, %s, must not hold each other", second.Releases, first.Name, first.Releases)
		return
	}
	bySelf := v.given(child("apps", first.Name)+".shared_dir") && v.given(key+".shared_dir")
	if len(first.Shared) > 0 && len(second.Shared) > 0 && first.SharedDir == second.SharedDir && !bySelf {
		v.wrong(key+".shared", "would share files with %s: both have %s by default; give each its own shared_dir", first.Name, second.SharedDir)
	}
}

func (v *validator) shared(key string, a *App) {
	served := filepath.Join(a.LinkTarget, a.Docroot)
	var before []string
	for i, folder := range a.Shared {
		folder = strings.TrimSuffix(folder, "/")
		at := item(key+".shared", i)
		switch {
		case folder == "":
			continue
		case folder == ".":
			v.wrong(at, "must name something inside a release")
		case links.Within(served, folder):
			v.wrong(at, "%s holds the document root %s, so that no release would be served", folder, served)
		}
		for _, other := range before {
			if other != "" && links.Overlap(folder, other) && folder != "." && other != "." {
				v.wrong(at, "%s and %s overlap", folder, other)
			}
		}
		before = append(before, folder)
	}
}

func (v *validator) assets(key string, a *App) {
	for i, folder := range a.Assets {
		at := item(key+".assets", i)
		if folder == "." {
			v.wrong(at, "must name a folder inside a release that holds nothing but what browsers load")
		}
		for _, shared := range a.Shared {
			shared = strings.TrimSuffix(shared, "/")
			if folder != "" && shared != "" && folder != "." && links.Within(folder, shared) {
				v.wrong(at, "%s lies in %s, which all releases share already", folder, shared)
			}
		}
	}
}
