package webserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"relink/internal/proc"
	"relink/internal/trust"
)

const (
	runTimeout = 20 * time.Second // servers with thousands of sites take seconds
	mostOutput = 32 << 20         // some kilobytes a site
	mostErrors = 4 << 10
)

// option is one of a command line, with its value.
type option struct{ name, value string }

// options are those of these letters, which take a value: "-d /srv" or "-d/srv".
func options(line []string, letters string) (found []option) {
	for i := 0; i < len(line); i++ {
		name := line[i]
		if len(name) < 2 || name[0] != '-' || !strings.Contains(letters, name[1:2]) {
			continue
		}
		name, value := name[:2], name[2:]
		if value == "" {
			if i++; i == len(line) {
				break
			}
			value = line[i]
		}
		found = append(found, option{name, value})
	}
	return found
}

var errRelative = errors.New("it was started with a relative path for its configuration (-d, -f or -p), which tells no file")

// configured adds what a command line says of the configuration's file and of the
// folder that it is relative to, and names that file if it can be told.
func configured(args []string, folder, file option) ([]string, string, error) {
	if folder.value != "" {
		if !filepath.IsAbs(folder.value) {
			return nil, "", errRelative
		}
		args = append(args, folder.name, folder.value)
	}
	if file.value == "" {
		return args, "", nil
	}
	args = append(args, file.name, file.value)
	switch {
	case filepath.IsAbs(file.value):
		return args, file.value, nil
	case folder.value == "":
		return args, "", nil // below the folder that is compiled in
	}
	return args, filepath.Join(folder.value, file.value), nil
}

// print has the server's binary print its configuration, of which file is "" where
// that cannot be told.
func (s server) print(ctx context.Context, file string, args []string) ([]byte, error) {
	if file != "" {
		if err := trust.Check(file); err != nil {
			return nil, err
		}
	}
	env, err := s.environment()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.exe, args...)
	out, complaints := &proc.Head{Most: mostOutput, Full: cancel}, &proc.Head{Most: mostErrors}
	cmd.Env, cmd.Stdout, cmd.Stderr = env, out, complaints
	proc.OwnGroup(cmd)
	err = cmd.Run()
	switch {
	case out.Cut:
		return nil, fmt.Errorf("its configuration is longer than %d MB", mostOutput>>20)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s does not print its configuration: %w", s.exe, ctx.Err())
	case err != nil:
		return nil, fmt.Errorf("%s refuses its configuration: %w: %s", s.exe, err, lastLine(complaints.Bytes()))
	}
	return out.Bytes(), nil
}

// lastLine is the last line that is not empty: what went wrong.
func lastLine(text []byte) string {
	text = bytes.TrimSpace(text)
	return string(bytes.TrimSpace(text[bytes.LastIndexByte(text, '\n')+1:]))
}
