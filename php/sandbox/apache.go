package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"syscall"

	"relink/internal/hint"
)

// apache is the sandbox's Apache: its sites, its port and its process.
type apache struct {
	server  *Server
	sites   []Site
	port    int
	process *process
}

func (a *apache) address() string { return fmt.Sprintf("127.0.0.1:%d", a.port) }

// startApache runs Apache on a free port. The port is free when it is chosen,
// not when Apache binds it: a lost race chooses again.
func (s *Server) startApache(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	a := &apache{server: s, sites: slices.Clone(s.options.Sites)}
	for {
		mark := markLogs(s.ApacheLog(), s.layout.log("apache.out"))
		if err := a.launch(); err != nil {
			return err
		}
		s.apache = a
		err := poll(ctx, func() (bool, error) { return a.ready(ctx, 0) })
		if err == nil {
			return nil
		}
		log := mark.tail()
		if stopErr := a.process.stop(); stopErr != nil {
			return stopErr
		}
		if ctx.Err() == nil && portTaken(log) {
			continue
		}
		return hint.With(fmt.Errorf("apache: %w\n%s", err, log), "mend what the log says above (%s)", s.ApacheLog())
	}
}

func (a *apache) launch() error {
	var err error
	if a.port, err = freePort(); err != nil {
		return err
	}
	if err := a.writeConfig(); err != nil {
		return err
	}
	s := a.server
	out := s.layout.log("apache.out")
	cmd := exec.Command(s.options.ApacheBinary, "-d", s.layout.root, "-f", s.layout.conf("apache.conf"), "-D", "FOREGROUND")
	cmd.Dir = "/"
	a.process, err = s.thread.launch("apache", cmd, out, s.options.Detach)
	return err
}

var generationLine = regexp.MustCompile(`(?m)^ParentServerConfigGeneration: (\d+)$`)

// generation asks a child of Apache which configuration it runs: 0 or 1 at the
// start, one more after each graceful restart.
func (a *apache) generation(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.address()+"/server-status?auto", nil)
	if err != nil {
		return 0, err
	}
	request.Host = ownHost
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return 0, err
	}
	found := generationLine.FindSubmatch(body)
	if response.StatusCode != http.StatusOK || found == nil {
		return 0, fmt.Errorf("server-status answered %s", response.Status)
	}
	return strconv.Atoi(string(found[1]))
}

// ready reports whether Apache answers from the given generation on.
func (a *apache) ready(ctx context.Context, atLeast int) (bool, error) {
	if !a.process.running() {
		return false, fmt.Errorf("ended: %w", a.process.exit())
	}
	// A child of the old generation may still take a connection from the
	// shared backlog until it has read its parent's message.
	for range 3 {
		generation, err := a.generation(ctx)
		if err != nil || generation < atLeast {
			return false, nil
		}
	}
	return true, nil
}

// ReloadApache restarts Apache gracefully and returns when its new configuration answers.
func (s *Server) ReloadApache(ctx context.Context) error {
	if s.apache == nil {
		return errors.New("reload apache: the sandbox has none")
	}
	return s.apache.reload(ctx)
}

func (a *apache) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	before, err := a.generation(ctx)
	if err != nil {
		return fmt.Errorf("reload apache: %w", err)
	}
	if err := a.process.signal(syscall.SIGUSR1); err != nil {
		return fmt.Errorf("reload apache: %w", err)
	}
	if err := poll(ctx, func() (bool, error) { return a.ready(ctx, before+1) }); err != nil {
		return hint.With(fmt.Errorf("reload apache: %w", err), "read %s", a.server.ApacheLog())
	}
	return nil
}

// AddSites adds virtual hosts by a graceful restart; requests in flight complete.
func (s *Server) AddSites(ctx context.Context, sites ...Site) error {
	if s.apache == nil {
		return errors.New("add sites: the sandbox has no Apache")
	}
	for _, site := range sites {
		if err := s.options.checkSite(site); err != nil {
			return err
		}
	}
	s.apache.sites = append(s.apache.sites, sites...)
	if err := s.apache.writeConfig(); err != nil {
		return err
	}
	return s.apache.reload(ctx)
}

func (a *apache) writeConfig() error {
	config, err := a.config()
	if err != nil {
		return err
	}
	return os.WriteFile(a.server.layout.conf("apache.conf"), []byte(config), 0o644)
}
