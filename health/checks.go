package health

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"relink/fcgi"
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
	all, known := All(), Names()
	for _, name := range slices.Concat(names, skip) {
		if !slices.Contains(known, name) {
			return nil, hint.DidYouMean(fmt.Errorf("%w: %q", ErrUnknownCheck, name), name, known, 1, "one of: "+strings.Join(known[:len(all)], ", "))
		}
	}
	return slices.DeleteFunc(all, func(c Check) bool { return len(names) > 0 && !c.isOf(names) || c.isOf(skip) }), nil
}

func (c Check) isOf(names []string) bool {
	return slices.Contains(names, c.Name) || slices.Contains(names, c.Family)
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

// thing is what checks are made of, and named after in their results.
type thing[T any] interface {
	*T
	subject() (name string, unknown error) // why nothing can be said of it
}

func (p *Pool) subject() (string, error)          { return p.Address, nil }
func (a *App) subject() (string, error)           { return a.Name, nil }
func (disk *FileSystem) subject() (string, error) { return disk.Path, disk.Err }

// A cache that cannot be read has no fix: the checks pool and opcache-on tell it.
func (m *Master) subject() (string, error) {
	switch {
	case m.Err == nil:
		return m.Name, nil
	case errors.Is(m.Err, fcgi.ErrTimeout), errors.Is(m.Err, fcgi.ErrNotListening):
		return m.Name, errDown
	}
	return m.Name, errors.New("the pool's OPcache cannot be asked")
}

func pools(f *Facts) []Pool             { return f.Pools }
func masters(f *Facts) []Master         { return f.Masters }
func apps(f *Facts) []App               { return f.Apps }
func fileSystems(f *Facts) []FileSystem { return f.FileSystems }

// What is part of Apache has nothing of PHP-FPM's.
func fpmPools(f *Facts) []Pool {
	return slices.DeleteFunc(slices.Clone(f.Pools), func(p Pool) bool { return p.Apache })
}

func fpmMasters(f *Facts) []Master {
	return slices.DeleteFunc(slices.Clone(f.Masters), func(m Master) bool { return m.Apache })
}

// each makes a check of one thing a check of all.
func each[T any, P thing[T]](all func(*Facts) []T, check func(*Facts, P, *Thresholds) Result) func(*Facts, *Thresholds) []Result {
	return func(f *Facts, t *Thresholds) []Result {
		var results []Result
		for _, one := range all(f) {
			name, err := P(&one).subject()
			if err != nil {
				results = append(results, NotMade(name, err))
				continue
			}
			r := check(f, &one, t)
			r.Subject = name
			results = append(results, r)
		}
		return results
	}
}

// ok and problem are results of the check that returns them, on its subject.
func ok(format string, args ...any) Result { return Result{Message: fmt.Sprintf(format, args...)} }

func problem(s State, message, fix string) Result {
	return Result{State: s, Message: message, Fix: fix}
}

func notMade(err error) Result { return NotMade("", err) }

// NotMade is the result of a check that could not be made.
func NotMade(subject string, err error) Result {
	return Result{Subject: subject, State: Unknown, Message: oneLine(err.Error()), Fix: strings.Join(hint.Of(err), "; ")}
}

func (r Result) with(figures ...Figure) Result {
	r.Figures = append(r.Figures, figures...)
	return r
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
