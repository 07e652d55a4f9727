package proc_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"relink/internal/proc"
)

// Anybody may give his process a command line of any length, and relink looks at all
// processes of the machine.
func TestATitleIsBounded(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "echo; read line", strings.Repeat("x", 100_000))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	title := proc.Title(proc.Of(cmd.Process.Pid))
	if !strings.HasPrefix(title, "/bin/sh -c echo; read line xxx") || len(title) > 8<<10 {
		t.Errorf("%d bytes: %.60q", len(title), title)
	}
	in.Close()
	cmd.Wait()
}

func TestMaps(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := self[strings.LastIndexByte(self, '/')+1:]
	for name, want := range map[string]bool{name: true, "no such file": false} {
		if got, err := proc.Maps(os.Getpid(), name); got != want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// Any user may start processes by the hundred.
func TestListingProcessesOpensNoFiles(t *testing.T) {
	before, err := proc.OpenFiles(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	all, err := proc.All(t.Context())
	if err != nil || len(all) < 2 {
		t.Fatal(len(all), err)
	}
	for _, p := range all {
		proc.Title(p)
		proc.Name(p)
		p.PpidWithContext(t.Context())
		p.UidsWithContext(t.Context())
	}
	after, err := proc.OpenFiles(os.Getpid())
	if err != nil || len(after) > len(before)+1 {
		t.Errorf("%d files are open, before %d: %v", len(after), len(before), err)
	}
}
