package demo

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"

	"relink/deploy/outcome"
	"relink/internal/hint"
	"relink/internal/ui"
	"relink/opcache"
)

const (
	width     = 80
	nameWidth = 17 // of "   slow request   "
)

//go:embed *.tmpl
var texts embed.FS

var templates = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"bytes": ui.Bytes, "count": ui.Count[int], "plural": ui.Plural[int], "duration": ui.Duration, "join": strings.Join, "shell": hint.Shell,
		"clients": func() int { return clients }, "typed": typed, "steps": steps, "cutOver": cutOver, "door": seenThrough, "repeats": repeats,
	}).ParseFS(texts, "*"))
})

func written(name string, data any) string {
	var text strings.Builder
	if err := templates().ExecuteTemplate(&text, name, data); err != nil {
		panic(err) // the template is in the binary
	}
	return text.String()
}

// teller writes the story. That nobody reads it any more is no failure of the
// demo, so errors of the writer are dropped.
type teller struct {
	out   io.Writer
	setUp SetUp
}

// say writes a part of the story, which is about something.
func (t teller) say(part string, about any) {
	text := written(part, struct {
		SetUp SetUp
		Told  told
		Of    any
	}{t.setUp, tells[t.setUp], about})
	for line := range strings.Lines(text) {
		t.lay(strings.TrimSuffix(line, "\n"))
	}
}

// lay writes a line of the template as it is shown.
func (t teller) lay(line string) {
	name, content, folded := strings.Cut(" "+line, " |")
	switch {
	case line == "":
		return
	case !folded:
		fmt.Fprintln(t.out, line)
		return
	case name != "":
		name = fmt.Sprintf("   %-*s", nameWidth-3, strings.TrimSpace(name))
	}
	for _, piece := range ui.Fold(strings.TrimSpace(content), width-len(name)) {
		fmt.Fprintln(t.out, name+piece)
		name = strings.Repeat(" ", len(name))
	}
}

func (t teller) alone(f figures, length time.Duration) {
	t.say("load alone", struct {
		figures
		PerSecond float64
	}{f, float64(f.Requests) / length.Seconds()})
}

func (t teller) act(a act, sites int, alone figures) {
	t.say("act", struct {
		act
		Sites int
		Alone figures
	}{a, sites, alone})
}

// door is what the sites have shown after everything, through their own web server: before
// the first deploy there is nothing to ask.
type door struct {
	Sites  int
	SetUp  opcache.Addressing // the weakest
	Proven int                // sites that answered for their release; one that answers for another fails the command
	Sapis  []string           // that answered, sorted
}

func seenThrough(r outcome.Report) door {
	d := door{Sites: len(r.FrontDoor)}
	for _, one := range r.FrontDoor {
		d.SetUp = d.SetUp.Weaker(one.SetUp)
		if one.Error == "" {
			d.Proven, d.Sapis = d.Proven+1, append(d.Sapis, one.SAPI)
		}
	}
	slices.Sort(d.Sapis)
	d.Sapis = slices.Compact(d.Sapis)
	return d
}

func cutOver(r outcome.Report) string { return ui.Duration(ui.FromMilliseconds(r.CutoverMS)) }

// shownFrom leaves the steps out that took no time worth a word.
const shownFrom = 1.0 // ms

func steps(r outcome.Report) string {
	var parts []string
	for _, step := range r.Steps {
		if step.MS >= shownFrom {
			text := step.Name + " " + ui.Duration(ui.FromMilliseconds(step.MS))
			parts = append(parts, strings.ReplaceAll(text, " ", ui.Together))
		}
	}
	return strings.Join(parts, ", ")
}
