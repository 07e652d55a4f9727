package command

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"relink/health"
	"relink/internal/sandbox"
	"relink/php"
)

func noPools(context.Context) ([]php.Pool, error) { return nil, nil }

func TestDoctor(t *testing.T) {
	ini := map[string]string{
		"opcache.validate_timestamps": "1", "opcache.revalidate_path": "1", "opcache.file_update_protection": "10",
		"opcache.file_cache": "ROOT/releases", "opcache.preload": "ROOT/releases/v1/part.php", "opcache.preload_user": "www-data",
		"realpath_cache_size": "2K",
	}
	bad := sandbox.Master{Name: "bad", INI: ini, Pools: []sandbox.Pool{{Name: "www", Workers: 1, NoStatusPage: true}}}
	other := sound("other", sandbox.Pool{Name: "shop", Workers: 1})
	other.INI["opcache.file_cache"] = "ROOT/releases"
	s := newScene(t, bad, other)
	s.get("www", s.path("www", "club1", "index.php"))
	s.fill("paths", 40, 1) // each has a place in the realpath cache
	results := s.evaluate()
	s.fires(results, "process-control-timeout", health.Warning, "www.sock", "kills the requests")
	s.fires(results, "process-control-timeout", health.OK, "shop.sock", "10 s")
	s.fires(results, "validate-timestamps", health.Warning, "www.sock", "booking")
	s.fires(results, "revalidate-path", health.OK, "www.sock", "revalidated", "docs/setups.md")
	s.fires(results, "file-update-protection", health.Warning, "www.sock", "10 s")
	s.fires(results, "status-page", health.Warning, "www.sock")
	s.fires(results, "preload", health.Warning, "www.sock", "part.php")
	s.fires(results, "file-cache", health.Warning, "www.sock", "shop.sock")
	s.fires(results, "file-cache", health.Warning, "shop.sock")
	s.fires(results, "realpath-cache", health.Warning, "www.sock", "of realpath_cache_size 2 KB")
	s.fires(results, "max-children", health.Unknown, "www.sock", "no status page")
	for _, check := range []string{"process-control-timeout", "validate-timestamps", "revalidate-path", "file-update-protection", "status-page", "preload", "realpath-cache"} {
		s.fires(results, check, health.OK, "shop.sock")
	}
}

func TestAcceleratedFiles(t *testing.T) {
	s := newScene(t, withINI(map[string]string{"opcache.max_accelerated_files": "200"}))
	for _, page := range []string{"index.php", "page.php"} {
		s.get("www", s.path("www", "club1", page))
	}
	s.fires(s.evaluate(), "max-accelerated-files", health.OK)
	s.fill("others", 216, 1)
	s.fires(s.evaluate(), "max-accelerated-files", health.Warning, "223 keys are too few", "the next release needs 3 more")
}

// What the check looks for is a file of that name in a worker's memory. The real
// extension would have to be installed for every PHP of the machine.
func TestXdebug(t *testing.T) {
	library := ""
	for _, path := range []string{"/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6", "/lib64/libm.so.6"} {
		if _, err := os.Stat(path); err == nil {
			library = path
		}
	}
	dir, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	preloaded := filepath.Join(dir, "xdebug.so")
	if err := os.WriteFile(preloaded, []byte(readFile(t, library)), 0o755); err != nil {
		t.Fatal(err)
	}
	binary, err := sandbox.FindFPM("/")
	if err != nil {
		t.Fatal(err)
	}
	s := startScene(t, sandbox.Options{FPMBinary: binary, FPMCommand: []string{"env", "LD_PRELOAD=" + preloaded}})
	results := s.evaluate()
	s.fires(results, "xdebug", health.Warning, "xdebug extension is loaded")
	s.quiet(results, "xdebug", "listen-queue") // who waits at this moment depends on the machine
}
