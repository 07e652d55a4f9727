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

// Web is the web server of a sandbox and how it runs PHP.
type Web int

const (
	WebApacheEvent   Web = iota // Apache with mpm_event, and PHP-FPM
	WebApachePrefork            // Apache with mpm_prefork and mod_php; sites that name a pool are PHP-FPM's
	WebNginx                    // nginx, and PHP-FPM
)

// web is the sandbox's web server: its sites, its port and its process.
type web struct {
	program
	server     *Server
	sites      []Site
	port       int
	generation int // of the configuration; nginx tells it, as Apache does its own
	process    *process
}

// program is what differs between the web servers.
type program interface {
	name() string // of its files: apache gives apache.conf, apache.log
	config(*web) (string, error)
	command(*web) *exec.Cmd
	reloadSignal() syscall.Signal
	retired(child int) bool // that it takes no connections any more, as far as can be told
}

func (o Options) program() program {
	switch o.Web {
	case WebApachePrefork:
		return prefork{}
	case WebNginx:
		return nginx{}
	default:
		return event{}
	}
}

func (w *web) address() string { return fmt.Sprintf("127.0.0.1:%d", w.port) }
func (w *web) log() string     { return w.server.layout.log(w.name() + ".log") }
func (w *web) out() string     { return w.server.layout.log(w.name() + ".out") }
func (w *web) conf() string    { return w.server.layout.conf(w.name() + ".conf") }

// startWeb runs the web server on a free port. The port is free when it is
// chosen, not when the server binds it: a lost race chooses again.
func (s *Server) startWeb(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	w := &web{program: s.options.program(), server: s, sites: slices.Clone(s.options.Sites)}
	for {
		mark := markLogs(w.log(), w.out())
		if err := w.launch(); err != nil {
			return err
		}
		s.web = w
		err := poll(ctx, func() (bool, error) { return w.ready(ctx, 0) })
		if err == nil {
			return nil
		}
		log := mark.tail()
		if stopErr := w.process.stop(); stopErr != nil {
			return stopErr
		}
		if ctx.Err() == nil && portTaken(log) {
			continue
		}
		return hint.With(fmt.Errorf("%s: %w\n%s", w.name(), err, log), "mend what the log says above (%s)", w.log())
	}
}

func (w *web) launch() error {
	var err error
	if w.port, err = freePort(); err != nil {
		return err
	}
	if err := w.writeConfig(); err != nil {
		return err
	}
	cmd := w.command(w)
	cmd.Dir = "/"
	w.process, err = w.server.thread.launch(w.name(), cmd, w.out(), w.server.options.Detach)
	return err
}

func (w *web) writeConfig() error {
	config, err := w.config(w)
	if err != nil {
		return err
	}
	return os.WriteFile(w.conf(), []byte(config), 0o644)
}

var generationLine = regexp.MustCompile(`(?m)^ParentServerConfigGeneration: (\d+)$`)

// answering asks a child which configuration it runs: 0 or 1 at the start, one
// more after each graceful restart.
func (w *web) answering(ctx context.Context) (generation int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.address()+"/server-status?auto", nil)
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

// ready reports whether the web server answers from the given generation on.
func (w *web) ready(ctx context.Context, atLeast int) (bool, error) {
	if !w.process.running() {
		return false, fmt.Errorf("ended: %w", w.process.exit())
	}
	// A child of the old generation may still take a connection from the
	// shared backlog until it has read its parent's message.
	for range 3 {
		generation, err := w.answering(ctx)
		if err != nil || generation < atLeast {
			return false, nil
		}
	}
	return true, nil
}

// ReloadWeb restarts the web server gracefully and returns when its new
// configuration answers.
func (s *Server) ReloadWeb(ctx context.Context) error {
	if s.web == nil {
		return errors.New("reload the web server: the sandbox has none")
	}
	return s.web.reload(ctx)
}

func (w *web) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	before, err := w.answering(ctx)
	if err != nil {
		return fmt.Errorf("reload %s: %w", w.name(), err)
	}
	old, err := w.server.WebChildren()
	if err != nil {
		return err
	}
	w.generation++
	if err := w.writeConfig(); err != nil {
		return err
	}
	if err := w.process.signal(w.reloadSignal()); err != nil {
		return fmt.Errorf("reload %s: %w", w.name(), err)
	}
	if err := poll(ctx, func() (bool, error) { return w.replaced(ctx, old, before+1) }); err != nil {
		return hint.With(fmt.Errorf("reload %s: %w", w.name(), err), "read %s", w.log())
	}
	return nil
}

func (w *web) replaced(ctx context.Context, old []int, generation int) (bool, error) {
	for _, child := range old {
		if !w.retired(child) {
			return false, nil
		}
	}
	return w.ready(ctx, generation)
}

// AddSites adds virtual hosts by a graceful restart; requests in flight complete.
func (s *Server) AddSites(ctx context.Context, sites ...Site) error {
	if s.web == nil {
		return errors.New("add sites: the sandbox has no web server")
	}
	for _, site := range sites {
		if err := s.options.checkSite(site); err != nil {
			return err
		}
	}
	s.web.sites = append(s.web.sites, sites...)
	return s.web.reload(ctx)
}

// WebPID is the first process of the web server, which starts the others; 0 if
// there is none.
func (s *Server) WebPID() int {
	if s.web == nil {
		return 0
	}
	return s.web.process.pid
}

// WebChildren are the processes that answer requests: with mod_php they are
// what PHP-FPM's workers are elsewhere.
func (s *Server) WebChildren() ([]int, error) {
	children, err := processes(func(p procStat) bool { return p.parent == s.WebPID() })
	pids := make([]int, 0, len(children))
	for _, child := range children {
		pids = append(pids, child.pid)
	}
	return pids, err
}
