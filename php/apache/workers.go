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

// Workers lists the processes that take requests for the Apache with PHP inside
// (prefork and mod_php) of which one has answered with this pid and parent; a
// parent of 0 is not known. Each has a realpath cache of its own. The process table
// decides, not what was answered: in a container the same pids are other processes.
func Workers(ctx context.Context, pid, parent int) ([]int, error) {
	workers, err := workersBeside(ctx, pid, parent)
	if errors.Is(err, os.ErrPermission) {
		err = hint.With(err, "run relink as root")
	}
	if err != nil {
		return nil, fmt.Errorf("web server's processes beside %d: %w", pid, err)
	}
	return workers, nil
}

func workersBeside(ctx context.Context, pid, parent int) ([]int, error) {
	real, err := apacheBehind(ctx, pid, parent)
	if err != nil {
		return nil, err
	}
	children, err := childrenOf(ctx, real)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(children, pid) {
		return nil, fmt.Errorf("%w: it is no apache2 or httpd", ErrNotChild)
	}
	return listeningChildren(ctx, real, children)
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

// listeningChildren leaves out what cannot answer: another program, the daemon of
// mod_cgid, and children of before a graceful restart that finish their last
// request. The two last have closed what they listened on.
func listeningChildren(ctx context.Context, parent int, children []int) ([]int, error) {
	program, err := os.Stat(proc.Path(parent, "exe"))
	if err != nil {
		return nil, err
	}
	listening, _, err := socketsOf(parent)
	if err != nil {
		return nil, err
	}
	var workers []int
	for _, pid := range children {
		takes, err := takesRequests(pid, program, listening)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		if takes {
			workers = append(workers, pid)
		}
	}
	slices.Sort(workers)
	return workers, ctx.Err()
}

func takesRequests(pid int, program os.FileInfo, listening map[string]bool) (bool, error) {
	if same, err := runs(pid, program); !same {
		return false, err
	}
	return proc.HoldsAny(pid, listening)
}

func runs(pid int, program os.FileInfo) (bool, error) {
	own, err := os.Stat(proc.Path(pid, "exe"))
	return err == nil && os.SameFile(own, program), err
}

// FinishingChildren lists the processes that a graceful restart of an Apache has
// replaced and that still have a connection of a client. They take no other one, but
// a connection that is kept alive brings them one more request: they answer it from
// the OPcache of before the restart, which nobody can reach any more, and end. They
// have KeepAliveTimeout for that, or as long as the request takes that they are in.
func FinishingChildren(ctx context.Context, apache int) ([]int, error) {
	children, err := childrenOf(ctx, apache)
	var listening, clients map[string]bool
	if err == nil {
		listening, clients, err = socketsOf(apache)
	}
	if err != nil {
		return nil, fmt.Errorf("processes that Apache %d has replaced: %w", apache, err)
	}
	var finishing []int
	for _, pid := range children {
		takes, err := proc.HoldsAny(pid, listening)
		if err != nil || takes {
			continue // it has ended, or takes new connections
		}
		if serves, err := proc.HoldsAny(pid, clients); err == nil && serves {
			finishing = append(finishing, pid)
		}
	}
	slices.Sort(finishing)
	return finishing, nil
}

// socketsOf are those in the network of a process on which somebody listens, and the
// connections of clients to the addresses on which the process itself does. Other
// children of Apache, such as the daemons of mod_cgid and mod_fcgid, have none.
func socketsOf(pid int) (listening, clients map[string]bool, err error) {
	sockets, err := proc.TCPSockets(pid)
	if err != nil {
		return nil, nil, err
	}
	own, err := proc.OpenFiles(pid)
	if err != nil {
		return nil, nil, err
	}
	ports := map[uint16]bool{}
	listening, clients = map[string]bool{}, map[string]bool{}
	for _, s := range sockets {
		listening[s.Name] = s.Listens
		ports[s.Local.Port()] = ports[s.Local.Port()] || s.Listens && own[s.Name]
	}
	for _, s := range sockets {
		clients[s.Name] = !s.Listens && ports[s.Local.Port()]
	}
	return listening, clients, nil
}
