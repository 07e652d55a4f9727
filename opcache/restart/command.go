package restart

import (
	"slices"

	"relink/fcgi"
	"relink/internal/config"
	"relink/opcache"
	"relink/php"
)

// FromConfig translates the configuration. known tells the links of an application that
// were moved once.
func FromConfig(c *config.Config, known func(state, app string) ([]string, error)) (Setup, error) {
	s := Setup{Thresholds: c.Thresholds, Method: Method(c.Restart.Method),
		Setup: opcache.Setup{NoFPM: c.NoPools, State: c.StateDir, Options: opcache.Options{CallTimeout: c.Timeouts.Call, SweepWait: c.Timeouts.Sweep, SettleTimeout: c.Timeouts.Settle,
			WarmWorkers: c.Warm.Workers, WarmSlice: c.Warm.Slice, WarmPause: c.Warm.Pause, EndStale: c.Stale == config.StaleEnd}},
		Restart: Options{WhenQuiet: true, Quiet: c.Restart.Quiet, Wait: c.Restart.Wait, Warm: true,
			Apache: c.Apache.Control, ApacheStatus: c.Apache.Status, Commands: map[string][]string{}},
	}
	for _, a := range c.Apps {
		dir, _ := AgentDir(c, a.Pools)
		s.Apps = append(s.Apps, opcache.App{App: a, AgentDir: dir, Known: func() ([]string, error) { return known(c.StateDir, a.Name) }})
	}
	for _, one := range c.Pools {
		address, err := fcgi.ParseAddress(one.Address)
		if err != nil {
			return s, err
		}
		s.Pools = append(s.Pools, php.Pool{Address: address, StatusPath: one.StatusPath, AgentDir: one.AgentDir, PathMap: php.PathMap(one.PathMap).Real()})
		if len(one.Command) > 0 {
			s.Restart.Commands[address.String()] = one.Command
		}
	}
	return s, nil
}

// AgentDir is where the agent of an application that these pools serve lies, here
// and as the first of them sees it; without a pool, where that of Apache does.
func AgentDir(c *config.Config, addresses []string) (dir, at string) {
	for _, pool := range c.Pools {
		if len(addresses) == 0 || slices.Contains(addresses, pool.Address) {
			return pool.AgentDir, php.PathMap(pool.PathMap).ToPool(pool.AgentDir)
		}
	}
	return c.Apache.AgentDir, c.Apache.AgentDir
}
