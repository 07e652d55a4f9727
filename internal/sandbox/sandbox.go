// Package sandbox runs a private web server and PHP (Apache or nginx with
// PHP-FPM, or Apache with mod_php) below one folder on loopback, for the demo,
// the tests and the benchmarks.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"relink/internal/durable"
	"relink/internal/hint"
)

// Server is a running sandbox. Its methods may be called from several
// goroutines, except Stop, StopMaster and StartMaster among each other.
type Server struct {
	options Options
	layout  layout
	user    identity
	web     *web
	masters []*master

	stop    sync.Once
	stopErr error
}

// Start lays the folder out and starts FPM and the web server. It returns when
// every pool has its workers and the web server answers; on an error nothing is left running.
// ctx bounds the start only: the servers run until Stop, and end with the
// process that started them unless Options.Detach says otherwise.
func Start(ctx context.Context, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s := &Server{options: o}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: %w", err), s.Stop())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	var err error
	if s.user, err = currentIdentity(); err != nil {
		return err
	}
	if s.layout, err = makeLayout(s.options.Root, s.user); err != nil {
		return err
	}
	if strings.ContainsAny(s.layout.root, s.options.unwritable()) {
		return fmt.Errorf("%q cannot be written in the configuration of a web server", s.layout.root)
	}
	if err := s.startMasters(ctx); err != nil {
		return err
	}
	if !s.options.NoApache {
		s.web = &web{server: s}
		if err := startDaemon(ctx, s.web); err != nil {
			return err
		}
	}
	return s.recordPIDs()
}

func (s *Server) startMasters(ctx context.Context) error {
	for _, m := range s.options.Masters {
		started, err := s.newMaster(ctx, m)
		if err != nil {
			return err
		}
		s.masters = append(s.masters, started)
		if err := startDaemon(ctx, started); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends every process of the sandbox, workers too, waits until they are
// gone, and removes the folder if Start chose it.
// Further calls return what the first one did.
func (s *Server) Stop() error {
	s.stop.Do(func() { s.stopErr = s.shutdown() })
	return s.stopErr
}

func (s *Server) shutdown() error {
	var errs []error
	if s.web != nil {
		errs = append(errs, s.web.stop())
	}
	for _, m := range s.masters {
		errs = append(errs, m.stop())
	}
	if s.options.Root == "" && s.layout.root != "" {
		errs = append(errs, os.RemoveAll(s.layout.root))
	}
	return errors.Join(errs...)
}

// URL is the base URL of the web server; requests choose the site by their Host header.
// It is empty with Options.NoApache.
func (s *Server) URL() string {
	if s.web == nil {
		return ""
	}
	return "http://" + s.web.address()
}

// Root is the folder that holds everything.
func (s *Server) Root() string { return s.layout.root }

// AgentDir is a folder that the pools can read and only its owner, the caller, can write.
func (s *Server) AgentDir() string { return s.layout.agent() }

// FPMLog is the log of all FPM masters.
func (s *Server) FPMLog() string { return s.layout.log("fpm.log") }

// PHPLog is PHP's own error_log, unless a master's INI sets another one.
func (s *Server) PHPLog() string { return s.layout.log("php.log") }

// WebLog is the error log of the web server.
func (s *Server) WebLog() string { return s.layout.log(s.options.Web.String() + ".log") }

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
