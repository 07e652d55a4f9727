// Package registry knows the kinds of source.
package registry

import (
	"fmt"

	"relink/deploy/source"
	"relink/deploy/source/archive"
	"relink/deploy/source/dir"
	"relink/deploy/source/git"
)

// Spec is what the configuration says of a source.
type Spec struct {
	Kind       string // the key under "source"
	Location   string // its value
	Submodules bool
	CacheDir   string // where a source may keep what it fetches; need not exist
}

var kinds = map[string]func(Spec) source.Source{
	"archive": func(s Spec) source.Source { return archive.New(s.Location) },
	"dir":     func(s Spec) source.Source { return dir.New(s.Location) },
	"git":     func(s Spec) source.Source { return git.New(s.Location, s.CacheDir, s.Submodules) },
}

// Open makes the source.
func Open(s Spec) (source.Source, error) {
	open, ok := kinds[s.Kind]
	if !ok {
		return nil, fmt.Errorf("source %q: there is no such kind", s.Kind)
	}
	return open(s), nil
}
