package sandbox

import (
	"strings"

	"github.com/prometheus/procfs"
)

func readStat(pid int) (s procfs.ProcStat, err error) {
	p, err := procfs.NewProc(pid)
	if err == nil {
		s, err = p.Stat()
	}
	return s, err
}

// alive is false for a zombie: it runs no code and holds no socket.
func alive(s procfs.ProcStat) bool { return s.State != "Z" && s.State != "X" }

// processes lists the living processes that keep accepts. With its pid, the time of its
// start is the identity of one (proc(5)).
func processes(keep func(procfs.ProcStat) bool) (found []procfs.ProcStat, err error) {
	all, err := procfs.AllProcs()
	for _, p := range all {
		if s, err := p.Stat(); err == nil && alive(s) && keep(s) {
			found = append(found, s)
		}
	}
	return found, err
}

// children are the living ones of a process.
func children(of int) (pids []int, err error) {
	_, err = processes(func(s procfs.ProcStat) bool {
		if s.PPID == of {
			pids = append(pids, s.PID)
		}
		return false
	})
	return pids, err
}

// processTitle is the process's command line; FPM writes the pool's name into it.
func processTitle(pid int) string {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return ""
	}
	line, _ := p.CmdLine() // none of one that has ended
	return strings.TrimRight(strings.Join(line, " "), "\x00 ")
}
