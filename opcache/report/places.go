package report

import (
	"cmp"
	"path/filepath"
	"strings"
)

// release collects what the caches hold of one release of one application.
type release struct {
	app       int // index of the application
	id        string
	folder    string
	instances []string
	masters   []*holding // by index of the master; nil: holds nothing
	sum       holding    // over all masters
}

// places finds the release that a script belongs to. Scripts of one folder
// share the answer, so that 50,000 of them cost a few thousand searches.
type places struct {
	apps     []Application
	folders  map[string]int      // releases folder -> application
	releases map[string]*release // by real folder
	memo     map[string]*release // by a script's folder; nil: of no release
	dangling [][]string          // instances without target, by application
}

func newPlaces(apps []Application) *places {
	p := &places{apps: apps, folders: map[string]int{}, releases: map[string]*release{},
		memo: map[string]*release{}, dangling: make([][]string, len(apps))}
	for i, app := range apps {
		if app.Releases != "" {
			p.folders[filepath.Clean(app.Releases)] = i
		}
	}
	for i, app := range apps {
		for _, instance := range app.Instances {
			p.addInstance(i, instance)
		}
	}
	clear(p.memo) // links may have added folders inside ones already asked for
	return p
}

func (p *places) addInstance(app int, instance Instance) {
	if instance.Target == "" {
		p.dangling[app] = append(p.dangling[app], instance.Name)
		return
	}
	target := filepath.Clean(instance.Target)
	found := p.search(target)
	if found == nil { // a copy of its own somewhere else
		found = p.add(app, target, target)
	}
	found.instances = append(found.instances, instance.Name)
}

func (p *places) add(app int, id, folder string) *release {
	one := &release{app: app, id: id, folder: folder}
	p.releases[folder] = one
	return one
}

// of gives the release of a script; nil if it belongs to none.
func (p *places) of(script string) *release {
	folder := parent(script)
	found, asked := p.memo[folder]
	if !asked {
		found = p.search(folder)
		p.memo[folder] = found
	}
	return found
}

// search looks at a folder and all above it, the nearest first.
func (p *places) search(folder string) *release {
	for folder != "/" && folder != "" {
		if found := p.releases[folder]; found != nil {
			return found
		}
		above := parent(folder)
		if app, ok := p.folders[above]; ok {
			name := folder[strings.LastIndexByte(folder, '/')+1:]
			return p.add(app, cmp.Or(p.apps[app].Slots[name], name), folder)
		}
		folder = above
	}
	return nil
}

// parent is the folder of a path: what filepath.Dir gives for a clean path,
// without copying it.
func parent(path string) string {
	cut := strings.LastIndexByte(path, '/')
	if cut <= 0 {
		return "/"
	}
	return path[:cut]
}
