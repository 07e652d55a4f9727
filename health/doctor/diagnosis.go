// Package doctor says on one screen what is well, what is not, and what to do first:
// with a configuration by the checks of health and by what a deploy needs, without one by
// what runs on this machine.
package doctor

import (
	"slices"
	"strings"

	"relink/health"
	"relink/internal/exit"
)

// Urgency says why a finding matters.
type Urgency string

// The urgencies, the first to be mended first.
const (
	Deploy   Urgency = "deploy"   // the next deploy would fail, and change nothing
	Visitors Urgency = "visitors" // they notice it, or soon will
	Advice   Urgency = "advice"   // it works today
)

var urgencies = []Urgency{Deploy, Visitors, Advice}

// Finding is one thing that is not well.
type Finding struct {
	Urgency Urgency `json:"urgency"` // why it matters
	health.Result
}

// Diagnosis is all that was found, the first to be mended first. As JSON it is the
// contract of docs/health.md.
type Diagnosis struct {
	Configuration string    `json:"configuration"` // the file; "" where there is none
	Seen          []string  `json:"seen"`          // without a configuration: what runs on this machine
	Findings      []Finding `json:"findings"`      // what is not well
	InOrder       []string  `json:"in_order"`      // checks that found nothing
	Next          []string  `json:"next"`          // commands
	Exit          int       `json:"exit"`
}

// Diagnose orders results. It is a function of its arguments alone.
func Diagnose(configuration string, results []health.Result, commands ...string) Diagnosis {
	d := Diagnosis{Configuration: configuration, Seen: []string{}, Findings: []Finding{}, InOrder: []string{}, Next: append([]string{}, commands...)}
	results = slices.Clone(results)
	for i, r := range results {
		if r.State == health.OK && r.Fix != "" { // no fault, but what it could not look at is worth a word
			results[i].State, results[i].Message, results[i].Details = health.Unknown, strings.Join(append([]string{r.Message}, r.Details...), "; "), nil
		}
	}
	for _, urgency := range urgencies {
		of := slices.DeleteFunc(slices.Clone(results), func(r health.Result) bool { return follows(r, results) || urgencyOf(r) != urgency })
		for _, r := range health.Problems(of) {
			d.Findings = append(d.Findings, Finding{urgency, r})
		}
	}
	for _, r := range results {
		well := !slices.ContainsFunc(results, func(other health.Result) bool { return other.Check == r.Check && other.State != health.OK })
		if well && !slices.Contains(d.InOrder, r.Check) {
			d.InOrder = append(d.InOrder, r.Check)
		}
	}
	if d.Count(Deploy)+d.Count(Visitors) > 0 {
		d.Exit = exit.Failed
	}
	return d
}

// Count is how many findings are of an urgency.
func (d Diagnosis) Count(u Urgency) (n int) {
	for _, f := range d.Findings {
		if f.Urgency == u {
			n++
		}
	}
	return n
}

// follows tells a check that could not be made from what has prevented it: of a pool that
// is down twenty checks know nothing.
func follows(r health.Result, all []health.Result) bool {
	return r.State == health.Unknown && !r.Blocks &&
		slices.ContainsFunc(all, func(other health.Result) bool { return other.Blocks && other.Subject == r.Subject })
}

// felt are the families of checks whose warnings visitors feel.
var felt = []string{"pools", "fpm", "opcache", "stale"}

func urgencyOf(r health.Result) Urgency {
	family := ""
	for _, c := range health.All() {
		if c.Name == r.Check {
			family = c.Family
		}
	}
	switch {
	case r.Blocks:
		return Deploy
	case r.State == health.Critical, r.State == health.Warning && slices.Contains(felt, family):
		return Visitors
	}
	return Advice
}
