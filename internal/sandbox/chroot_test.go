//go:build phpversions

package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// RELINK_PHP_ROOTS names root file systems with other PHP versions, as
// ".ci/setup php" makes them, separated by ':'.
func TestPHPVersionsAnswer(t *testing.T) {
	roots := filepath.SplitList(os.Getenv("RELINK_PHP_ROOTS"))
	if len(roots) == 0 {
		t.Fatal("RELINK_PHP_ROOTS is not set: run make test-php")
	}
	for _, chroot := range roots {
		t.Run(filepath.Base(chroot), func(t *testing.T) {
			binary, err := FindFPM(chroot)
			if err != nil {
				t.Fatal(err)
			}
			root := testRoot(t)
			dir := page(t, filepath.Join(root, "www"), "page")
			code := "<?php echo PHP_VERSION, ' ', opcache_get_status(false)['opcache_enabled'] ? 'on' : 'off', ' ', ini_get('opcache.validate_timestamps');"
			if err := os.WriteFile(filepath.Join(dir, "index.php"), []byte(code), 0o644); err != nil {
				t.Fatal(err)
			}
			s := start(t, Options{Root: root, FPMBinary: binary, FPMCommand: InChroot(chroot, root), Sites: []Site{{Host: "a.test", DocumentRoot: dir}}})
			_, body := get(t, s.URL(), "a.test", "/")
			if !strings.HasPrefix(body, filepath.Base(chroot)+".") || !strings.HasSuffix(body, " on 0") {
				t.Errorf("PHP %s in %s answered %q", filepath.Base(chroot), chroot, body)
			}
		})
	}
}
