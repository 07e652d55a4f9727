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

// TestMain is the test, or what it starts itself as: the tracer, and what a
// tracer starts before it becomes the program that is traced.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(filterVariable) != "":
		becomeTraced(os.Args[1:])
	case os.Getenv(orderVariable) != "":
		traceMain(os.Args[1:])
	default:
		os.Exit(withProgram(m.Run))
	}
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
