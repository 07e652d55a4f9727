package page

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"relink/deploy/fleet"
	"relink/internal/ui"
)

// fleetView is an application on all hosts.
type fleetView struct {
	ID string
	fleet.Overview
	UnderWay *fleet.Rollout
	Wave     string // "wave 1 of 3"; "" where all cut over at once
	Stages   []stageCount
	Bar      template.HTML
	Out      []string  // who does not come along with the rollout, and why
	Rows     []hostRow // those that somebody has to look at; with few hosts all
	Others   []hostRow
	Say      string
}

type stageCount struct {
	fleet.Count
	Class string
}

type hostRow struct {
	ID string
	fleet.Standing
	Own, Steward bool
}

// stageClass is the colour of how far hosts have come.
var stageClass = map[fleet.Stage]string{
	fleet.Working: "step-before", fleet.Ready: "release-1", fleet.Switched: "release-0", fleet.Finished: "step-after", fleet.Returned: "step-cutover", fleet.Failed: "part-wasted",
}

// conditions are in the order in which somebody has to look at them.
var conditions = []fleet.Condition{fleet.Away, fleet.Behind, fleet.NotReady, fleet.Moving, fleet.Well}

func fleetRegion(s Snapshot) region {
	v := region{id: "fleet", part: "fleet app", view: s.Fleet}
	if s.Fleet == nil {
		return v
	}
	for _, app := range s.Fleet.Apps {
		from := struct {
			fleet.Overview
			Host, Steward string
		}{app, s.Fleet.Host, s.Fleet.Steward}
		v.parts = append(v.parts, part{id: idOf("fleet", app.App), from: from, view: func() any { return fleetOf(app, from.Host, from.Steward) }})
	}
	return v
}

func fleetOf(app fleet.Overview, own, steward string) fleetView {
	v := fleetView{ID: idOf("fleet", app.App), Overview: app, UnderWay: app.UnderWay()}
	for _, h := range app.Hosts {
		row := hostRow{idOf("host", app.App, h.Name), h, h.Name == own, h.Name == steward}
		if len(app.Hosts) > openUpTo && (h.State == fleet.Well || h.State == fleet.Moving) {
			v.Others = append(v.Others, row)
		} else {
			v.Rows = append(v.Rows, row)
		}
	}
	slices.SortStableFunc(v.Rows, func(a, b hostRow) int {
		return cmp.Compare(slices.Index(conditions, a.State), slices.Index(conditions, b.State))
	})
	if r := v.UnderWay; r != nil {
		v.rollOut(r)
	}
	v.Say = v.say()
	return v
}

func (v *fleetView) rollOut(r *fleet.Rollout) {
	if len(r.Waves) > 1 && r.Phase == fleet.Switching {
		v.Wave = fmt.Sprintf("wave %d of %d", r.Wave+1, len(r.Waves))
	}
	var segments []segment
	for _, c := range v.Counts() {
		if c.Hosts > 0 {
			v.Stages = append(v.Stages, stageCount{c, stageClass[c.Stage]})
			segments = append(segments, segment{class: stageClass[c.Stage], size: float64(c.Hosts)})
		}
	}
	v.Bar = bar("", float64(len(r.Hosts)), 4, stack(segments)...)
	for _, host := range r.Hosts {
		if why := r.Out[host]; why != "" {
			v.Out = append(v.Out, host+": "+why)
		}
	}
}

// say is the sentence for assistive technology.
func (v *fleetView) say() string {
	parts := []string{ui.Plural(len(v.Hosts), "host")}
	if r := v.UnderWay; r != nil {
		parts = append(parts, fmt.Sprintf("rollout of %s: %s, %s", r.Target.Ref, r.Phase, v.Progress()))
	}
	for _, c := range []fleet.Condition{fleet.Away, fleet.Behind, fleet.NotReady} {
		if n := len(v.In(c)); n > 0 {
			parts = append(parts, fmt.Sprint(n, " ", c))
		}
	}
	return "Fleet, " + v.App + ": " + strings.Join(parts, ", ")
}

// conditionTag is the class of a condition's colour.
func conditionTag(c fleet.Condition) string {
	switch c {
	case fleet.Well:
		return "state-ok"
	case fleet.Away:
		return "state-critical"
	case fleet.Moving:
		return "state-unknown"
	}
	return "state-warning"
}

// Releases is what the host is on: what it said when it arrived may have passed.
func (r hostRow) Release() string {
	if !r.There {
		return "not known"
	}
	return cmp.Or(r.On.Release, "none, or several")
}

// Trouble is why somebody has to look at it.
func (r hostRow) Trouble() string {
	why := r.Why
	if !r.There {
		why = "" // its state says so
	}
	said := slices.DeleteFunc([]string{why, r.Problem}, func(s string) bool { return s == "" })
	return strings.Join(strings.Fields(strings.Join(said, "; ")), " ") // errors have lines
}

// hosts is how many the fleet has, and how many of them are away or behind with some application.
func (f *Fleet) hosts() (all, away, behind int) {
	worst := map[string]fleet.Condition{}
	for _, app := range f.Apps {
		for _, h := range app.Hosts {
			if was, known := worst[h.Name]; !known || slices.Index(conditions, h.State) < slices.Index(conditions, was) {
				worst[h.Name] = h.State
			}
		}
	}
	for _, state := range worst {
		switch state {
		case fleet.Away:
			away++
		case fleet.Behind:
			behind++
		}
	}
	return len(worst), away, behind
}
