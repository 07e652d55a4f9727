package apache

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"

	"relink/deploy/webmap"
	"relink/internal/hint"
	"relink/internal/realpath"
	"relink/php/probe"
)

// ErrNotResolved: PHP does not get real paths on every site, or the map and the
// links do not say the same.
var ErrNotResolved = errors.New("not all sites are resolved")

// Asker asks the PHP of a site through its web server.
type Asker interface {
	Ask(ctx context.Context, instance string) (probe.Answer, error)
}

// Setup is what a check needs to know of one application.
type Setup struct {
	App      string
	Releases string // real path of the releases folder
	Map      string // path of the map
	Sites    []Site
}

// Site is one instance. The map has it under the first of Keys that it holds.
type Site struct {
	Instance, Link string
	Keys           []string
}

// askers is how many sites are asked at the same time.
const askers = 8

// Check looks at the map and the links, and asks each site. The error says that
// a site is not resolved; the result says which, and why.
func (s Setup) Check(ctx context.Context, asker Asker) (Result, error) {
	result := Result{App: s.App, Map: s.Map, Sites: make([]Finding, len(s.Sites))}
	entries, err := webmap.Read(s.Map)
	if err != nil {
		return result, hint.With(err, "deploy once: a deploy writes the map")
	}
	places := make(chan struct{}, askers)
	var all sync.WaitGroup
	for i, site := range s.Sites {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			answer, err := asker.Ask(ctx, site.Instance)
			result.Sites[i] = s.judge(site, entries, s.linked(site), answer, err)
		})
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return result, fmt.Errorf("check %s: %w", s.App, err)
	}
	return result, result.verdict()
}

// linked is the release that the link leads to; "" for none.
func (s Setup) linked(site Site) string {
	real, err := realpath.Of(site.Link)
	if err != nil {
		return ""
	}
	return s.releaseOf(real)
}

// releaseOf is the release that a path lies in, read as it stands; "" for none.
// Slashes in a row mean one to the kernel, and some handlers send them.
func (s Setup) releaseOf(literal string) string {
	below, ok := strings.CutPrefix(path.Clean("/"+literal), strings.TrimRight(s.Releases, "/")+"/")
	release, _, _ := strings.Cut(below, "/")
	if !ok || literal == "" {
		return ""
	}
	return release
}

// judge compares what the map, the link and PHP say of one site.
func (s Setup) judge(site Site, entries []webmap.Entry, linked string, answer probe.Answer, err error) Finding {
	f := Finding{Instance: site.Instance, Link: linked}
	f.Key, f.Map = find(entries, site.Keys)
	switch {
	case f.Map == "":
		f.wrong("the map has no line for it")
	case linked == "":
		f.wrong("its link leads to no release: %s", site.Link)
	case f.Map != linked:
		f.wrong("the map says %s, its link leads to %s", f.Map, linked)
	}
	if err != nil {
		f.wrong("%v", err)
		f.hints = hint.Of(err)
		return f
	}
	f.SAPI, f.Script, f.DocumentRoot, f.Serves = answer.SAPI, answer.Filename, answer.DocumentRoot, s.releaseOf(answer.File)
	s.judgeAnswer(&f, answer)
	return f
}

func (s Setup) judgeAnswer(f *Finding, answer probe.Answer) {
	switch {
	case f.Serves == "":
		f.wrong("PHP runs %s, which is in no release", answer.File)
	case f.Serves != f.Map && f.Map != "":
		f.wrong("PHP runs release %s", f.Serves)
	case s.releaseOf(answer.Filename) != f.Serves:
		f.wrong("the web server sends no real path: SCRIPT_FILENAME is %s", answer.Filename)
	case s.releaseOf(answer.DocumentRoot) != f.Serves:
		f.wrong("DOCUMENT_ROOT is %s: what the application includes by it goes stale", answer.DocumentRoot)
		if answer.SAPI == "apache2handler" {
			f.hints = []string{`for mod_php, print the include with --lua and enable Apache's mod_lua`}
		}
	}
}

// find is the map's line of the first key that it has.
func find(entries []webmap.Entry, keys []string) (key, release string) {
	for _, key := range keys {
		for _, entry := range entries {
			if entry.Key == key {
				return entry.Key, entry.Release
			}
		}
	}
	return "", ""
}
