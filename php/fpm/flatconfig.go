package fpm

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

const (
	maxIncludes    = 4       // levels of FPM's includes (fpm_conf.c)
	maxConfigBytes = 4 << 20 // bounds what is read of one configuration
)

// "include=/etc/php/8.2/fpm/pool.d/*.conf", in any section.
var includeLine = regexp.MustCompile(`^\s*include\s*=\s*"?(/[^";]+?)"?\s*(?:;.*)?$`)

// FlatConfig is what FPM reads at a start: its configuration with each include
// replaced by what that names. Each path is taken to where follow says it leads,
// so that it can be told what FPM will read once links have moved.
func (m Master) FlatConfig(follow func(path string) string) (string, error) {
	if m.Problem != nil {
		return "", m.Problem
	}
	f := flattening{follow: func(path string) string { return follow(m.HostPath(path)) }, left: maxConfigBytes}
	if err := f.add(m.Config, maxIncludes); err != nil {
		return "", fmt.Errorf("read the configuration of FPM master %d: %w", m.PID, err)
	}
	return f.text.String(), nil
}

type flattening struct {
	follow func(path string) string
	left   int64 // bytes that may still be read
	text   strings.Builder
}

func (f *flattening) add(file string, levels int) error {
	content, err := f.read(f.follow(file))
	if err != nil {
		return err
	}
	for line := range strings.Lines(content) {
		found := includeLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if found == nil || levels == 0 {
			f.text.WriteString(line)
			continue
		}
		files, err := filepath.Glob(f.follow(found[1]))
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := f.add(file, levels-1); err != nil {
				return err
			}
			f.text.WriteString("\n")
		}
	}
	return nil
}

func (f *flattening) read(path string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO is not waited for
	if err != nil {
		return "", err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", err // as FPM skips folders
	}
	content, err := io.ReadAll(io.LimitReader(file, f.left+1))
	if f.left -= int64(len(content)); f.left < 0 {
		return "", fmt.Errorf("more than %d MiB of configuration", maxConfigBytes>>20)
	}
	return string(content), err
}
