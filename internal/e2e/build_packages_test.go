//go:build packages

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func checkout(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func buildPackages(t *testing.T, root, version, folder string, env ...string) {
	t.Helper()
	command := exec.Command(filepath.Join(root, "packaging", "build"), version, folder)
	command.Env = append(os.Environ(), env...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
