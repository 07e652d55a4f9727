package apache_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"relink/deploy/apache"
	"relink/deploy/webmap"
	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/php/probe"
)

// relink runs "relink apache ..." on a configuration.
func relink(t *testing.T, text, format string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	env := &cli.Env{Out: &out, Stderr: &out}
	command := apache.Command(env, func() (*config.Config, error) { return config.Parse("relink.yaml", []byte(text)) })
	err := env.Run(t.Context(), append([]string{"relink", "--format", format, "apache"}, args...), command)
	return out.String(), err
}

const settings = `
state_dir: %[1]s/state
apps:
  booking:
    source: {dir: %[1]s/source}
    releases: %[1]s/releases
    docroot: public
    map: %[1]s/state/booking.map
    instances:
      club1: {link: %[1]s/www/club1, probe: {url: "http://%[2]s/", host: club1}}
      club2: {link: %[1]s/www/club2, probe: {url: "http://%[2]s/", host: club2.mass}}
`

// The whole way: the printed configuration in a running Apache, the probe in the
// releases, and the check of what arrives.
func TestConfigAndCheck(t *testing.T) {
	for _, sapi := range sapis {
		t.Run(sapi, func(t *testing.T) {
			s := newServer(t, sapi)
			check(t, os.Chmod(s.root+"/state", 0o755))
			secret, err := probe.EnsureSecret(s.root + "/state")
			check(t, err)
			for _, id := range []string{"v1", "v2"} {
				makeRelease(t, s, id)
				check(t, secret.Install(s.releases+"/"+id, "public", "booking", s.root+"/empty"))
			}
			s.link(t, "www/club1", "v1")
			s.link(t, "www/club2", "v2")
			both := webmap.Map{"club1": "v1", "club2.mass": "v2"}
			s.release(t, both)
			include := func(form string) string {
				args := []string{"config", "--form", form}
				if sapi == modPHP {
					script, err := relink(t, "", "text", "script")
					check(t, err)
					args = append(args, "--lua", s.file(t, "conf/document-root.lua", script))
				}
				text, err := relink(t, fmt.Sprintf(settings, s.root, "127.0.0.1:1"), "text", args...)
				check(t, err)
				return s.file(t, "conf/"+form+".conf", text)
			}
			s.start(t, sapi, vhost("club1", "DocumentRoot "+s.root+"/www/club1/public", "Define RELINK_INSTANCE club1", "Include "+include("vhost"))+
				vhost("mass", "ServerAlias *.mass", "DocumentRoot "+s.root+"/empty", "Include "+include("mass"))+
				vhost("linked", "DocumentRoot "+s.root+"/www/club1/public"))
			yaml := fmt.Sprintf(settings, s.root, s.address)

			out, err := relink(t, yaml, "text", "check")
			if err != nil || strings.Count(out, "real") != 2 {
				t.Errorf("%v\n%s\n%s", err, out, s.log())
			}
			s.release(t, webmap.Map{"club1": "v2", "club2.mass": "v2"})
			out, err = relink(t, yaml, "json", "check")
			var result apache.Result
			if err := json.Unmarshal([]byte(out), &result); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if !errors.Is(err, apache.ErrNotResolved) || !exit.IsPrinted(err) || result.Exit != 1 || result.Sites[0].Serves != "v2" || result.Sites[0].Resolved || !result.Sites[1].Resolved {
				t.Errorf("%v\n%s", err, out)
			}
			s.release(t, both)
			out, err = relink(t, strings.Replace(yaml, "host: club1}", "host: linked}", 1), "text", "check")
			if !errors.Is(err, apache.ErrNotResolved) || !strings.Contains(out, "sends no real path") || !strings.Contains(out, s.root+"/www/club1/public/relink-") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestCommandRefuses(t *testing.T) {
	yaml := fmt.Sprintf(settings, "/srv", "127.0.0.1:1")
	for _, args := range [][]string{
		{"config", "--form", "x"}, {"config", "--prefix", "/x"}, {"config", "--form", "alias"}, {"config", "--form", "alias", "--prefix", "/"},
		{"config", "--form", "alias", "--prefix", "x"}, {"config", "--form", "alias", "--prefix", "/a/../b"}, {"config", "--form", "alias", "--prefix", "/a b"},
		{"config", "--allow-override", "All\nX"}, {"config", "--lua", "x.lua"}, {"config", "--lua", "/a\"b"}, {"config", "more"}, {"check", "more"}, {"script", "more"},
	} {
		if out, err := relink(t, yaml, "text", args...); !errors.Is(err, exit.ErrUsage) || out != "" {
			t.Errorf("%q: %v %s", args, err, out)
		}
	}
	if _, err := relink(t, strings.Replace(yaml, "map:", "# map:", 1), "text", "config"); !errors.Is(err, exit.ErrUsage) {
		t.Error(err)
	}
	if _, err := relink(t, strings.Replace(yaml, "docroot: public", `docroot: "a${b}"`, 1), "text", "config"); !errors.Is(err, apache.ErrInclude) {
		t.Error(err)
	}
}

// The manual shows what the command prints.
func TestManualShowsTheInclude(t *testing.T) {
	manual, err := os.ReadFile("../../docs/apache.md")
	check(t, err)
	yaml := strings.NewReplacer("%[1]s/releases", "/srv/releases/booking", "%[1]s/state/booking.map", "/var/lib/relink/booking.map", "%[1]s", "/srv", "%[2]s", "127.0.0.1").Replace(settings)
	for _, args := range [][]string{{"config"}, {"config", "--form", "mass"}, {"config", "--form", "alias", "--prefix", "/booking"}} {
		out, err := relink(t, yaml, "text", args...)
		if err != nil || !strings.Contains(string(manual), "```apache\n"+out+"```") {
			t.Errorf("relink apache %s: %v; docs/apache.md does not show\n%s", strings.Join(args, " "), err, out)
		}
	}
	if !strings.Contains(string(manual), "```lua\n"+apache.Script+"```") {
		t.Error("docs/apache.md does not show the script")
	}
}
