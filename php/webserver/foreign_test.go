package webserver_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"relink/internal/sandbox"
	"relink/php/webserver"
)

const nobody = 65534

// pretend runs a program that is called like a web server and is none.
func pretend(t *testing.T, path string, uid uint32) int {
	t.Helper()
	cmd := exec.Command(path, "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr = nil
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process.Pid
}

// A program that would leave a mark if it were run again.
func program(t *testing.T, path string) {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestWhatOthersRunIsANote(t *testing.T) {
	root, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	path := filepath.Join(root, "nginx")
	program(t, path)
	want := map[int]string{}
	if os.Geteuid() == 0 {
		want[pretend(t, path, nobody)] = "another user"
	}
	// Ours, from a folder in which others can replace it.
	open := filepath.Join(root, "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	program(t, filepath.Join(open, "apache2"))
	want[pretend(t, filepath.Join(open, "apache2"), uint32(os.Geteuid()))] = "can be written by others"
	// Ours, and no web server: it says so itself.
	want[pretend(t, path, uint32(os.Geteuid()))] = "refuses its configuration"
	_, notes, err := webserver.Discover(bound(t))
	if err != nil {
		t.Fatal(err)
	}
	for pid, text := range want {
		found := false
		for _, note := range notes {
			found = found || strings.Contains(note, fmt.Sprintf(" %d: ", pid)) && strings.Contains(note, text) && !strings.Contains(note, "\n")
		}
		if !found {
			t.Errorf("no note of %d says %q: %q", pid, text, notes)
		}
	}
}

// Any number of them hides nothing.
func TestManyForeignServersAreFewNotes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	root, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	path := filepath.Join(root, "nginx")
	program(t, path)
	for range 40 {
		pretend(t, path, nobody)
	}
	l := lay(t, "nginx.txtar")
	pid := l.run(t, []string{"PATH=/usr/sbin:/usr/bin"}, "nginx", "-p", l.root, "-c", l.path("nginx.conf"), "-g", "daemon off;")
	if len(own(t, pid)) != 4 {
		t.Error("the sites of the real server are missing")
	}
	_, notes, err := webserver.Discover(bound(t))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, note := range notes {
		count += strings.Count(note, "another user")
	}
	if count > 9 {
		t.Errorf("%d notes", count)
	}
}
