package apache

import (
	"context"
	"fmt"
	"slices"

	"relink/internal/proc"
)

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
