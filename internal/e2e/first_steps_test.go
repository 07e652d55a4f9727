//go:build debian || packages

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"relink/deploy/status"
	"relink/internal/config"
	"relink/opcache"
	"relink/php/webserver"
)

// TestFirstSteps does what the manuals tell to do, line by line, on a stock
// Debian, the one that RELINK_DEBIAN_ROOT holds (.ci/setup debian).
func TestFirstSteps(t *testing.T) {
	root, err := filepath.Abs(os.Getenv("RELINK_DEBIAN_ROOT"))
	if err != nil || os.Getenv("RELINK_DEBIAN_ROOT") == "" {
		t.Fatal("RELINK_DEBIAN_ROOT names no root file system with a Debian: run make test-debian")
	}
	relink := filepath.Join(t.TempDir(), "relink")
	build := exec.Command("go", "build", "-o", relink, "relink")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	fpm := []string{"Apache and PHP-FPM", "Sites", "Configuration", "The first deploy"}
	inApache := []string{"The same with mod_php", "Sites", "Configuration", "The first deploy"}
	for _, one := range []struct {
		name, manual string
		chapters     []string
		setUp        opcache.Addressing
		handler      string
	}{
		{"FPM resolved", "apache.md", append(fpm[:4:4], "Real paths", "The next release"), opcache.Resolved, webserver.FPM},
		{"FPM revalidated", "apache.md", append(fpm[:4:4], "Revalidated", "The next release"), opcache.Revalidated, webserver.FPM},
		{"FPM keyed", "apache.md", append(fpm[:4:4], "The next release"), opcache.Keyed, webserver.FPM},
		{"mod_php resolved", "apache.md", append(inApache[:4:4], "Real paths with mod_php", "The next release"), opcache.Resolved, webserver.ModPHP},
		{"mod_php revalidated", "apache.md", append(inApache[:4:4], "Revalidated with mod_php", "The next release"), opcache.Revalidated, webserver.ModPHP},
		{"mod_php keyed", "apache.md", append(inApache[:4:4], "The next release"), opcache.Keyed, webserver.ModPHP},
		{"nginx", "nginx.md", []string{"Install", "Sites", "Configuration", "Deploy"}, opcache.Resolved, webserver.FPM},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, root, relink, "/usr/local/bin/relink")
			manual := readManual(t, one.manual)
			var printed strings.Builder
			for _, chapter := range one.chapters {
				blocks := manual[chapter]
				if len(blocks) == 0 {
					t.Fatalf("%s has no steps under %q", one.manual, chapter)
				}
				for _, block := range blocks {
					printed.WriteString(m.must(block))
				}
			}
			for _, page := range []string{"v1 for club1.example.org\n", "v2 for club2.example.org\n"} {
				if !strings.Contains("\n"+printed.String(), "\n"+page) {
					t.Errorf("no page %q in\n%s", page, printed.String())
				}
			}
			m.wantServed("v2", one.setUp)
			m.wantChain(one.setUp, one.handler)
		})
	}
}

// readManual gives the blocks of shell commands below each heading.
func readManual(t *testing.T, name string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	manual := map[string][]string{}
	heading, block, inside := "", "", ""
	for line := range strings.Lines(string(text)) {
		fence, isFence := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "```")
		switch {
		case isFence && inside == "":
			inside, block = fence+"```", ""
		case isFence:
			if inside == "sh```" {
				manual[heading] = append(manual[heading], block)
			}
			inside = ""
		case inside != "":
			block += line
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	return manual
}

// wantServed asks the sites, and relink about them.
func (m *machine) wantServed(tag string, setUp opcache.Addressing) {
	t := m.t
	t.Helper()
	for _, host := range []string{"club1.example.org", "club2.example.org"} {
		if page := m.must("curl -s -H 'Host: " + host + "' http://127.0.0.1/"); page != tag+" for "+host+"\n" {
			t.Errorf("%s answers %q", host, page)
		}
	}
	var checked struct{ Served []config.Served }
	if err := json.Unmarshal([]byte(m.must("relink --format json config check --probe")), &checked); err != nil {
		t.Fatal(err)
	}
	if len(checked.Served) != 2 {
		t.Errorf("served: %+v", checked.Served)
	}
	for _, one := range checked.Served {
		if one.SetUp != string(setUp) || !strings.HasSuffix(one.Release, "-"+tag) {
			t.Errorf("%+v, want %s and %s", one, setUp, tag)
		}
	}
	if setUp == opcache.Resolved {
		if out, ok := m.run("! grep -q map: /etc/relink/relink.yaml || relink apache check"); !ok {
			t.Errorf("relink apache check:\n%s", out)
		}
	}
	if out, ok := m.run("relink health --check front-door"); !ok {
		t.Errorf("relink health: %s", out)
	}
	if out, ok := m.run("relink health || test $? = 1"); !ok {
		t.Errorf("relink health: %s", out)
	}
}

// wantChain asks for the way from each host to its cache.
func (m *machine) wantChain(setUp opcache.Addressing, handler string) {
	t := m.t
	t.Helper()
	var status status.Status
	if err := json.Unmarshal([]byte(m.must("relink --format json status")), &status); err != nil {
		t.Fatal(err)
	}
	if status.SetUp != setUp || status.Cache != "" || len(status.Notes) != 0 {
		t.Errorf("set-up %q, cache %q, notes %q", status.SetUp, status.Cache, status.Notes)
	}
	for _, instance := range status.Instances {
		if len(instance.Sites) != 1 {
			t.Fatalf("%s has %d sites", instance.Name, len(instance.Sites))
		}
		site := instance.Sites[0]
		if site.Host != instance.Name+".example.org" || site.Handler != handler || site.OPcache == nil || site.OPcache.PID == 0 || site.OPcache.Started.IsZero() {
			t.Errorf("%s: %+v %+v", instance.Name, site, site.OPcache)
		}
	}
}
