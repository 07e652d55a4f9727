package demo

import (
	"context"
	"fmt"
	"strings"

	"relink/internal/durable"
)

// configure writes the configuration that the story's commands read.
func (s *scene) configure(context.Context, Options) error {
	return durable.WriteFile(s.config(), []byte(s.configuration()), 0o644)
}

func (s *scene) configuration() string {
	pool := s.server.Pool("")
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Written by relink demo. Every key: docs/configuration.md")
	line("state_dir: %q", s.state())
	line("apps:")
	line("  wiki:")
	line("    source: {git: %q}", s.repository())
	line("    releases: %q", s.releases())
	line("    docroot: %s", s.app.DocRoot)
	if s.setUp == Resolved {
		line("    map: %q", s.webmap())
	}
	line("    check: {url: %q, host: \"{instance}.test\", contains: release}", s.server.URL()+s.app.Cheap)
	line("    instances:")
	for _, one := range s.sites {
		line("      %s: %q", one.name, one.link)
	}
	line("pools:")
	line("  - address: %q", pool.Address)
	line("    status_path: %s", pool.StatusPath)
	line("    agent_dir: %q", s.server.AgentDir())
	return b.String()
}
