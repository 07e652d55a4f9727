package hooks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/internal/hint"

	"github.com/google/go-cmp/cmp"
)

func TestHooks(t *testing.T) {
	dir := t.TempDir()
	env := Env{Dir: dir, App: "booking", Release: "id", ReleaseDir: "/r/id", Previous: "old", Ref: "v2", Commit: "abc"}
	t.Setenv("EXTRA", "1")
	t.Setenv("RELINK_REF", "overridden")
	var lines []string
	err := Run(t.Context(), "build", []string{
		`pwd; echo "$RELINK_APP $RELINK_RELEASE $RELINK_RELEASE_DIR $RELINK_PREVIOUS $RELINK_REF $RELINK_COMMIT $EXTRA"`,
		`echo to stderr >&2; printf '10%%\r50%%\r100%%\r\n'; printf 'no newline'`,
		`touch made; cat; tty || echo no terminal`,
	}, env, time.Minute, func(line string) { lines = append(lines, line) })
	if err != nil {
		t.Fatal(err)
	}
	want := []string{dir, "booking id /r/id old v2 abc 1", "to stderr", "100%", "no newline", "not a tty", "no terminal"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	if got := names(t, dir); got != "made" {
		t.Errorf("the folder holds %s", got)
	}
}

func TestHookFails(t *testing.T) {
	dir := t.TempDir()
	err := Run(t.Context(), "build", []string{"echo one; seq 1 500; exit 7", "touch never"}, Env{Dir: dir}, 0, nil)
	var failure *Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v", err)
	}
	lines := strings.Split(failure.Output, "\n")
	if failure.Name != "build" || failure.ExitCode != 7 || failure.Command != "echo one; seq 1 500; exit 7" || len(lines) != tailLines || lines[tailLines-1] != "500" {
		t.Errorf("got %+v", failure)
	}
	if text := err.Error(); !strings.Contains(text, "exit status 7") || !strings.HasSuffix(text, "\n  500") || strings.Count(text, "\n") != 20 {
		t.Errorf("the message is %s", text)
	}
	wantHint(t, err, dir)
	if got := names(t, dir); got != "" {
		t.Errorf("the next command ran: %s", got)
	}
	err = Run(t.Context(), "build", []string{"no-such-command"}, Env{Dir: dir}, 0, nil)
	wantHint(t, err, "install the command")
	err = Run(t.Context(), "build", []string{"true"}, Env{Dir: filepath.Join(dir, "missing")}, 0, nil)
	if !errors.As(err, &failure) || failure.ExitCode != -1 || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing folder gives %v", err)
	}
}

func TestHookOutputIsBounded(t *testing.T) {
	var longest int
	err := Run(t.Context(), "build", []string{"head -c 3000000 /dev/zero | tr '\\0' x; echo; yes line | head -n 100000; exit 1"}, Env{Dir: t.TempDir()}, 0,
		func(line string) { longest = max(longest, len(line)) })
	var failure *Error
	if !errors.As(err, &failure) || len(failure.Output) > tailBytes || longest != lineBytes {
		t.Errorf("kept %d bytes, longest line %d, %v", len(failure.Output), longest, failure.Err)
	}
	w := &lineWriter{}
	for range 100 {
		fmt.Fprintln(w, strings.Repeat("y", 4000))
	}
	printed, _ := w.close()
	if n := len(printed); n > tailBytes || n < tailBytes-5000 {
		t.Errorf("kept %d bytes of 100 long lines", n)
	}
}

// listening gives a fifo, and the pid that a hook writes to it.
func listening(t *testing.T) (fifo string, pid chan string) {
	t.Helper()
	fifo, pid = filepath.Join(t.TempDir(), "fifo"), make(chan string, 1)
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		text, _ := os.ReadFile(fifo)
		pid <- strings.TrimSpace(string(text))
	}()
	return fifo, pid
}

// awaitGone waits until the process has ended; one that nobody has reaped yet counts as ended.
func awaitGone(t *testing.T, pid string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("process %s still runs: %s", pid, stat)
		case <-tick.C:
		}
	}
}

