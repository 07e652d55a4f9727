package config

import (
	"fmt"

	"relink/internal/hint"
	"relink/internal/trust"
)

// ofRoot is a file or folder that the configuration names.
type ofRoot struct{ what, path string }

// trusted refuses root what another user could have written: relink renames and
// truncates files where the state lies, and root runs the programs.
func trusted(c *Config) error {
	places := []ofRoot{{"state_dir", c.StateDir}}
	places = programsIn(places, "apache.control", []string{c.Apache.Control})
	for i, pool := range c.Pools {
		places = programsIn(places, fmt.Sprintf("pools[%d].command", i), pool.Command)
	}
	for _, app := range c.Apps {
		key := "apps." + app.Name + ".hooks."
		places = programsOf(places, key+"build", app.Hooks.Build)
		places = programsOf(places, key+"before_switch", app.Hooks.BeforeSwitch)
		places = programsOf(places, key+"after_switch", app.Hooks.AfterSwitch)
	}
	for _, one := range places {
		if err := trust.CheckForRoot(one.path); err != nil {
			return notRoots(one.what, one.path, err)
		}
	}
	return nil
}

func programsOf(places []ofRoot, what string, lines []string) []ofRoot {
	for _, line := range lines {
		for _, command := range simpleCommands(line) {
			places = programsIn(places, what, command)
		}
	}
	return places
}

func programsIn(places []ofRoot, what string, command []string) []ofRoot {
	for _, path := range namedPrograms(command) {
		places = append(places, ofRoot{what, path})
	}
	return places
}

func notRoots(what, path string, err error) error {
	return hint.With(invalidf("%s %s is not root's alone: %w", what, path, err), "what root runs by it, others could choose")
}
