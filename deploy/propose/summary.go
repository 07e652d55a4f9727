package propose

import (
	_ "embed"
	"text/template"

	"relink/internal/ui"
)

//go:embed summary.tmpl
var summaryText string

var summary = template.Must(template.New("summary").Funcs(template.FuncMap{
	"sites": func(n int) string { return ui.Plural(n, "site") }, "printable": ui.Printable,
}).Parse(summaryText))

// Summary tells in some lines what a draft is made of.
func (d Draft) Summary() (string, error) { return d.fill(summary) }

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
