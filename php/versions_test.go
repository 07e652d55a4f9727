//go:build phpversions

package php_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/sandbox"
)

// TestPHPVersions runs the agent in the PHP-FPM of other root file systems, those
// that RELINK_PHP_ROOTS names, separated by colons.
func TestPHPVersions(t *testing.T) {
	roots := os.Getenv("RELINK_PHP_ROOTS")
	if roots == "" {
		t.Fatal("RELINK_PHP_ROOTS names no root file system with a PHP-FPM")
	}
	for _, root := range strings.Split(roots, ":") {
		root, err := filepath.Abs(root)
		if err != nil {
			t.Fatal(err)
		}
		binary, err := sandbox.FindFPM(root)
		if err != nil {
			t.Fatal(err)
		}
		on := platform{binary: binary, root: root}
		for _, o := range operations {
			t.Run(filepath.Base(root)+"/"+o.name, func(t *testing.T) {
				t.Parallel()
				o.test(t, on)
			})
		}
	}
}
