package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// procStat holds the fields of /proc/PID/stat that this package needs (proc(5)).
type procStat struct {
	pid, parent, group int
	state              byte
	started            uint64 // clock ticks since boot: with pid, the identity of a process
}

func readStat(pid int) (procStat, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procStat{}, err
	}
	return parseStat(data)
}

func parseStat(data []byte) (procStat, error) {
	// The command's name stands in parentheses and may contain any character.
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 1 || end < open {
		return procStat{}, fmt.Errorf("not a process's stat: %q", data)
	}
	fields := strings.Fields(string(data[end+1:]))
	if len(fields) < 20 {
		return procStat{}, fmt.Errorf("not a process's stat: %q", data)
	}
	var s procStat
	var errs [4]error
	s.state = fields[0][0]
	s.pid, errs[0] = strconv.Atoi(strings.TrimSpace(string(data[:open])))
	s.parent, errs[1] = strconv.Atoi(fields[1])
	s.group, errs[2] = strconv.Atoi(fields[2])
	s.started, errs[3] = strconv.ParseUint(fields[19], 10, 64)
	return s, errors.Join(errs[:]...)
}

// alive is false for a zombie: it runs no code and holds no socket.
func (s procStat) alive() bool { return s.state != 'Z' && s.state != 'X' }

// processes lists the living processes that keep accepts.
func processes(keep func(procStat) bool) ([]procStat, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []procStat
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		s, err := readStat(pid)
		if err == nil && s.alive() && keep(s) {
			found = append(found, s)
		}
	}
	return found, nil
}

// children are the living ones of a process.
func children(of int) ([]int, error) {
	found, err := processes(func(s procStat) bool { return s.parent == of })
	pids := make([]int, 0, len(found))
	for _, s := range found {
		pids = append(pids, s.pid)
	}
	return pids, err
}

// processTitle is the process's command line; FPM writes the pool's name into it.
func processTitle(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(data), "\x00 ")
}
