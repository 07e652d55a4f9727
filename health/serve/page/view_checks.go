package page

import (
	"slices"
	"strconv"
	"strings"

	"relink/health"
	"relink/internal/ui"
)

type checksView struct {
	Open  []openCheck
	Fine  []health.Result
	Total int
	Say   string
}

// openCheck is what one or more checks say of a subject.
type openCheck struct {
	ID     string
	Checks []string
	health.Result
}

// urgency orders states as health does: what is known to be wrong comes before
// what could not be asked.
var urgency = map[health.State]int{health.Critical: 0, health.Warning: 1, health.Unknown: 2, health.OK: 3}

func checksRegion(s Snapshot) regionView {
	v := checksView{Total: len(s.Checks), Say: health.Worst(s.Checks).String() + ": " + countStates(s.Checks)}
	for _, r := range s.Checks {
		if r.State == health.OK {
			v.Fine = append(v.Fine, r)
		} else {
			v.Open = addOpen(v.Open, r)
		}
	}
	slices.SortStableFunc(v.Open, func(a, b openCheck) int { return urgency[a.State] - urgency[b.State] })
	return regionView{id: "checks", view: v}
}

// addOpen joins checks that say the same of the same thing: a pool that is down
// leaves twenty of them unknown.
func addOpen(open []openCheck, r health.Result) []openCheck {
	twins := 0
	for i := range open {
		o := &open[i]
		if o.State == r.State && o.Subject == r.Subject && o.Message == r.Message && o.Fix == r.Fix {
			o.Checks = append(o.Checks, r.Check)
			return open
		}
		if o.Check == r.Check && o.Subject == r.Subject {
			twins++
		}
	}
	return append(open, openCheck{ID: idOf("check", r.Check, r.Subject, strconv.Itoa(twins)), Checks: []string{r.Check}, Result: r})
}

// stateTag is the class of a state's colour.
func stateTag(s health.State) string { return "state-" + strings.ToLower(s.String()) }

// Heading says how many checks are open.
func (v checksView) Heading() string {
	switch {
	case v.Total == 0:
		return "Checks"
	case len(v.Open) == 0:
		return "No open checks"
	}
	return ui.Plural(len(v.Open), "open check")
}
