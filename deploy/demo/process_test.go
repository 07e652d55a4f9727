package demo_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// process is one of this machine's; its start tells it from a later one with the same pid.
type process struct {
	pid, parent    int
	start, command string
	state          string
}

// readProcess reads /proc/PID/stat: see proc(5).
func readProcess(pid int) (process, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	open, end := strings.IndexByte(string(data), '('), strings.LastIndexByte(string(data), ')')
	fields := strings.Fields(string(data[end+1:]))
	parent, err := strconv.Atoi(fields[1])
	return process{pid: pid, parent: parent, start: fields[19], command: string(data[open+1 : end]), state: fields[0]}, err == nil
}

func (p process) alive() bool {
	now, found := readProcess(p.pid)
	return found && now.start == p.start && now.state != "Z"
}

func descendants(t *testing.T, of int) []process {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]process{}
	for _, path := range found {
		pid, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	var all []process
	for next := []int{of}; len(next) > 0; next = next[1:] {
		for _, child := range children[next[0]] {
			all = append(all, child)
			next = append(next, child.pid)
		}
	}
	return all
}
