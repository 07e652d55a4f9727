package php

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// WebLeavers lists the processes that a graceful restart of an Apache has replaced
// and that still have a connection of a client. They take no other one, but a
// connection that is kept alive brings them one more request: they answer it from
// the OPcache of before the restart, which nobody can reach any more, and end. They
// have KeepAliveTimeout for that, or as long as the request takes that they are in.
func WebLeavers(ctx context.Context, apache int) ([]int, error) {
	leavers, err := webLeavers(ctx, apache)
	if err != nil {
		return nil, fmt.Errorf("processes that Apache %d has replaced: %w", apache, err)
	}
	return leavers, nil
}

func webLeavers(ctx context.Context, apache int) ([]int, error) {
	children, err := childrenOf(ctx, apache)
	if err != nil {
		return nil, err
	}
	listening, err := listeningSockets(apache)
	if err != nil {
		return nil, err
	}
	clients, err := clientSockets(apache)
	if err != nil {
		return nil, err
	}
	var leavers []int
	for _, pid := range children {
		takes, err := holdsAny(pid, listening)
		if err != nil || takes {
			continue // it has ended, or is no leaver
		}
		if serves, err := holdsAny(pid, clients); err == nil && serves {
			leavers = append(leavers, pid)
		}
	}
	slices.Sort(leavers)
	return leavers, nil
}

// clientSockets are the connections of clients to the addresses on which a process
// listens. Other children of Apache, such as the daemons of mod_cgid and mod_fcgid,
// have none.
func clientSockets(pid int) (map[string]bool, error) {
	sockets, err := tcpSockets(pid)
	if err != nil {
		return nil, err
	}
	own, err := openSockets(pid)
	if err != nil {
		return nil, err
	}
	ports := map[string]bool{}
	for _, s := range sockets {
		ports[s.port] = ports[s.port] || s.state == tcpListen && own[s.name]
	}
	clients := map[string]bool{}
	for _, s := range sockets {
		clients[s.name] = s.state != tcpListen && ports[s.port]
	}
	return clients, nil
}

// openSockets are those that a process has open: "socket:[4711]".
func openSockets(pid int) (map[string]bool, error) {
	dir := procPath(pid, "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	open := map[string]bool{}
	for _, entry := range entries {
		if target, err := os.Readlink(dir + "/" + entry.Name()); err == nil {
			open[target] = true
		}
	}
	return open, nil
}

type tcpSocket struct{ name, port, state string }

// tcpSockets are those in the network of a process.
func tcpSockets(pid int) (all []tcpSocket, err error) {
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		text, err := os.ReadFile(procPath(pid, table))
		if errors.Is(err, os.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(strings.NewReader(string(text)))
		for lines.Scan() {
			// sl local_address rem_address st queues timer retrnsmt uid timeout inode
			if fields := strings.Fields(lines.Text()); len(fields) > 9 && fields[9] != "0" {
				_, port, _ := strings.Cut(fields[1], ":")
				all = append(all, tcpSocket{"socket:[" + fields[9] + "]", port, fields[3]})
			}
		}
	}
	return all, nil
}
