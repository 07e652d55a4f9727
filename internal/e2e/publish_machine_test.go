package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"relink/internal/sandbox"
	"relink/internal/ui"
)

// hardware is what something was measured on, in words.
type hardware struct {
	CPU    string `json:"cpu"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	System string `json:"system"`
	Apache string `json:"apache"`
	PHP    string `json:"php"`
}

// thisMachine tells where something is measured, as far as it can be told.
func thisMachine(ctx context.Context) hardware {
	m := hardware{
		CPU:    fmt.Sprintf("%s, %s", restOf("/proc/cpuinfo", "model name\t: "), ui.Plural(runtime.NumCPU(), "core")),
		Kernel: strings.TrimSpace(textOf("/proc/sys/kernel/osrelease")),
		System: strings.Trim(restOf("/etc/os-release", "PRETTY_NAME="), `"`),
		Apache: strings.TrimPrefix(printed(ctx, "/usr/sbin/apache2", "-v"), "Server version: "),
	}
	if kilobytes, err := strconv.ParseInt(strings.Fields(restOf("/proc/meminfo", "MemTotal:") + " ?")[0], 10, 64); err == nil {
		m.Memory = ui.Bytes(kilobytes << 10)
	}
	if fpm, err := sandbox.FindFPM("/"); err == nil {
		m.PHP = printed(ctx, fpm, "-v")
	}
	return m
}

func textOf(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}

// restOf is the rest of the first line that begins so.
func restOf(path, begin string) string {
	for line := range strings.Lines(textOf(path)) {
		if rest, found := strings.CutPrefix(line, begin); found {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// printed is the first line that a command prints.
func printed(ctx context.Context, command ...string) string {
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first
}
