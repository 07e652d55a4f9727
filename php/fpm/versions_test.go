//go:build phpversions

package fpm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/sandbox"
)

// TestPHPVersions finds the masters of the PHP-FPM of other root file systems, those
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
		t.Run(filepath.Base(root), func(t *testing.T) { testMasters(t, on) })
	}
}
