package health

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"relink/fcgi"
	"relink/internal/hint"
)

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

// blocking says that the next deploy would be refused because of it.
func (r Result) blocking() Result {
	r.Blocks = true
	return r
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
