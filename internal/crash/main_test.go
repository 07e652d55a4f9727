// Package crash holds the tests that end relink at each of its system calls that
// change something, and that have each of them fail.
package crash

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMain is the test, or the tracer, as which it starts itself.
func TestMain(m *testing.M) {
	if os.Getenv(tracerVariable) != "" {
		traceMain()
		return
	}
	os.Exit(withProgram(m.Run))
}

// withProgram builds relink as it is delivered and has PATH lead to it.
func withProgram(run func() int) int {
	dir, err := os.MkdirTemp("", "relink-bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "relink")
	if out, err := exec.Command("go", "build", "-o", program, "relink").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build relink: %v\n%s", err, out)
		return 1
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.Setenv("PATH", dir+":"+os.Getenv("PATH"))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run()
}
