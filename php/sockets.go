package php

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

func procPath(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

// tcpListen is the state TCP_LISTEN in /proc/net/tcp (proc(5)).
const tcpListen = "0A"

// listeningSockets are the TCP sockets in the network of a process on which
// somebody listens, as /proc/PID/fd shows them: "socket:[4711]".
func listeningSockets(pid int) (map[string]bool, error) {
	sockets := map[string]bool{}
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		file, err := os.Open(procPath(pid, table))
		if errors.Is(err, os.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, err
		}
		err = errors.Join(parseListening(file, sockets), file.Close())
		if err != nil {
			return nil, err
		}
	}
	return sockets, nil
}

func parseListening(table io.Reader, into map[string]bool) error {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		// sl local_address rem_address st queues timer retrnsmt uid timeout inode
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && fields[3] == tcpListen {
			into["socket:["+fields[9]+"]"] = true
		}
	}
	return lines.Err()
}

// holdsAny tells whether a process has one of the sockets open.
func holdsAny(pid int, sockets map[string]bool) (bool, error) {
	dir := procPath(pid, "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		if target, err := os.Readlink(dir + "/" + entry.Name()); err == nil && sockets[target] {
			return true, nil
		}
	}
	return false, nil
}
