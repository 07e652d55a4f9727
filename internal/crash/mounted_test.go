package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"relink/deploy/outcome"
	"relink/internal/exit"

	"golang.org/x/sys/unix"
)

// TestFileSystems has deploys meet file systems that are really full or read-only, and
// a process that may open few files: nothing that serves changes unless the deploy is
// good, the message says why, and the next deploy makes everything whole.
func TestFileSystems(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("only root can mount")
	}
	w := newTown(t)
	w.mount("www", "size=1m")
	w.mount("state", "size=256k")
	w.mount("releases", "size=70m") // 64 MiB have to stay free
	w.good("deploy", "v1", "--all")
	w.good("deploy", "v2", "--all")
	w.beginLoad()
	for _, folder := range []string{"state", "releases", "www"} {
		status := exit.Failed
		if folder == "www" {
			status = -1 // a link is no more than its name there
		}
		w.meets(folder+" is full", unix.ENOSPC, status, func() ended {
			w.fill(folder)
			defer w.remove(folder, "full")
			return w.relink("deploy", w.next("club1"), "--all")
		})
		w.meets(folder+" is read-only", unix.EROFS, exit.Failed, func() ended {
			w.remount(folder, unix.MS_RDONLY)
			defer w.remount(folder, 0)
			return w.relink("deploy", w.next("club1"), "--all")
		})
	}
	w.meets("state fills up before the links move", unix.ENOSPC, exit.Failed, func() ended { return w.fillsUp("state") })
	for _, folder := range []string{"releases", "www"} {
		w.meets(folder+" fills up in a deploy that fails", 0, exit.RolledBack, func() ended { return w.fillsUp(folder) })
	}
	for _, most := range []int{8, 9, 10, 11, 12, 13, 14, 16} {
		w.meets(fmt.Sprintf("at most %d open files", most), unix.EMFILE, -1, func() ended { return w.limited(most) })
	}
	result := w.endLoad()
	t.Logf("%d requests", result.Requests)
}

// meets runs a deploy that meets a fault. -1 stands for whatever is true: it may be good.
func (w *town) meets(name string, cause unix.Errno, status int, do func() ended) {
	w.t.Helper()
	before := w.on("club1")
	done := do()
	w.t.Logf("%s: exit %d", name, done.code)
	var found []string
	switch {
	case status >= 0 && done.code != status, !slices.Contains([]int{0, exit.Failed, exit.RolledBack, exit.Unverified}, done.code):
		found = append(found, fmt.Sprintf("exit %d: %s%s", done.code, done.stderr, done.out))
	case done.code != 0:
		found = done.saysWhy(cause)
	}
	if now := w.on("club1"); (now == before) == (done.code == 0) {
		found = append(found, fmt.Sprintf("exit %d, and the link leads to %s, before to %s", done.code, now, before))
	}
	for _, site := range sites {
		if err := w.serves(site); err != nil {
			found = append(found, fmt.Sprintf("%s: %v", site, err))
		}
	}
	if next := w.relink("deploy", w.next("club1"), "--all"); next.code != 0 {
		found = append(found, fmt.Sprintf("the next deploy: exit %d: %s", next.code, next.stderr))
	}
	for _, text := range append(found, w.wrong()...) {
		w.t.Errorf("%s: %s", name, text)
	}
}

// saysWhy wants a report of what has failed and of what serves.
func (e ended) saysWhy(cause unix.Errno) []string {
	var report outcome.Report
	if err := json.Unmarshal(e.out, &report); err != nil || report.Error == nil {
		return []string{fmt.Sprintf("no report: %v: %s%s", err, e.out, e.stderr)}
	}
	if said := report.Error.Message; len(report.Error.Serving) == 0 && cause != unix.EMFILE || cause != 0 && !strings.Contains(said, cause.Error()) && !strings.Contains(said, "not enough disk space") {
		return []string{fmt.Sprintf("says %q, and %v", said, report.Error.Serving)}
	}
	return nil
}

func (w *town) mount(folder, size string) {
	w.t.Helper()
	dir := w.path(folder)
	w.must(errors.Join(os.MkdirAll(dir, 0o755), unix.Mount("tmpfs", dir, "tmpfs", 0, size+",mode=755")))
	w.t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			w.t.Error(err)
		}
	})
}

func (w *town) remount(folder string, flags uintptr) {
	w.t.Helper()
	w.must(unix.Mount("", w.path(folder), "", unix.MS_REMOUNT|flags, ""))
}

// fill takes what is left of a file system.
func (w *town) fill(folder string) {
	w.t.Helper()
	out, err := exec.CommandContext(w.ctx, "sh", "-c", filling(w.path(folder, "full"))).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
}

func filling(file string) string { return "cat /dev/zero >" + file + " 2>/dev/null; true" }

func (w *town) remove(folder, name string) {
	w.t.Helper()
	w.must(os.Remove(w.path(folder, name)))
}

// fillsUp has the file system fill up right before the links move, and the check of the
// new release fail.
func (w *town) fillsUp(folder string) ended {
	w.t.Helper()
	usual, err := os.ReadFile(w.path("relink.yaml"))
	w.must(err)
	defer func() {
		w.remove(folder, "full")
		w.must(os.WriteFile(w.path("relink.yaml"), usual, 0o644))
	}()
	w.must(os.WriteFile(w.path("relink.yaml"), fmt.Appendf(usual[:len(usual):len(usual)],
		"    hooks: {before_switch: [%q]}\n    check: {url: %q, host: club1.test}\n", filling(w.path(folder, "full")), w.server.URL()+"/missing.php"), 0o644))
	return w.relink("deploy", w.next("club1"), "--all")
}

// limited runs a deploy that may have no more files open at a time.
func (w *town) limited(files int) ended {
	w.t.Helper()
	relink, err := exec.LookPath("relink")
	w.must(err)
	// Whoever runs the tests, perf for one, may have left some open to them.
	const alone = `for fd in /proc/$$/fd/*; do fd=${fd##*/}; [ $fd -le 2 ] || eval "exec $fd>&-"; done; exec "$@"`
	command := exec.CommandContext(w.ctx, "bash", "-c", alone, "bash", "prlimit", fmt.Sprintf("--nofile=%d", files), relink,
		"--config", w.path("relink.yaml"), "--format", "json", "deploy", w.next("club1"), "--all")
	out, err := command.Output()
	done := ended{code: command.ProcessState.ExitCode(), out: out}
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		done.stderr = string(failed.Stderr)
	}
	return done
}
