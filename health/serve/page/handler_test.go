package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func ask(h http.Handler, method, target string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	must(t, err)
	return string(text)
}

func TestPolicy(t *testing.T) {
	const want = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	h := Handler(feedOf(t, fixture()))
	for _, target := range []string{"/", "/assets/page.js", "/nothing", "/assets/../model.go"} {
		r := ask(h, "GET", target)
		if got := r.Header.Get("Content-Security-Policy"); got != want {
			t.Errorf("%s: %s", target, got)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", target, r.Header)
		}
	}
	// The policy would refuse them; none is there to begin with.
	if found := regexp.MustCompile(`(?i)<script>|<style| style=| on[a-z]+=|javascript:|//[a-z]`).FindString(body(t, ask(h, "GET", "/"))); found != "" {
		t.Errorf("the page has %q", found)
	}
}

func TestStatus(t *testing.T) {
	h := Handler(feedOf(t, fixture()))
	for _, c := range []struct {
		method, target string
		want           int
	}{
		{"GET", "/", 200}, {"HEAD", "/", 200}, {"POST", "/", 405}, {"DELETE", "/events", 405}, {"PUT", "/assets/page.js", 405},
		{"GET", "/index.html", 404}, {"GET", "/assets/", 404}, {"GET", "/assets/model.go", 404}, {"GET", "/assets/..%2fmodel.go", 404}, {"GET", "/assets/uPlot.LICENSE", 200},
	} {
		if got := ask(h, c.method, c.target).StatusCode; got != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.target, got, c.want)
		}
	}
}

// A browser that has the page, or a file, is not sent it again.
func TestTags(t *testing.T) {
	feed := feedOf(t, fixture())
	h := Handler(feed)
	page := ask(h, "GET", "/")
	if page.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%v", page.Header)
	}
	tag := page.Header.Get("ETag")
	if got := ask(h, "GET", "/", "If-None-Match", tag).StatusCode; got != http.StatusNotModified {
		t.Errorf("the same page: %d", got)
	}
	feed.Publish(later())
	if got := ask(h, "GET", "/", "If-None-Match", tag).StatusCode; got != http.StatusOK {
		t.Errorf("another page: %d", got)
	}
	for _, found := range regexp.MustCompile(`(?:src|href)="(assets/[^"]+\?v=[^"]+)"`).FindAllStringSubmatch(body(t, page), -1) {
		r := ask(h, "GET", "/"+found[1])
		if r.StatusCode != 200 || !strings.Contains(r.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", found[1], r.StatusCode, r.Header)
		}
		if got := ask(h, "GET", "/"+found[1], "If-None-Match", r.Header.Get("ETag")).StatusCode; got != http.StatusNotModified {
			t.Errorf("%s again: %d", found[1], got)
		}
	}
	if got := ask(h, "GET", "/assets/page.js?v=old").Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("a file of another build may be kept: %s", got)
	}
}

// Nothing has been looked at yet.
func TestEmptyPage(t *testing.T) {
	r := ask(Handler(&Feed{}), "GET", "/")
	text := body(t, r)
	for _, want := range []string{"no sample yet", "No check has run yet", "No application is configured", "No pool is known", "None is recorded"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// The embedded files of others are those that vendored.txt names.
func TestVendored(t *testing.T) {
	list, err := os.ReadFile("assets/vendored.txt")
	must(t, err)
	recorded := map[string]bool{}
	for line := range strings.Lines(string(list)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		sum := sha256.Sum256(assets[f[0]].content)
		if hex.EncodeToString(sum[:]) != f[3] {
			t.Errorf("%s is not the recorded file of %s", f[0], f[1])
		}
		recorded[f[0]] = true
	}
	files, err := filepath.Glob("assets/uPlot*")
	must(t, err)
	if len(files) != len(recorded) || len(files) != 3 {
		t.Errorf("%d files, %d recorded", len(files), len(recorded))
	}
	if !bytes.Contains(assets["uPlot.LICENSE"].content, []byte("The MIT License")) {
		t.Error("no licence")
	}
}
