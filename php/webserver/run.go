package webserver

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"time"

	"relink/internal/proc"
)

const (
	runTimeout = 20 * time.Second // servers with thousands of sites take seconds
	mostOutput = 32 << 20         // some kilobytes a site
	mostErrors = 4 << 10
)

// run has the server's binary print its configuration.
func (s server) run(ctx context.Context, args, env []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.exe, args...)
	out, complaints := &proc.Head{Most: mostOutput, Full: cancel}, &proc.Head{Most: mostErrors}
	cmd.Env, cmd.Stdout, cmd.Stderr = env, out, complaints
	proc.OwnGroup(cmd)
	err := cmd.Run()
	switch {
	case out.Cut:
		return nil, fmt.Errorf("its configuration is longer than %d MB", mostOutput>>20)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s does not print its configuration: %w", s.exe, ctx.Err())
	case err != nil:
		return nil, fmt.Errorf("%s refuses its configuration: %w: %s", s.exe, err, oneLine(complaints.Bytes()))
	}
	return out.Bytes(), nil
}

// oneLine is the last line that is not empty: what went wrong.
func oneLine(text []byte) string {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.TrimSpace(lines[len(lines)-1]))
}
