package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"relink/internal/durable"
	"relink/internal/hint"
)

// recordPIDs notes the servers that outlive their starter, as "pid start-time
// name": a pid alone may belong to another process by the time it is read.
func (s *Server) recordPIDs() error {
	if !s.options.Detach {
		return nil
	}
	var b strings.Builder
	if s.web != nil {
		fmt.Fprintf(&b, "%d %d %s\n", s.web.process.pid, s.web.process.started, s.web)
	}
	for _, m := range s.masters {
		fmt.Fprintf(&b, "%d %d %s\n", m.process.pid, m.process.started, m.Name)
	}
	return durable.WriteFile(s.layout.pids(), []byte(b.String()), 0o644)
}

// StopDetached ends the servers of a sandbox that was started with
// Options.Detach under root, perhaps by another process. The folder stays.
func StopDetached(root string) error {
	path := filepath.Join(root, "pids")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return hint.With(fmt.Errorf("%s: no sandbox runs detached here", root), "name the folder that the sandbox was started under")
	}
	if err != nil {
		return err
	}
	var errs []error
	for line := range strings.Lines(string(data)) {
		var pid int
		var started uint64
		var name string
		if _, err := fmt.Sscan(line, &pid, &started, &name); err != nil {
			return fmt.Errorf("%s: %q: %w", path, line, err)
		}
		if err := endGroup(pid, started); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return os.Remove(path)
}
