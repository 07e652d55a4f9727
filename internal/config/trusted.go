package config

import (
	"fmt"

	"relink/internal/hint"
	"relink/internal/trust"
)

// trusted refuses root what another user could have written: relink renames and
// truncates files where the state lies, and root runs the programs.
func trusted(c *Config) (err error) {
	check := func(what string, paths ...string) {
		for _, path := range paths {
			if bad := trust.CheckForRoot(path); bad != nil && err == nil {
				err = notRoots(what, path, bad)
			}
		}
	}
	check("state_dir", c.StateDir)
	check("apache.control", namedPrograms([]string{c.Apache.Control})...)
	for i, pool := range c.Pools {
		check(fmt.Sprintf("pools[%d].command", i), namedPrograms(pool.Command)...)
	}
	for _, app := range c.Apps {
		key := "apps." + app.Name + ".hooks."
		check(key+"build", programsOf(app.Hooks.Build)...)
		check(key+"before_switch", programsOf(app.Hooks.BeforeSwitch)...)
		check(key+"after_switch", programsOf(app.Hooks.AfterSwitch)...)
	}
	return err
}

func programsOf(lines []string) (programs []string) {
	for _, line := range lines {
		for _, command := range simpleCommands(line) {
			programs = append(programs, namedPrograms(command)...)
		}
	}
	return programs
}

func notRoots(what, path string, err error) error {
	return hint.With(invalidf("%s %s is not root's alone: %w", what, path, err), "what root runs by it, others could choose")
}
