package fleettest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"relink/internal/browsertest"
)

// asHost has the test's own program be the servers of one host: its value is the file that
// says which.
const asHost = "RELINK_FLEET_HOST"

func TestMain(m *testing.M) {
	if spec := os.Getenv(asHost); spec != "" {
		if err := serveHost(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(withProgram(func() int { return browsertest.Main(m) }))
}

// programs is a folder for what the tests build.
var programs string

func withProgram(run func() int) int {
	dir, err := os.MkdirTemp("", "relink-bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs = dir
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "relink"), "relink").CombinedOutput()
	if err = errors.Join(err, os.Setenv("PATH", dir+":"+os.Getenv("PATH"))); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return run()
}
