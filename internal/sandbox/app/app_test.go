package app_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/internal/sandbox"
	"relink/internal/sandbox/app"
)

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// release checks a tag out below root.
func release(t *testing.T, a app.App, root, tag string) string {
	t.Helper()
	dir := filepath.Join(root, "releases", tag)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(testContext(t), "git", "--git-dir", a.Repository, "--work-tree", dir, "checkout", "--quiet", "--force", tag, "--", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

type page struct {
	status int
	body   []byte
	header http.Header
}

func get(t *testing.T, s *sandbox.Server, host, path string) page {
	t.Helper()
	request, err := http.NewRequestWithContext(testContext(t), http.MethodGet, s.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return page{response.StatusCode, body, response.Header}
}

// serve runs both releases of the application, each at a host named like its tag.
func serve(t *testing.T, a app.App, dir string) *sandbox.Server {
	t.Helper()
	var sites []sandbox.Site
	for _, tag := range []string{"v1", "v2"} {
		data := filepath.Join(dir, "data", tag)
		if err := a.Prepare(data); err != nil {
			t.Fatal(err)
		}
		sites = append(sites, sandbox.Site{Host: tag, DocumentRoot: filepath.Join(release(t, a, dir, tag), a.DocRoot), Env: a.Env(data, "Wiki "+tag)})
	}
	s, err := sandbox.Start(testContext(t), sandbox.Options{Root: dir, Sites: sites})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestDokuWikiRenders(t *testing.T) {
	t.Parallel()
	a, err := app.Fetch(testContext(t), "")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, a, root(t))
	for _, tag := range []string{"v1", "v2"} {
		for _, path := range append(a.Paths, a.Cheap, a.Slow+"?s=0") {
			p := get(t, s, tag, path)
			if got := a.Release(p.body, p.header); p.status != http.StatusOK || got != tag {
				t.Errorf("%s%s: status %d, release %q:\n%s", tag, path, p.status, got, p.body)
			}
		}
	}
	start := string(get(t, s, "v2", a.Paths[0]).body)
	for _, want := range []string{"<strong>symbolic link</strong>", "<table class=\"inline\">", "class=\"code php\"", "New in v2", "Wiki v2"} {
		if !strings.Contains(start, want) {
			t.Errorf("the start page has no %s:\n%s", want, start)
		}
	}
	for _, log := range []string{s.PHPLog(), s.WebLog(), s.FPMLog()} {
		noErrors(t, log)
	}
}

func noErrors(t *testing.T, log string) {
	t.Helper()
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, "PHP ") || strings.Contains(line, "error") || strings.Contains(line, "WARNING") {
			t.Errorf("%s: %s", filepath.Base(log), line)
		}
	}
}

func TestRelease(t *testing.T) {
	header := http.Header{app.ReleaseHeader: {"v1"}}
	for _, c := range []struct {
		name, body string
		header     http.Header
		want       string
	}{
		{"page", "<html><!-- template v1 --></html>", header, "v1"},
		{"page of two releases", "<html><!-- template v2 --></html>", header, app.Mixed},
		{"page cut off", "<html>", header, ""},
		{"no page of ours", "<html><!-- template v1 --></html>", http.Header{}, ""},
		{"cheap", "release v1", header, "v1"},
		{"slow", "release v1 part v1", header, "v1"},
		{"slow, cut over in between", "release v1 part v2", header, app.Mixed},
	} {
		if got := (app.App{}).Release([]byte(c.body), c.header); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
