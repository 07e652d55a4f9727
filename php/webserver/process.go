package webserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/bounded"
	"relink/internal/proc"
	"relink/internal/trust"

	"github.com/shirou/gopsutil/v3/process"
)

// server is the first process of a running web server.
type server struct {
	kind string
	pid  int
	exe  string   // checked by trust.Check
	args []string // without the name of the program
}

func (s server) String() string { return fmt.Sprintf("%s %d", s.kind, s.pid) }

func (s server) proc(name string) string { return proc.Path(s.pid, name) }

func (s server) ended() bool {
	_, err := os.Stat(s.proc("."))
	return errors.Is(err, fs.ErrNotExist)
}

func (s server) sites(ctx context.Context) ([]Site, error) {
	if s.kind == Apache {
		return s.apacheSites(ctx)
	}
	return s.nginxSites(ctx)
}

// programs are known by name. The name of the file counts, never the title
// of the process, which any user can choose.
var programs = map[string]string{"apache2": Apache, "httpd": Apache, "nginx": Nginx}

const (
	mostForeign = 8        // notes about other users' processes, who may start any number
	mostProc    = 16 << 20 // bytes of one file below /proc
)

// find lists the servers whose binary may be run, in the order of their pids.
func find(ctx context.Context) (servers []server, notes []string, err error) {
	all, err := proc.All(ctx)
	if err != nil {
		return nil, nil, err
	}
	foreign := 0
	for _, p := range all {
		s, ok, err := inspect(ctx, p)
		if errors.Is(err, errOther) {
			foreign++
		}
		switch {
		case !ok, errors.Is(err, errOther) && foreign > mostForeign:
		case errors.Is(err, fs.ErrNotExist): // it has ended
		case err != nil:
			notes = append(notes, fmt.Sprintf("%s: %v", s, err))
		default:
			servers = append(servers, s)
		}
	}
	return servers, notes, ctx.Err()
}

// inspect is not ok for what is no first process of a web server.
func inspect(ctx context.Context, p *process.Process) (s server, ok bool, err error) {
	comm, err := proc.Name(p)
	kind := programs[comm]
	if err != nil || kind == "" {
		return s, false, nil
	}
	// A worker has its server as parent.
	if parent, err := proc.Parent(ctx, int(p.Pid)); err == nil {
		if name, err := proc.Name(proc.Of(parent)); err == nil && name == comm {
			return s, false, nil
		}
	}
	s = server{kind: kind, pid: int(p.Pid)}
	err = s.locate(ctx, p)
	return s, true, err
}

var (
	errOther = errors.New("it belongs to another user, and is not looked at")
	errRoot  = errors.New("it belongs to root: run relink as root to see its sites")
	errOwn   = errors.New("it runs in a file system of its own (a container or a chroot), and is not looked at")
)

func (s *server) locate(ctx context.Context, p *process.Process) error {
	uids, err := p.UidsWithContext(ctx)
	if err != nil {
		return err
	}
	// All of them: a program that is setuid was started by somebody else.
	for _, uid := range uids {
		switch {
		case uid == 0 && os.Geteuid() != 0:
			return errRoot // its /proc cannot be read
		case int(uid) != os.Geteuid():
			return errOther
		}
	}
	if err := s.sameRoot(); err != nil {
		return err
	}
	exe, err := os.Readlink(s.proc("exe"))
	if err != nil {
		return err
	}
	s.exe = strings.TrimSuffix(exe, " (deleted)") // a package upgrade has replaced it
	if programs[filepath.Base(s.exe)] != s.kind {
		return fmt.Errorf("its program is %s, and is not run", s.exe)
	}
	if err := trust.Check(s.exe); err != nil {
		return err
	}
	s.args, err = s.arguments()
	return err
}

// sameRoot compares the root folders, not the namespaces: Debian's units give
// each web server a mount namespace of its own (PrivateTmp) over the same root.
func (s *server) sameRoot() error {
	theirs, err := os.Stat(s.proc("root/."))
	if err != nil {
		return err
	}
	ours, err := os.Stat("/")
	if err == nil && !os.SameFile(ours, theirs) {
		err = errOwn
	}
	return err
}

func (s *server) arguments() ([]string, error) {
	line, err := bounded.Process(s.pid, "cmdline", mostProc)
	if err != nil {
		return nil, err
	}
	args := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
	if s.kind == Nginx {
		// It replaces its command line by a title that holds the old one, with
		// blanks between the arguments.
		args = strings.Fields(strings.TrimPrefix(args[0], "nginx: master process "))
	}
	return args[min(1, len(args)):], nil
}

// environment is the server's own, since its configuration may use all of it
// (Debian's apache2.conf does not load without APACHE_RUN_DIR). The process
// belongs to root or the caller, so its environment does; still, nothing is
// passed on that would have other code loaded.
func (s *server) environment() ([]string, error) {
	content, err := bounded.Process(s.pid, "environ", mostProc)
	if err != nil {
		return nil, err
	}
	entries := strings.Split(strings.TrimRight(string(content), "\x00"), "\x00")
	return slices.DeleteFunc(entries, func(entry string) bool {
		return entry == "" || strings.HasPrefix(entry, "LD_") || strings.HasPrefix(entry, "GLIBC_") || strings.HasPrefix(entry, "GCONV_") ||
			strings.HasPrefix(entry, "NGINX=") // nginx takes it for a list of sockets to inherit
	}), nil
}
