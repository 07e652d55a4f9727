package propose

import (
	"cmp"
	_ "embed"
	"path/filepath"
	"strings"
	"sync"
	"text/template"

	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/ui"
)

//go:embed relink.yaml.tmpl
var pageText string

var page = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"base":      filepath.Base,
		"quote":     func(parts ...string) string { return config.Scalar(strings.Join(parts, "")) },
		"host":      func(host string) string { return ui.Printable(cmp.Or(host, "any host")) },
		"tls":       func(url string) bool { return strings.HasPrefix(url, "https:") },
		"printable": ui.Printable, // in a comment, a path cannot end its line
		"shell":     func(path string) string { return ui.Printable(hint.Shell(path)) },
	}).Parse(pageText))
})

// Render writes a draft as a configuration with comments.
func (d Draft) Render() (string, error) { return d.fill(page()) }

func (d Draft) fill(form *template.Template) (string, error) {
	var b strings.Builder
	err := form.Execute(&b, d)
	return b.String(), err
}

// The following is for the template.

const mostPlain = 50

func (d Draft) ShownPlain() []Plain { return d.Plain[:min(len(d.Plain), mostPlain)] }
func (d Draft) MorePlain() int      { return max(0, len(d.Plain)-mostPlain) }

// Before is where the folder goes, so that a link takes its place.
func (p Plain) Before() string { return p.Folder + ".before" }

//go:embed summary.tmpl
var summaryText string

var summary = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("summary").Funcs(template.FuncMap{
		"sites": func(n int) string { return ui.Plural(n, "site") }, "printable": ui.Printable,
	}).Parse(summaryText))
})

// Summary tells in some lines what a draft is made of.
func (d Draft) Summary() (string, error) { return d.fill(summary()) }

// Skeleton tells names that are only proposed from those of sites.
func (a App) Skeleton() bool { return a.New && a.Instances[0].From == "" }

const mostNamed = 8

// Named are the first instances by name.
func (a App) Named() string {
	var names []string
	for _, i := range a.Instances {
		names = append(names, i.Name)
	}
	return ui.First(mostNamed, names)
}
