package publish

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"relink/deploy/demo/compare"
	"relink/internal/sandbox"
	"relink/internal/ui"
)

// ThisMachine tells where something is measured, as far as it can be told.
func ThisMachine(ctx context.Context) compare.Machine {
	m := compare.Machine{
		CPU:    fmt.Sprintf("%s, %s", after("/proc/cpuinfo", "model name\t: "), ui.Plural(runtime.NumCPU(), "core")),
		Kernel: strings.TrimSpace(read("/proc/sys/kernel/osrelease")),
		System: strings.Trim(after("/etc/os-release", "PRETTY_NAME="), `"`),
		Apache: strings.TrimPrefix(printed(ctx, "/usr/sbin/apache2", "-v"), "Server version: "),
	}
	if kilobytes, err := strconv.ParseInt(strings.Fields(after("/proc/meminfo", "MemTotal:") + " ?")[0], 10, 64); err == nil {
		m.Memory = ui.Bytes(kilobytes << 10)
	}
	if fpm, err := sandbox.FindFPM("/"); err == nil {
		m.PHP = printed(ctx, fpm, "-v")
	}
	return m
}

func read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}

// after is the rest of the first line that begins so.
func after(path, begin string) string {
	for line := range strings.Lines(read(path)) {
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
