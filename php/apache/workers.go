package apache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"relink/internal/hint"
	"relink/internal/proc"
)

// ErrNotChild: the process that answered is no child of an Apache here.
var ErrNotChild = errors.New("not a process of an Apache on this machine")

// Processes are those of an Apache with PHP inside (prefork and mod_php).
type Processes struct {
	// Workers take requests. Each has a realpath cache of its own.
	Workers []int
	// Finishing are those that a graceful restart has replaced and that still have a
	// connection of a client. They take no other one, but a connection that is kept alive
	// brings them one more request: they answer it from the OPcache of before the restart,
	// which nobody can reach any more, and end. They have KeepAliveTimeout for that, or as
	// long as the request takes that they are in.
	Finishing []int
}

// ProcessesBeside lists those of the Apache of which one has answered with this pid and
// parent; a parent of 0 is not known. The process table decides, not what was answered: in
// a container the same pids are other processes.
func ProcessesBeside(ctx context.Context, pid, parent int) (Processes, error) {
	all, err := processesBeside(ctx, pid, parent)
	if errors.Is(err, os.ErrPermission) {
		err = hint.With(err, "run relink as root")
	}
	if err != nil {
		return Processes{}, fmt.Errorf("web server's processes beside %d: %w", pid, err)
	}
	return all, nil
}

func processesBeside(ctx context.Context, pid, parent int) (Processes, error) {
	real, err := apacheBehind(ctx, pid, parent)
	if err != nil {
		return Processes{}, err
	}
	children, err := childrenOf(ctx, real)
	if err != nil {
		return Processes{}, err
	}
	if !slices.Contains(children, pid) {
		return Processes{}, fmt.Errorf("%w: it is no apache2 or httpd", ErrNotChild)
	}
	slices.Sort(children)
	return tellApart(ctx, real, children)
}

// apacheBehind is the parent of a process, which has to be an Apache.
func apacheBehind(ctx context.Context, pid, parent int) (int, error) {
	real, err := proc.Parent(ctx, pid)
	if err != nil {
		return 0, err
	}
	if parent != 0 && parent != real {
		return 0, fmt.Errorf("%w: its parent is %d and not %d", ErrNotChild, real, parent)
	}
	return real, checkApache(ctx, real)
}

// checkApache believes a parent by its name only if no other user can have made it.
func checkApache(ctx context.Context, pid int) error {
	p := proc.Of(pid)
	name, err := proc.Name(p)
	if err != nil {
		return err
	}
	if !isApache(name) {
		return fmt.Errorf("%w: its parent %d is %q", ErrNotChild, pid, name)
	}
	uid, foreign, err := proc.Stranger(ctx, p)
	if err == nil && foreign {
		err = fmt.Errorf("%w: its parent %d belongs to user %d", ErrNotChild, pid, uid)
	}
	return err
}

// tellApart tells the children that take requests from those that finish, and leaves out what
// cannot answer: another program, and the daemons of mod_cgid and mod_fcgid. What does not
// listen has closed what it listened on.
func tellApart(ctx context.Context, parent int, children []int) (all Processes, err error) {
	program, err := os.Stat(proc.Path(parent, "exe"))
	if err != nil {
		return all, err
	}
	listeners, err := proc.TCPListeners(parent)
	if err != nil {
		return all, err
	}
	others := map[int]map[string]bool{}
	for _, pid := range children {
		open, err := openFiles(pid, program)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // ended meanwhile
		}
		if err != nil {
			return all, err
		}
		if slices.ContainsFunc(listeners, func(s proc.TCPSocket) bool { return open[s.Name] }) {
			all.Workers = append(all.Workers, pid)
		} else if len(open) > 0 {
			others[pid] = open
		}
	}
	if len(others) > 0 { // after a graceful restart, or beside a daemon
		if all.Finishing, err = serving(parent, listeners, others); err != nil {
			return all, err
		}
	}
	return all, ctx.Err()
}

// openFiles are those of a process that runs the program, none if it runs another.
func openFiles(pid int, program os.FileInfo) (map[string]bool, error) {
	if same, err := runs(pid, program); !same {
		return nil, err
	}
	return proc.OpenFiles(pid)
}

func runs(pid int, program os.FileInfo) (bool, error) {
	own, err := os.Stat(proc.Path(pid, "exe"))
	return err == nil && os.SameFile(own, program), err
}

// serving are the processes that have a client's connection: one to an address on which
// their parent listens.
func serving(parent int, listeners []proc.TCPSocket, files map[int]map[string]bool) ([]int, error) {
	own, err := proc.OpenFiles(parent)
	if err != nil {
		return nil, err
	}
	ports := map[uint16]bool{}
	for _, s := range listeners {
		ports[s.Local.Port()] = ports[s.Local.Port()] || own[s.Name]
	}
	sockets, err := proc.TCPSockets(parent)
	if err != nil {
		return nil, err
	}
	var found []int
	for pid, open := range files {
		if slices.ContainsFunc(sockets, func(s proc.TCPSocket) bool { return !s.Listens && ports[s.Local.Port()] && open[s.Name] }) {
			found = append(found, pid)
		}
	}
	slices.Sort(found)
	return found, nil
}
