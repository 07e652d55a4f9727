package links

import (
	"path/filepath"

	"relink/internal/realpath"
)

// Look is one look at many links: the folders that hold them and what they lead to, which
// most of them have in common, are resolved once, and no link is read twice. It tells how
// things stand now, and is not kept: by the next look they may have moved.
type Look struct {
	folders map[string]string // real paths, by the folders' own
	states  map[string]State  // by place
	behind  map[way]State
	ids     map[string]string // releases, by real paths
}

// way is what decides where a link leads, and whether it may be followed: in a folder like
// /tmp that is a matter of the link's owner (fs.protected_symlinks).
type way struct {
	parent, literal string
	uid             int
}

func NewLook() *Look {
	return &Look{map[string]string{}, map[string]State{}, map[way]State{}, map[string]string{}}
}

// Read looks at a link without changing anything.
func (l *Look) Read(path string) State {
	parent, err := l.folder(filepath.Dir(path))
	if err != nil {
		return State{Path: path, UID: -1, GID: -1}.without(err)
	}
	place := filepath.Join(parent, filepath.Base(path))
	state, seen := l.states[place]
	if !seen {
		state = l.readAt(State{Path: path, Parent: parent, UID: -1, GID: -1})
	}
	if state.Err == nil { // else it names the link as it was spelled
		l.states[place] = state
	}
	state.Path = path
	return state
}

// folder is the real path of a folder that is there.
func (l *Look) folder(path string) (real string, err error) {
	real, known := l.folders[path]
	if !known {
		if real, err = realpath.Of(path); err == nil {
			l.folders[path] = real
		}
	}
	return real, err
}

// Place is where a link's name really lies: its folder is resolved, never the link
// itself.
func (l *Look) Place(link string) string {
	if parent, err := l.folder(filepath.Dir(link)); err == nil {
		return filepath.Join(parent, filepath.Base(link))
	}
	return Place(link)
}

// Release is the id of the release that a real path is in; the path itself where it is in
// none.
func (l *Look) Release(real, releases string) string {
	id, known := l.ids[real]
	if !known {
		id = Release(real, releases)
		l.ids[real] = id
	}
	return id
}
