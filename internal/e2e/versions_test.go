//go:build phpversions

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/sandbox"
)

// TestPHPVersions runs whole deploys under load on the PHP-FPM of other root file
// systems, those that RELINK_PHP_ROOTS names, separated by colons.
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
		t.Run(filepath.Base(root), func(t *testing.T) {
			t.Parallel()
			deployUnderLoad(t, newTown(t, synthetic, func(o *sandbox.Options) {
				o.FPMBinary, o.FPMCommand = binary, sandbox.InChroot(root, filepath.Dir(o.Root))
			}))
		})
	}
}