// The shell and its child ignore TERM, and the child has the output open.
func TestHookTimeLimit(t *testing.T) {
	fifo, pid := listening(t)
	command := fmt.Sprintf(`trap '' TERM; echo begun; sh -c 'echo $$ > "%s"; exec sleep 1000'; echo never`, fifo)
	err := Run(t.Context(), "build", []string{command}, Env{Dir: t.TempDir(), Grace: 200 * time.Millisecond}, 500*time.Millisecond, nil)
	var failure *Error
	if !errors.Is(err, ErrTimeout) || !errors.As(err, &failure) || failure.ExitCode != -1 || failure.Output != "begun" {
		t.Errorf("got %+v", err)
	}
	wantHint(t, err, "time limit")
	awaitGone(t, <-pid)
}

// The shell ends at TERM, a child behind it does not.
func TestHookTimeLimitWithAStubbornChild(t *testing.T) {
	fifo, pid := listening(t)
	command := fmt.Sprintf(`sh -c 'trap "" TERM; echo $$ > "%s"; exec sleep 1000' > /dev/null 2>&1 & wait`, fifo)
	err := Run(t.Context(), "build", []string{command}, Env{Dir: t.TempDir(), Grace: 200 * time.Millisecond}, 500*time.Millisecond, nil)
	if !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v", err)
	}
	awaitGone(t, <-pid)
}

func TestHookTimeLimitWithAChildInASessionOfItsOwn(t *testing.T) {
	fifo, pid := listening(t)
	command := fmt.Sprintf(`setsid sh -c 'echo $$ > "%s"; exec sleep 1000' > /dev/null 2>&1 & wait`, fifo)
	err := Run(t.Context(), "build", []string{command}, Env{Dir: t.TempDir(), Grace: 200 * time.Millisecond}, 500*time.Millisecond, nil)
	if !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v", err)
	}
	awaitGone(t, <-pid)
}

// A hook that obeys TERM may clean up.
func TestHookIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := t.TempDir()
	err := Run(ctx, "build", []string{`trap 'touch cleaned; exit 1' TERM; echo ready; sleep 1000 & wait`}, Env{Dir: dir}, time.Minute,
		func(string) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := names(t, dir); got != "cleaned" {
		t.Errorf("the folder holds %q", got)
	}
	if err := Run(ctx, "build", []string{"touch never"}, Env{Dir: dir}, 0, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after that: %v", err)
	}
}

// What a hook leaves in the background goes on, and does not hold us up although
// it has the output open.
func TestHookLeavesABackgroundProcess(t *testing.T) {
	fifo, pid := listening(t)
	command := fmt.Sprintf(`sh -c 'echo $$ > "%s"; exec sleep 1000' & echo done`, fifo)
	var lines []string
	err := Run(t.Context(), "after_switch", []string{command, "echo next"}, Env{Dir: t.TempDir()}, time.Minute, func(line string) { lines = append(lines, line) })
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"done", "next"}, lines); diff != "" {
		t.Error(diff)
	}
	left := <-pid
	var number int
	if _, err := fmt.Sscan(left, &number); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(number, syscall.SIGKILL); err != nil {
		t.Errorf("the process in the background was ended: %v", err)
	}
	awaitGone(t, left)
}

// As Composer does it for root, which succeeds.
func TestComposerWithoutPluginsIsRefused(t *testing.T) {
	const command = `echo "Composer plugins have been disabled for safety in this non-interactive session. Set COMPOSER_ALLOW_SUPERUSER=1 if you want to allow plugins to run as root/super user." >&2; seq 1 500`
	err := Run(t.Context(), "build", []string{command}, Env{Dir: t.TempDir()}, 0, nil)
	if !errors.Is(err, ErrNoPlugins) || !strings.Contains(strings.Join(hint.Of(err), " "), "COMPOSER_ALLOW_SUPERUSER=1") {
		t.Errorf("%v, hints %q", err, hint.Of(err))
	}
}

func wantHint(t *testing.T, err error, part string) {
	t.Helper()
	if all := strings.Join(hint.Of(err), "\n"); !strings.Contains(all, part) {
		t.Errorf("hints of %q are %q, want one with %q", err, all, part)
	}
}

// names lists what is in a folder.
func names(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range found {
		found[i] = filepath.Base(name)
	}
	return strings.Join(found, " ")
}
