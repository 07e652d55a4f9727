package apache

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"relink/deploy/apps"
	"relink/deploy/webmap"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/realpath"
	"relink/internal/ui"
	"relink/php/probe"
)

// ErrNotResolved: PHP does not get real paths on every site, or the map and the
// links do not say the same.
var ErrNotResolved = errors.New("not all sites are resolved")

// releases is the real path of the releases folder.
type releases string

// Check compares the map and the links with what each site that could be asked has
// answered. The error says that a site is not resolved; the result says which, and why.
func Check(app apps.App, answers map[string]probe.Heard) (Result, error) {
	result := Result{App: app.Name, Map: app.Map}
	lines, err := webmap.Read(app.Map)
	if err != nil {
		return result, hint.With(err, "deploy once: a deploy writes the map")
	}
	within := releases(app.RealReleases())
	for _, instance := range app.Instances {
		heard, asked := answers[instance.Name]
		if !asked {
			heard.Err = hint.With(errors.New("not asked: nothing says at which address"),
				"give the instance, or the application, a probe: {url: ..., host: ...}")
		}
		result.Sites = append(result.Sites, within.judge(instance, lines, heard))
	}
	return result, result.verdict()
}

// linked is the release that the link leads to; "" for none.
func (r releases) linked(link string) string {
	real, err := realpath.Of(link)
	if err != nil {
		return ""
	}
	return r.of(real)
}

// of is the release that a path lies in, read as it stands; "" for none.
// Slashes in a row mean one to the kernel, and some handlers send them.
func (r releases) of(literal string) string {
	below, ok := strings.CutPrefix(path.Clean("/"+literal), strings.TrimRight(string(r), "/")+"/")
	release, _, _ := strings.Cut(below, "/")
	if !ok || literal == "" {
		return ""
	}
	return release
}

// judge compares what the map, the link and PHP say of one site.
func (r releases) judge(site config.Instance, lines webmap.Map, heard probe.Heard) Finding {
	f := Finding{Instance: site.Name, Link: r.linked(site.Link)}
	for _, key := range []string{webmap.HostKey(site.Probe.Host), site.Name} { // the name wins
		if release := lines[key]; release != "" {
			f.Key, f.Map = key, release
		}
	}
	switch {
	case f.Map == "":
		f.wrong("the map has no line for it")
	case f.Link == "":
		f.wrong("its link leads to no release: %s", site.Link)
	case f.Map != f.Link:
		f.wrong("the map says %s, its link leads to %s", f.Map, f.Link)
	}
	if heard.Err != nil {
		f.wrong("%v", heard.Err)
		f.hints = hint.Of(heard.Err)
		return f
	}
	answer := heard.Answer
	f.SAPI, f.Script, f.DocumentRoot, f.Serves = answer.SAPI, answer.Filename, answer.DocumentRoot, r.of(answer.File)
	r.judgeAnswer(&f, answer)
	return f
}

func (r releases) judgeAnswer(f *Finding, answer probe.Answer) {
	switch {
	case f.Serves == "":
		f.wrong("PHP runs %s, which is in no release", answer.File)
	case f.Serves != f.Map && f.Map != "":
		f.wrong("PHP runs release %s", f.Serves)
	case r.of(answer.Filename) != f.Serves:
		f.wrong("the web server sends no real path: SCRIPT_FILENAME is %s", answer.Filename)
	case r.of(answer.DocumentRoot) != f.Serves:
		f.wrong("DOCUMENT_ROOT is %s: what the application includes by it goes stale", answer.DocumentRoot)
		if answer.SAPI == "apache2handler" {
			f.hints = []string{`for mod_php, print the include with --lua and enable Apache's mod_lua`}
		}
	}
}

// Result is what a check found.
type Result struct {
	App   string    `json:"app"`
	Map   string    `json:"map"` // path of the map
	Sites []Finding `json:"sites"`
	Exit  int       `json:"exit"`
}

// Finding is what was found of one site. Releases are ids, "" for none.
type Finding struct {
	Instance     string   `json:"instance"`
	Key          string   `json:"key"`           // in the map
	Map          string   `json:"map"`           // release by the map
	Link         string   `json:"link"`          // release that its link leads to
	Serves       string   `json:"serves"`        // release of the script that PHP ran
	SAPI         string   `json:"sapi"`          // as PHP names itself
	Script       string   `json:"script"`        // SCRIPT_FILENAME, as the web server sent it
	DocumentRoot string   `json:"document_root"` // as the web server sent it
	Resolved     bool     `json:"resolved"`      // real paths arrive, and map, link and PHP say the same
	Problems     []string `json:"problems"`      // what is wrong; empty where it is resolved

	hints []string
}

func (f *Finding) wrong(format string, args ...any) {
	f.Problems = append(f.Problems, fmt.Sprintf(format, args...))
}

// verdict completes the result.
func (r *Result) verdict() error {
	var wrong int
	var hints []string
	for i := range r.Sites {
		one := &r.Sites[i]
		if one.Resolved = len(one.Problems) == 0; one.Resolved {
			one.Problems = []string{} // in JSON a list, never null
			continue
		}
		wrong++
		hints = append(hints, one.hints...)
	}
	if wrong == 0 {
		return nil
	}
	r.Exit = 1
	err := fmt.Errorf("%w: %d of %d are not", ErrNotResolved, wrong, len(r.Sites))
	slices.Sort(hints)
	for _, text := range slices.Compact(hints) {
		err = hint.With(err, "%s", text)
	}
	return err
}

// Text is the result for people.
func (r Result) Text(width int) string {
	table := ui.NewTable(width, "INSTANCE", "MAP", "LINK", "SERVES", "PHP", "PATHS")
	for _, one := range r.Sites {
		state := "real"
		if !one.Resolved {
			state = strings.Join(one.Problems, "\n")
		}
		table.Row(one.Instance, cmp.Or(one.Map, "-"), cmp.Or(one.Link, "-"), cmp.Or(one.Serves, "-"), cmp.Or(one.SAPI, "-"), state)
	}
	return table.String()
}
