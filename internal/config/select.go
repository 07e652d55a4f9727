package config

import (
	"errors"
	"fmt"
	"slices"

	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"
)

// ErrInvalid marks every mistake in the configuration file, and every name on
// the command line that the file does not have.
var ErrInvalid = exit.As(exit.ErrUsage, errors.New("invalid configuration"))

// invalidf is an error that is ErrInvalid without saying so in its message.
func invalidf(format string, args ...any) error {
	return exit.As(ErrInvalid, fmt.Errorf(format, args...))
}

// App finds an application; no name is needed where there is only one.
func (c *Config) App(name string) (*App, error) {
	names := c.appNames()
	for i := range c.Apps {
		if c.Apps[i].Name == name || name == "" && len(c.Apps) == 1 {
			return &c.Apps[i], nil
		}
	}
	switch {
	case len(names) == 0:
		return nil, hint.With(invalidf("%s: no application is configured", c.Path),
			`add one under "apps"; docs/configuration.md shows how`)
	case name == "":
		return nil, hint.With(invalidf("%s: which application? it has %s", c.Path, ui.First(10, names)),
			"name one with --app")
	}
	return nil, hint.With(invalidf("%s: no application %q%s", c.Path, name, didYouMean(name, names)),
		"name one of these with --app: %s", ui.First(10, names))
}

// Select returns the instances that a command is about, in the file's order:
// all of them, or the named ones. Exactly one of the two must be asked for.
func (a *App) Select(all bool, names []string) ([]Instance, error) {
	switch {
	case all && len(names) > 0:
		return nil, hint.With(invalidf("application %s: --all and --instance exclude each other", a.Name),
			"give one of them")
	case !all && len(names) == 0:
		return nil, hint.With(invalidf("application %s: which instances?", a.Name),
			"give --all, or --instance with one or more of: %s", ui.First(10, a.instanceNames()))
	case len(a.Instances) == 0:
		return nil, hint.With(invalidf("application %s has no instances", a.Name),
			"list the links under apps.%s.instances, or see what instances_from should match", a.Name)
	case all:
		return slices.Clone(a.Instances), nil
	}
	return a.named(names)
}

func (a *App) named(names []string) ([]Instance, error) {
	known, wanted, problems := a.instanceNames(), map[string]bool{}, []error{}
	for _, name := range names {
		switch {
		case wanted[name]:
			problems = append(problems, invalidf("instance %q is listed twice", name))
		case !a.has(name):
			problems = append(problems, hint.With(invalidf("application %s has no instance %q%s", a.Name, name, didYouMean(name, known)),
				"it has: %s", ui.First(10, known)))
		}
		wanted[name] = true
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(a.Instances), func(i Instance) bool { return !wanted[i.Name] }), nil
}

func (a *App) has(name string) bool {
	return slices.ContainsFunc(a.Instances, func(i Instance) bool { return i.Name == name })
}

func (c *Config) appNames() []string {
	return namesOf(c.Apps, func(a App) string { return a.Name })
}

func (a *App) instanceNames() []string {
	return namesOf(a.Instances, func(i Instance) string { return i.Name })
}
