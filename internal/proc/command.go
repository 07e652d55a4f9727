package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"relink/internal/hint"
)

// Run runs a command without a shell, in a process group of its own so that
// whatever it has started ends with it when its time is up. Only ctx bounds its time; the
// error has the last 4 KiB of what the command prints.
func Run(ctx context.Context, command []string) error {
	printed, err := Output(ctx, command)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", strings.Join(command, " "), err)
	if text := strings.TrimSpace(string(printed)); text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return hint.With(err, "run the command by hand to see what it needs")
}

// Output is Run with the end of what the command has printed. That is 4 KiB at most.
func Output(ctx context.Context, command []string) (printed []byte, err error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var out Tail
	cmd.Stdout, cmd.Stderr = &out, &out
	OwnGroup(cmd)
	err = cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("ended after its time was up: %w", context.Cause(ctx))
	}
	return out.Bytes(), err
}

// OwnGroup gives a command a process group, which ends with the command's context,
// and the root folder to work in.
func OwnGroup(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.Dir, cmd.WaitDelay = "/", time.Second
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// tailBytes bounds what is shown of a command that failed.
const tailBytes = 4 << 10

// Tail keeps the last bytes that were written. Its buffer is not embedded: that has a
// ReadFrom, by which a command's output would pass every bound. It keeps 4 KiB at most.
type Tail struct{ kept bytes.Buffer }

func (t *Tail) Write(data []byte) (int, error) {
	n, err := t.kept.Write(data)
	if over := t.kept.Len() - tailBytes; over > 0 {
		t.kept.Next(over)
	}
	return n, err
}

func (t *Tail) Bytes() []byte { return t.kept.Bytes() }

// Head keeps the first Most bytes that are written. At the rest it calls Full, which
// is to end whoever writes them; without it they are dropped.
type Head struct {
	Most int
	Full func()
	Cut  bool // more was written

	kept bytes.Buffer
}

func (h *Head) Write(data []byte) (int, error) {
	kept := data[:min(len(data), h.Most-h.kept.Len())]
	h.kept.Write(kept)
	if len(kept) == len(data) {
		return len(data), nil
	}
	h.Cut = true
	if h.Full == nil {
		return len(data), nil
	}
	h.Full()
	return len(kept), errors.New("too much output")
}

func (h *Head) Bytes() []byte { return h.kept.Bytes() }
