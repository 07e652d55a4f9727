package page

import (
	"html/template"
	"slices"
	"time"

	"relink/deploy/journal"
	"relink/internal/ui"
)

type deployView struct {
	ID string
	Deploy
	Timeline template.HTML
	Rows     []stepRow
}

type stepRow struct {
	Name    string
	MS      float64
	Cutover bool
	Bar     template.HTML
}

// cutoverSteps are those between the first moved link and the last invalidation
// (docs/deploy-report.md).
var cutoverSteps = []string{"switch", "sweep", "renew", "invalidate"}

// leastStep is the width of a step that is too short to be seen on the scale.
const leastStep = 3

func deploysRegion(s Snapshot) region {
	v := region{id: "deploys", part: "deploy", view: struct{ None bool }{len(s.Deploys) == 0}}
	for _, d := range s.Deploys {
		v.parts = append(v.parts, part{id: d.element(), from: d, view: func() any { return deployOf(d) }})
	}
	return v
}

func deployOf(d Deploy) deployView {
	v := deployView{ID: d.element(), Deploy: d}
	total, parts := d.Took(), d.segments()
	v.Timeline = bar("tall", total, leastStep, append(slices.Clone(parts), d.marked()...)...)
	for i, step := range d.Steps {
		v.Rows = append(v.Rows, stepRow{step.Name, step.MS, inCutover(step.Name), bar("thin", total, leastStep, parts[i])})
	}
	return v
}

func (d Deploy) element() string { return idOf("deploy", d.App, d.ID, d.Time.String()) }

func inCutover(step string) bool { return slices.Contains(cutoverSteps, step) }

// Took is the whole run, in milliseconds.
func (d Deploy) Took() float64 {
	total := 0.0
	for _, step := range d.Steps {
		total += step.MS
	}
	return total
}

// segments are the steps on the time they took, before, in and after the cut-over.
func (d Deploy) segments() []segment {
	class := "step-before"
	segments := make([]segment, len(d.Steps))
	for i, step := range d.Steps {
		switch {
		case inCutover(step.Name):
			class = "step-cutover"
		case class == "step-cutover":
			class = "step-after"
		}
		segments[i] = segment{class: class, size: step.MS}
	}
	return stack(segments)
}

// before is how many milliseconds there were before the cut-over, and whether
// it was reached.
func (d Deploy) before() (ms float64, reached bool) {
	first := slices.IndexFunc(d.Steps, func(step journal.Step) bool { return inCutover(step.Name) })
	if first < 0 {
		return d.Took(), false
	}
	return Deploy{Steps: d.Steps[:first]}.Took(), true
}

// marked is the cut-over, drawn over the steps so that milliseconds among
// seconds can be seen.
func (d Deploy) marked() []segment {
	before, ok := d.before()
	if !ok {
		return nil
	}
	return []segment{{class: "mark", from: before, size: max(d.CutoverMS, d.Took()*5/barWidth)}}
}

// cutover is about when it was: the history's line is written at the end.
func (d Deploy) cutover() time.Time {
	before, _ := d.before()
	return d.Time.Add(-ui.FromMilliseconds(d.Took() - before))
}
