package health

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/sandbox"
	"relink/opcache"
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
	s.fires(results, "process-control-timeout", Warning, "www.sock", "kills the requests")
	s.fires(results, "process-control-timeout", OK, "shop.sock", "10 s")
	s.fires(results, "validate-timestamps", Warning, "www.sock", "booking")
	s.fires(results, "revalidate-path", OK, "www.sock", "revalidated", "docs/setups.md")
	s.fires(results, "file-update-protection", Warning, "www.sock", "10 s")
	s.fires(results, "status-page", Warning, "www.sock")
	s.fires(results, "preload", Warning, "www.sock", "part.php")
	s.fires(results, "file-cache", Warning, "www.sock", "shop.sock")
	s.fires(results, "file-cache", Warning, "shop.sock")
	s.fires(results, "realpath-cache", Warning, "www.sock", "of realpath_cache_size 2 KB")
	s.fires(results, "max-children", Unknown, "www.sock", "no status page")
	for _, check := range []string{"process-control-timeout", "validate-timestamps", "revalidate-path", "file-update-protection", "status-page", "preload", "realpath-cache"} {
		s.fires(results, check, OK, "shop.sock")
	}
}

// opcache.revalidate_path is for links: with real paths it is of no use.
func TestRevalidatePath(t *testing.T) {
	for name, c := range map[string]struct {
		fronts []Front
		pools  []string
		want   State
		text   string
	}{
		"not asked":     {nil, nil, OK, "is the sweep alone"},
		"through links": {[]Front{{SetUp: opcache.Resolved}, {SetUp: opcache.Revalidated}}, nil, OK, "is the sweep alone"},
		"one is hidden": {[]Front{{SetUp: opcache.Resolved}, {Err: os.ErrDeadlineExceeded}}, nil, OK, "is the sweep alone"},
		"real paths":    {[]Front{{SetUp: opcache.Resolved}, {SetUp: opcache.Resolved}}, nil, Warning, "though the web server sends real paths"},
		"by another":    {[]Front{{SetUp: opcache.Resolved}}, []string{"unix:/b.sock"}, OK, "is the sweep alone"},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			f.Masters[0].Configuration.RevalidatePath = true
			f.Apps[0].Fronts, f.Apps[0].Pools = c.fronts, c.pools
			for _, r := range Evaluate(f, limits(t)) {
				if r.Check == "revalidate-path" && (r.State != c.want || !strings.Contains(r.Message, c.text)) {
					t.Errorf("%s: %s", r.State, r.Message)
				}
			}
		})
	}
}

func TestAcceleratedFiles(t *testing.T) {
	s := newScene(t, withINI(map[string]string{"opcache.max_accelerated_files": "200"}))
	for _, page := range []string{"index.php", "page.php"} {
		s.get("www", s.path("www", "club1", page))
	}
	s.fires(s.evaluate(), "max-accelerated-files", OK)
	s.fill("others", 216, 1)
	s.fires(s.evaluate(), "max-accelerated-files", Warning, "223 keys are too few", "the next release needs 3 more")
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
	s.fires(results, "xdebug", Warning, "xdebug extension is loaded")
	s.quiet(results, "xdebug")
}
