package page

import (
	_ "embed"
	"fmt"
	"html/template"
	"reflect"
	"slices"
	"strings"
	"sync"
)

//go:embed page.html.tmpl
var templateText string

// templates are parsed by the first who needs them: each start of any command would take a
// millisecond longer, as it would for all that is made by sync.OnceValue.
var templates = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(words).Parse(templateText))
})

// drawn is a snapshot as HTML.
type drawn struct {
	snapshot Snapshot
	regions  []region
	rates    ratesView
	version  string // changes with anything that is shown
	whole    []byte
}

// region is a part of the page that is sent on its own when it changes. Where it
// has parts of its own, and only these change, they are sent. Its id is the name of its
// template, which shows .View and, where they belong, .Parts.
type region struct {
	id    string
	view  any
	part  string // the parts' template
	parts []part

	head, tail string // around the parts, once it is drawn
}

type part struct {
	id   string // as the template writes it
	from any    // what the view is made of: while it stays equal, so does the part
	view func() any
	html string
}

func (r region) html() string {
	var b strings.Builder
	b.WriteString(r.head)
	for _, p := range r.parts {
		b.WriteString(p.html)
	}
	b.WriteString(r.tail)
	return b.String()
}

// between stands for the parts while their frame is drawn. Templates escape a
// NUL in any text, so that nothing else in a frame is one.
const between = "\x00"

// draw compares parts first: a thousand instances are compared in a hundredth of the
// time in which they are drawn.
func (r *region) draw(before map[string]part) error {
	frame, err := execute(r.id, struct {
		View  any
		Parts template.HTML
	}{r.view, between})
	r.head, r.tail, _ = strings.Cut(frame, between)
	for i := range r.parts {
		p := &r.parts[i]
		if old, drawnBefore := before[p.id]; drawnBefore && reflect.DeepEqual(old.from, p.from) {
			p.html = old.html
		} else if err == nil {
			p.html, err = execute(r.part, p.view())
		}
	}
	return err
}

func execute(name string, data any) (string, error) {
	var b strings.Builder
	if err := templates().ExecuteTemplate(&b, name, data); err != nil {
		return "", fmt.Errorf("draw %s: %w", name, err)
	}
	return b.String(), nil
}

// draw takes over what is as it was before, which may be nil.
func draw(s Snapshot, before *drawn) (*drawn, error) {
	earlier := before.parts()
	d := &drawn{snapshot: s, rates: ratesOf(s)}
	d.regions = []region{summaryRegion(s), checksRegion(s), fleetRegion(s), appsRegion(s), memoryRegion(s), {id: "rates", view: d.rates}, poolsRegion(s), deploysRegion(s)}
	for i := range d.regions {
		if err := d.regions[i].draw(earlier); err != nil {
			return nil, err
		}
	}
	return d, d.finish()
}

func (d *drawn) parts() map[string]part {
	all := map[string]part{}
	if d == nil {
		return all
	}
	for _, r := range d.regions {
		for _, p := range r.parts {
			all[p.id] = p
		}
	}
	return all
}

func (d *drawn) finish() error {
	regions := make(map[string]template.HTML, len(d.regions))
	parts := [][]byte{[]byte(build)}
	for _, r := range d.regions {
		html := r.html()
		regions[r.id] = template.HTML(html)
		parts = append(parts, []byte(html))
	}
	d.version = tagOf(parts...)
	whole, err := execute("page", struct {
		Host, Version, Build string
		Fleet                bool
		Regions              map[string]template.HTML
	}{d.snapshot.Host, d.version, build, d.snapshot.Fleet != nil, regions})
	d.whole = []byte(whole)
	return err
}

// patch is an element's new HTML, which begins with the element of that id.
type patch struct {
	ID   string `json:"id"`
	HTML string `json:"html"`
}

// since are the elements that differ from an earlier drawing; from none, all regions.
func (d *drawn) since(before *drawn) []patch {
	patches := []patch{}
	for i, r := range d.regions {
		if before == nil || !r.sameFrame(before.regions[i]) {
			patches = append(patches, patch{r.id, r.html()})
			continue
		}
		for j, p := range r.parts {
			if p.html != before.regions[i].parts[j].html {
				patches = append(patches, patch{p.id, p.html})
			}
		}
	}
	return patches
}

func (r region) sameFrame(o region) bool {
	return r.head == o.head && r.tail == o.tail &&
		slices.EqualFunc(r.parts, o.parts, func(a, b part) bool { return a.id == b.id })
}

// drawing draws each snapshot once, however many look at it.
type drawing struct {
	mu   sync.Mutex
	last *drawn
}

func (d *drawing) of(s Snapshot) (*drawn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last != nil && d.last.snapshot.same(s) {
		return d.last, nil
	}
	next, err := draw(s, d.last)
	if err == nil {
		d.last = next
	}
	return next, err
}
