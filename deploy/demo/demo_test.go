package demo_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/deploy/demo"
	"relink/internal/sandbox"
	"relink/internal/ui"
)

var binary string

// pause keeps the load, a page of which takes PHP some 20 ms, from taking the whole
// machine. Not longer: under mod_php a process is a connection's for 5 requests (briefly),
// and settle waits 30 s for it.
const pause = 250 * time.Millisecond

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

// buildAndRun tests the program as it is delivered: without the race detector,
// with its own main.
func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "relink-demo-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "relink")
	if out, err := exec.Command("go", "build", "-o", binary, "relink").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build relink: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// newFolder names a folder that PHP-FPM's user can reach and that does not exist yet.
func newFolder(t *testing.T) string {
	root, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(root, "demo é")
}

func relink(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// The whole story, kept, looked at, and stopped.
func TestStory(t *testing.T) {
	t.Parallel()
	ctx, dir := testContext(t), newFolder(t)
	out := run(t, relink(ctx, "demo", "--instances", "3", "--pause", pause.String(), "--keep", "--dir", dir), 0)
	for _, want := range []string{
		"6 clients load all sites, pausing 250 ms", "$ relink deploy v1 --all --smart-reset", "3 made in", "3 of 3 answer with v1",
		"$ relink deploy v2 --instance club1 --smart-reset", "1 of 3 moved; the others answered with v1 all the time",
		"$ relink deploy v2 --all --smart-reset", "answered with status 200 by v1 after 5",
		"$ relink rollback --all --smart-reset", "No request failed", "Set-up resolved", "3 of 3 sites proven through Apache, by fpm-fcgi",
		"none had to be swept",
		"curl -H 'Host: club1.test'", dir + "/relink.yaml", "demo --stop",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the story lacks %q", want)
		}
	}
	for line := range strings.Lines(out) {
		if len([]rune(line)) > 81 && !strings.Contains(line, dir) {
			t.Errorf("wider than 80 columns: %s", line)
		}
	}
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(out)
	if release := get(t, url+"/release.php", "club2.test"); release != "release v1" {
		t.Errorf("a kept site answers %q", release)
	}
	if tries := tryAll(ctx, t, out); !strings.Contains(tries, "club3") || !strings.Contains(tries, "PATHS") {
		t.Errorf("status and apache check: %s", tries)
	}
	run(t, relink(ctx, "demo", "--instances", "2", "--dir", dir), 1)
	run(t, relink(ctx, "demo", "--pause", "-1s"), 2)
	run(t, relink(ctx, "demo", "--compare", "--pause", "1s"), 2)
	run(t, relink(ctx, "demo", "--stop", dir), 0)
	gone(t, dir)
	if response, err := http.Get(url); err == nil {
		response.Body.Close()
		t.Error("Apache still answers after --stop")
	}
	run(t, relink(ctx, "demo", "--stop", dir), 1)
}

// tryAll runs the commands that the story proposes, as they are.
func tryAll(ctx context.Context, t *testing.T, story string) string {
	t.Helper()
	_, proposed, found := strings.Cut(story, "Try:\n")
	proposed, _, ended := strings.Cut(proposed, "Stop and remove")
	if !found || !ended {
		t.Fatalf("the story proposes nothing:\n%s", story)
	}
	var out strings.Builder
	for line := range strings.Lines(proposed) {
		out.WriteString(run(t, exec.CommandContext(ctx, "bash", "-c", line), 0))
	}
	return out.String()
}

func run(t *testing.T, cmd *exec.Cmd, exit int) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if code := cmd.ProcessState.ExitCode(); code != exit {
		t.Fatalf("%s: exit %d, want %d: %v\n%s\n%s", cmd, code, exit, err, out, &stderr)
	}
	return string(out)
}

func get(t *testing.T, url, host string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(testContext(t), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func gone(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", dir, err)
	}
}

// Whenever the demo is interrupted, it leaves no process and no folder.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"at once":              "One moment",
		"in the first deploy":  "$ relink deploy v1",
		"while the load runs":  "first alone",
		"in a deploy with all": "$ relink deploy v2 --all",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := newFolder(t)
			cmd := relink(testContext(t), "demo", "--instances", "2", "--pause", pause.String(), "--keep", "--dir", dir)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for lines.Scan() && !strings.Contains(lines.Text(), line) {
			}
			family := descendants(t, cmd.Process.Pid)
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			rest, _ := io.ReadAll(out)
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 130 {
				t.Errorf("exit %d, want 130\n%s\n%s", code, rest, &stderr)
			}
			gone(t, dir)
			for _, p := range family {
				if p.alive() {
					t.Errorf("process %d (%s) is left", p.pid, p.command)
				}
			}
		})
	}
}

// The promises hold in the other set-ups too, and the story is theirs.
func TestSetUps(t *testing.T) {
	t.Parallel()
	for setUp, want := range map[demo.SetUp]string{
		demo.Revalidated: "from the first moved link to the last swept worker",
		demo.Keyed:       "by now from a repeat of it",
		demo.ModPHP:      "by apache2handler",
	} {
		t.Run(string(setUp), func(t *testing.T) {
			t.Parallel()
			dir := newFolder(t)
			var out bytes.Buffer
			err := demo.Run(testContext(t), demo.Options{
				SetUp: setUp, Instances: 2, Dir: dir, Executable: binary, Alone: time.Second, Watch: time.Second, Pause: pause,
				Out: &out, Screen: ui.New(io.Discard, ui.Options{}),
			})
			story := strings.Join(strings.Fields(out.String()), " ")
			if err != nil || !strings.Contains(story, want) || !strings.Contains(story, "2 of 2 sites proven through Apache") {
				t.Errorf("%q is not in it: %v\n%s", want, err, &out)
			}
			gone(t, dir)
		})
	}
}

// Without the cache work the promises do not hold, and the demo says so.
func TestBrokenPromise(t *testing.T) {
	t.Parallel()
	wrapper := filepath.Join(t.TempDir(), "relink")
	script := fmt.Sprintf(`#!/bin/bash
for arg; do [ "$arg" = --smart-reset ] && arg=--reset=never; args+=("$arg"); done
exec %q "${args[@]}"
`, binary)
	if err := os.WriteFile(wrapper, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := newFolder(t)
	var out bytes.Buffer
	err := demo.Run(testContext(t), demo.Options{
		SetUp: demo.Keyed, Instances: 2, Dir: dir, Executable: wrapper, Alone: time.Second, Watch: time.Second, Pause: pause,
		Out: &out, Screen: ui.New(io.Discard, ui.Options{}),
	})
	if !errors.Is(err, demo.ErrPromise) || !strings.Contains(err.Error(), "of the old release began after the command had returned") {
		t.Errorf("error %v\n%s", err, &out)
	}
	gone(t, dir)
}
