package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ownerVariable makes the test binary an owner: it starts the sandbox that the
// variable describes, prints its state as one line of JSON, and stops it when
// its stdin ends.
const ownerVariable = "RELINK_SANDBOX_TEST_OWNER"

type ownerState struct {
	URL    string
	Groups []int
	Page   string // what the site of this name answered to the owner
}

func beOwner() int {
	var o Options
	err := json.Unmarshal([]byte(os.Getenv(ownerVariable)), &o)
	if err == nil {
		err = own(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func own(o Options) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := Start(ctx, o)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(ownerState{URL: s.URL(), Groups: s.groups()}); err != nil {
		return errors.Join(err, s.Stop())
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	if o.Detach {
		return err
	}
	return errors.Join(err, s.Stop())
}

// owner is a running owner process.
type owner struct {
	ownerState
	cmd   *exec.Cmd
	stdin io.Closer
}

func startOwner(t *testing.T, o Options, as *syscall.Credential, binary string) *owner {
	t.Helper()
	options, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(testContext(t), binary)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), ownerVariable+"="+string(options), "TMPDIR=/tmp")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the owner said nothing: %v (%v)", err, cmd.Wait())
	}
	p := &owner{cmd: cmd, stdin: stdin}
	if err := json.Unmarshal(line, &p.ownerState); err != nil {
		t.Fatal(err)
	}
	return p
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOwnerKilled(t *testing.T) {
	p := startOwner(t, Options{Root: testRoot(t)}, nil, self(t))
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err == nil {
		t.Error("the owner was not killed")
	}
	for _, group := range p.Groups {
		if err := waitGroup(group, 0, 10*time.Second, nil); err != nil {
			t.Error(err)
		}
	}
}

func TestDetachedOutlivesItsOwner(t *testing.T) {
	root := testRoot(t)
	dir := page(t, filepath.Join(root, "www"), "page")
	p := startOwner(t, Options{Root: root, Detach: true, Sites: []Site{{Host: "a.test", DocumentRoot: dir}}}, nil, self(t))
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, p.URL, "a.test", "/"); !strings.HasPrefix(body, "page ") {
		t.Errorf("the detached sandbox answered %q", body)
	}
	if err := StopDetached(root); err != nil {
		t.Error(err)
	}
	noneLeft(t, p.Groups)
	if err := StopDetached(root); err == nil {
		t.Error("a sandbox that is not there was stopped")
	}
}

// An ordinary user runs the same sandbox. When the tests run as root, "nobody"
// is that user; else every other test of this package is this one.
func TestOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("the whole package runs as an ordinary user")
		return
	}
	const nobody = 65534
	root := testRoot(t)
	binary := copyFile(t, self(t), filepath.Join(root, "sandbox.test"))
	dir := page(t, filepath.Join(root, "www"), "page")
	server := filepath.Join(root, "server")
	if err := os.Mkdir(server, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(server, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	credential := &syscall.Credential{Uid: nobody, Gid: nobody}
	p := startOwner(t, Options{Root: server, Sites: []Site{{Host: "a.test", DocumentRoot: dir}}}, credential, binary)
	if _, body := get(t, p.URL, "a.test", "/"); !strings.HasPrefix(body, "page ") {
		t.Errorf("the user's sandbox answered %q", body)
	}
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
	noneLeft(t, p.Groups)
}

func copyFile(t *testing.T, from, to string) string {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return to
}
