package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
)

// Web is the web server of a sandbox and how it runs PHP.
type Web int

const (
	WebApacheEvent   Web = iota // Apache with mpm_event, and PHP-FPM
	WebApachePrefork            // Apache with mpm_prefork and mod_php; sites that name a pool are PHP-FPM's
	WebNginx                    // nginx, and PHP-FPM
)

// String is the name of its files: apache gives apache.conf, apache.log.
func (w Web) String() string {
	if w == WebNginx {
		return "nginx"
	}
	return "apache"
}

// web is the sandbox's web server.
type web struct {
	server  *Server
	port    int
	process *process
}

func (w *web) String() string  { return w.server.options.Web.String() }
func (w *web) address() string { return fmt.Sprintf("127.0.0.1:%d", w.port) }
func (w *web) stop() error     { return w.process.stop() }

func (w *web) logs() (read, printed string) {
	return w.server.WebLog(), w.server.layout.log(w.String() + ".out")
}

func (w *web) launch() (_ *process, err error) {
	if w.port, err = freePort(); err != nil {
		return nil, err
	}
	conf := w.webConf()
	if w.server.options.Web == WebApachePrefork {
		if conf.ModPHP, err = FindModPHP(); err != nil {
			return nil, err
		}
		if err := w.server.writeModPHPINI(conf.ModPHP); err != nil {
			return nil, err
		}
	}
	path := w.server.layout.conf(w.String() + ".conf")
	if err := writeConf(path, w.String()+".conf", conf); err != nil {
		return nil, err
	}
	_, printed := w.logs()
	w.process, err = launch(w.String(), w.command(path), printed, w.server.options.Detach)
	return w.process, err
}

func (w *web) command(conf string) *exec.Cmd {
	o, root := w.server.options, w.server.layout.root
	if o.Web == WebNginx {
		// -e keeps it from opening the log below /var/log first.
		return exec.Command(o.webBinary, "-p", root, "-e", w.server.WebLog(), "-c", conf)
	}
	cmd := exec.Command(o.webBinary, "-d", root, "-f", conf, "-D", "FOREGROUND")
	cmd.Env = w.server.environment(modPHP)
	return cmd
}

// ready: any answer will do, to a request that Apache does not log as denied. Apache
// with mod_php has all of its children, too.
func (w *web) ready(ctx context.Context) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL()+"/server-status", nil)
	if err != nil {
		return false, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return false, nil
	}
	response.Body.Close()
	if w.server.options.Web != WebApachePrefork {
		return true, nil
	}
	running, err := w.server.WebChildren()
	return len(running) >= w.server.options.Children, err
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
func (s *Server) WebChildren() ([]int, error) { return children(s.WebPID()) }
