package apache

import (
	"errors"
	"path"
	"strings"

	"relink/deploy/webmap"
	"relink/internal/hint"
	"relink/internal/realpath"
	"relink/php/probe"
)

// ErrNotResolved: PHP does not get real paths on every site, or the map and the
// links do not say the same.
var ErrNotResolved = errors.New("not all sites are resolved")

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

// Check compares the map and the links with what each site that could be asked has
// answered. The error says that a site is not resolved; the result says which, and why.
func (s Setup) Check(answers map[string]probe.Heard) (Result, error) {
	result := Result{App: s.App, Map: s.Map}
	entries, err := webmap.Read(s.Map)
	if err != nil {
		return result, hint.With(err, "deploy once: a deploy writes the map")
	}
	for _, site := range s.Sites {
		heard, asked := answers[site.Instance]
		if !asked {
			heard.Err = hint.With(errors.New("not asked: nothing says at which address"),
				"give the instance, or the application, a probe: {url: ..., host: ...}")
		}
		result.Sites = append(result.Sites, s.judge(site, entries, s.linked(site), heard))
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
func (s Setup) judge(site Site, entries []webmap.Entry, linked string, heard probe.Heard) Finding {
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
	if heard.Err != nil {
		f.wrong("%v", heard.Err)
		f.hints = hint.Of(heard.Err)
		return f
	}
	answer := heard.Answer
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
