package serve

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// child is the service as a process of its own.
type child struct {
	*running
	cmd    *exec.Cmd
	output *output
}

// output is what a process has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(text)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func serving(t testing.TB, file string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], append([]string{"serve"}, args...)...)
	cmd.Env = append(os.Environ(), asProgram+"="+file)
	return cmd
}

// stopped ends the process as the service manager does.
func (c *child) stopped() {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("%v\n%s", err, c.output)
	}
}

func startChild(t testing.TB, file, socket string, args ...string) *child {
	t.Helper()
	c := &child{cmd: serving(t, file, append(args, "--listen", "unix:"+socket)...), output: &output{}}
	c.running = overSocket(t, socket)
	c.cmd.Stderr = c.output
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			c.cmd.Process.Kill()
			c.cmd.Wait()
		}
	})
	await(t, "the first look", func() bool {
		answer, err := c.client.Get(c.base + "/readyz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == 200
	})
	return c
}

func TestTheServiceAsAProcess(t *testing.T) {
	s := newScene(t)
	s.deploy("r1")
	c := startChild(t, s.file, s.path("serve.sock"), "--interval", "1s")
	if state := c.state(); len(state.Apps) != 1 || state.IntervalS != 1 {
		t.Errorf("%+v", state)
	}
	c.stopped()
	if _, err := os.Stat(s.path("serve.sock")); err == nil {
		t.Error("the socket is left")
	}
	if text := c.output.String(); !strings.Contains(text, `"message":"serving"`) {
		t.Errorf("the log does not tell where it listens: %s", text)
	}
}

func TestWrongCommandLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "relink.yaml")
	write(t, file, "state_dir: "+t.TempDir()+"\n", 0o644)
	for args, want := range map[string]string{
		"--listen example.org:80": "not an address to listen on", "--listen 0.0.0.0:9155": "can be reached from other machines",
		"--interval 1ms": "must be at least 1s", "now": "takes no argument",
	} {
		out, err := serving(t, file, strings.Fields(args)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v %s", args, err, out)
		}
	}
}
