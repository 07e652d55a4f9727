package lock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/internal/exit"
	"relink/internal/hint"

	"github.com/gofrs/flock"
)

const holdLock = "RELINK_TEST_HOLD_LOCK"

// TestMain lets this binary be the process that holds a lock until its stdin ends.
func TestMain(m *testing.M) {
	path := os.Getenv(holdLock)
	if path == "" {
		os.Exit(m.Run())
	}
	if _, err := Acquire(context.Background(), path, ThisProcess("relink deploy --all v2")); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	os.Exit(0)
}

// holder starts a process that holds the lock; end kills it.
func holder(t *testing.T, path string) (pid int, end func()) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), holdLock+"="+path)
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	end = func() {
		_ = child.Process.Kill()
		_ = stdin.Close()
		_ = child.Wait()
	}
	t.Cleanup(end)
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "held\n" {
		t.Fatalf("the holder says %q, %v", line, err)
	}
	return child.Process.Pid, end
}

func TestALockNamesItsHolderAndEndsWithIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "app.lock")
	pid, end := holder(t, path)
	_, err := Acquire(context.Background(), path, ThisProcess("relink rollback"))
	if !errors.Is(err, exit.ErrLocked) || exit.Status(err) != exit.Locked {
		t.Fatalf("got %v, want exit.ErrLocked", err)
	}
	for _, want := range []string{fmt.Sprintf("pid %d", pid), "relink deploy --all v2", "since"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if hints := strings.Join(hint.Of(err), "\n"); !strings.Contains(hints, fmt.Sprintf("kill %d", pid)) {
		t.Errorf("the hint is %q", hints)
	}

	end()
	l, err := Acquire(context.Background(), path, ThisProcess("relink deploy"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}

// A restart by the service holds the lock for a moment, and is no deploy that one
// would have to be told of.
func TestARestartIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.lock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	restarting := flock.New(path, flock.SetFlag(os.O_RDONLY))
	if got, err := restarting.TryRLock(); !got || err != nil {
		t.Fatal(got, err)
	}
	time.AfterFunc(200*time.Millisecond, func() { restarting.Close() })
	l, err := Acquire(context.Background(), path, ThisProcess("relink deploy"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}

// A link in place of the lock would have its target emptied.
func TestALockIsNoLink(t *testing.T) {
	dir := t.TempDir()
	victim, path := filepath.Join(dir, "passwd"), filepath.Join(dir, "app.lock")
	if err := errors.Join(os.WriteFile(victim, []byte("content"), 0o600), os.Symlink(victim, path)); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(context.Background(), path, ThisProcess("relink deploy")); err == nil {
		t.Error("a link was taken for a lock")
	}
	if text, err := os.ReadFile(victim); string(text) != "content" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

func TestLookingAtALockMakesNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.lock")
	if err := Held(path); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("looking made a lock file")
	}
}
