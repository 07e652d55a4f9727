package health

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"relink/internal/hint"
)

// Check is one thing that can be wrong.
type Check struct {
	Name   string
	Family string
	Means  string // what it looks at, why that matters, and when it is not OK
	Bounds string // the key below health that has its bounds; "": it has none

	run func(*Facts, *Thresholds) []Result
}

// All lists the checks, in the order in which they are made.
func All() []Check {
	return slices.Concat(poolChecks, fpmChecks, opcacheChecks, linkChecks, staleChecks, releaseChecks, deployChecks, doctorChecks)
}

// Names are what checks can be chosen and skipped by: those of the checks and of
// their families.
func Names() []string {
	var names, families []string
	for _, c := range All() {
		names, families = append(names, c.Name), append(families, c.Family)
	}
	return append(names, slices.Compact(families)...)
}

// ErrUnknownCheck: a name is that of neither a check nor a family.
var ErrUnknownCheck = errors.New("no such check")

// Select gives the checks of these names or families, none meaning all, without
// those to be skipped.
func Select(names, skip []string) ([]Check, error) {
	wanted, err := named(names)
	if err != nil {
		return nil, err
	}
	unwanted, err := named(skip)
	if err != nil {
		return nil, err
	}
	var chosen []Check
	for _, c := range All() {
		if (len(names) == 0 || wanted[c.Name]) && !unwanted[c.Name] {
			chosen = append(chosen, c)
		}
	}
	return chosen, nil
}

func named(names []string) (map[string]bool, error) {
	chosen := map[string]bool{}
	for _, name := range names {
		known := false
		for _, c := range All() {
			if c.Name == name || c.Family == name {
				chosen[c.Name], known = true, true
			}
		}
		if !known {
			return nil, unknownCheck(name)
		}
	}
	return chosen, nil
}

func unknownCheck(name string) error {
	var names, families []string
	for _, c := range All() {
		names, families = append(names, c.Name), append(families, c.Family)
	}
	return hint.DidYouMean(fmt.Errorf("%w: %q", ErrUnknownCheck, name), name, slices.Concat(names, families), 1, "one of: "+strings.Join(names, ", "))
}

// Evaluate makes the checks, none given meaning all, in their order. It is a
// function of its arguments alone.
func Evaluate(f Facts, t Thresholds, checks ...Check) []Result {
	if len(checks) == 0 {
		checks = All()
	}
	results := []Result{}
	for _, c := range checks {
		t.own = t.Bounds[c.Bounds]
		for _, r := range c.run(&f, &t) {
			r.Check = c.Name
			results = append(results, r)
		}
	}
	return results
}

// ok and problem are results of the check that returns them.
func ok(subject, format string, args ...any) Result {
	return Result{Subject: subject, Message: fmt.Sprintf(format, args...)}
}

func problem(s State, subject, message, fix string) Result {
	return Result{Subject: subject, State: s, Message: message, Fix: fix}
}

// NotMade is the result of a check that could not be made.
func NotMade(subject string, err error) Result {
	return Result{Subject: subject, State: Unknown, Message: oneLine(err.Error()), Fix: strings.Join(hint.Of(err), "; ")}
}

func (r Result) with(figures ...Figure) Result {
	r.Figures = append(r.Figures, figures...)
	return r
}

// judged has the fix only where there is something to mend.
func judged(s State, subject, message, fix string) Result {
	if s == OK {
		fix = ""
	}
	return problem(s, subject, message, fix)
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
