package page

import (
	_ "embed"
	"fmt"
	"html/template"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed page.html.tmpl
var templateText string

var templates = template.Must(template.New("").Funcs(words).Parse(templateText))

// drawn is a snapshot as HTML.
type drawn struct {
	snapshot Snapshot
	regions  []region
	rates    ratesView
	version  string // changes with anything that is shown
	whole    []byte
}

// region is a part of the page that is sent on its own when it changes. Where it
// has parts of its own, and only these change, they are sent.
type region struct {
	id         string
	head, tail string // around the parts
	parts      []part
}

type part struct {
	id, html string
	from     any
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

// regionView is what a region is drawn from. Its id is the name of its template,
// which shows .View and, where they belong, .Parts.
type regionView struct {
	id    string
	view  any
	part  string // the parts' template
	parts []partView
}

type partView struct {
	id   string // as the template writes it
	from any    // what the view is made of: while it stays equal, so does the part
	view func() any
}

// between stands for the parts while their frame is drawn. Templates escape a
// NUL in any text, so that nothing else in a frame is one.
const between = "\x00"

func (v regionView) draw(before map[string]part) (region, error) {
	frame, err := execute(v.id, struct {
		View  any
		Parts template.HTML
	}{v.view, between})
	if err != nil {
		return region{}, err
	}
	r := region{id: v.id}
	r.head, r.tail, _ = strings.Cut(frame, between)
	for _, p := range v.parts {
		one, err := p.draw(v.part, before[p.id])
		if err != nil {
			return region{}, err
		}
		r.parts = append(r.parts, one)
	}
	return r, nil
}

// draw compares first: a thousand instances are compared in a hundredth of the
// time in which they are drawn.
func (p partView) draw(name string, before part) (part, error) {
	if before.id == p.id && reflect.DeepEqual(before.from, p.from) {
		return before, nil
	}
	html, err := execute(name, p.view())
	return part{p.id, html, p.from}, err
}

func execute(name string, data any) (string, error) {
	var b strings.Builder
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return "", fmt.Errorf("draw %s: %w", name, err)
	}
	return b.String(), nil
}

// draw takes over what is as it was before, which may be nil.
func draw(s Snapshot, before *drawn) (*drawn, error) {
	earlier := before.parts()
	d := &drawn{snapshot: s, rates: ratesOf(s)}
	for _, view := range []regionView{
		summaryRegion(s), checksRegion(s), appsRegion(s), memoryRegion(s), ratesRegion(d.rates), poolsRegion(s), deploysRegion(s),
	} {
		r, err := view.draw(earlier)
		if err != nil {
			return nil, err
		}
		d.regions = append(d.regions, r)
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
		Regions              map[string]template.HTML
	}{d.snapshot.Host, d.version, build, regions})
	d.whole = []byte(whole)
	return err
}

func (d *drawn) page() []byte { return d.whole }

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
	time time.Time
	last *drawn
}

func (d *drawing) of(s Snapshot) (*drawn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last != nil && d.time.Equal(s.Time) {
		return d.last, nil
	}
	next, err := draw(s, d.last)
	if err == nil {
		d.time, d.last = s.Time, next
	}
	return next, err
}
