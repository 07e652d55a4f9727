package config_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/hint"

	"github.com/google/go-cmp/cmp"
)

func run(t *testing.T, file string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	load := func() (*config.Config, error) { return config.Load(file) }
	env := &cli.Env{Out: &out, Stderr: &out}
	err := env.Run(t.Context(), append([]string{"relink"}, args...), config.Command(env, load, serving))
	return out.String(), err
}

// serving is what a server tells of its only application.
func serving(_ context.Context, c *config.Config, ask bool) ([]config.Served, error) {
	if len(c.Apps) == 0 || c.Apps[0].Name != "served" {
		return nil, nil
	}
	if !ask {
		return []config.Served{{App: "served", SetUp: "keyed"}}, nil
	}
	return []config.Served{
		{App: "served", Instance: "club1", SetUp: "resolved", Release: "v1", By: "PHP 8.2.1 (fpm-fcgi), pid 7"},
		{App: "served", Instance: "club2", Error: "status 404"},
	}, nil
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// server is a folder like the root of a server on which all that a
// configuration names exists, and that configuration.
func server(t *testing.T) (root, text string) {
	root = t.TempDir()
	for _, dir := range []string{"git", "releases", "shared", "www"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, root+"/fpm.sock", "")
	return root, strings.ReplaceAll(`apps:
  booking:
    source: {git: ROOT/git}
    releases: ROOT/releases
    shared: [.env]
    instances: {club1: ROOT/www/club1, club2: ROOT/www/club2}
pools: [{address: ROOT/fpm.sock}]
`, "ROOT", root)
}

func TestCheckOfAGoodConfiguration(t *testing.T) {
	root, text := server(t)
	out, err := run(t, write(t, root+"/relink.yaml", text), "config", "check")
	if want := "ok: 1 application, 2 instances, 1 pool\n"; err != nil || out != want {
		t.Errorf("%v\n%s", err, cmp.Diff(want, out))
	}
}

// What root runs by a configuration, whoever may write it would choose.
func TestRootRefusesWhatOthersMayWrite(t *testing.T) {
	if os.Geteuid() != 0 {
		return // who is not root runs what he may run anyway
	}
	root, text := server(t)
	state := root + "/state"
	if err := os.Mkdir(state, 0o755); err != nil {
		t.Fatal(err)
	}
	file := write(t, root+"/relink.yaml", "state_dir: "+state+"\n"+text)
	for name, c := range map[string]struct {
		spoil  func() error
		mend   func() error
		advice string
	}{
		"writable file":   {func() error { return os.Chmod(file, 0o666) }, func() error { return os.Chmod(file, 0o644) }, "chmod go-w " + file},
		"another's file":  {func() error { return os.Chown(file, 65534, 0) }, func() error { return os.Chown(file, 0, 0) }, "chown -h root " + file},
		"writable folder": {func() error { return os.Chmod(root, 0o777) }, func() error { return os.Chmod(root, 0o755) }, "chmod go-w " + root},
		"another's state": {func() error { return os.Chown(state, 65534, 0) }, func() error { return os.Chown(state, 0, 0) }, "chown -h root " + state},
	} {
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		_, err := run(t, file, "config", "check")
		if !errors.Is(err, config.ErrInvalid) || !strings.Contains(strings.Join(hint.Of(err), "\n"), c.advice) {
			t.Errorf("%s: %v, %q", name, err, hint.Of(err))
		}
		if err := c.mend(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := run(t, file, "config", "check"); err != nil {
		t.Error(err)
	}
}

func TestCheckWarnsOfTheDiskAndChangesNothing(t *testing.T) {
	root, text := server(t)
	for _, name := range []string{"git", "releases", "shared", "fpm.sock"} {
		if err := os.Remove(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, root+"/www/club1", "a file")
	text = strings.Replace(text, "club2: "+root+"/www/club2", "a: "+root+"/new/a, b: "+root+"/new/b", 1)
	text = strings.Replace(text, "shared: [.env]", "shared: [.env]\n    instances_from: "+root+"/none/*/current", 1)
	file := write(t, root+"/relink.yaml", text)
	before := tree(t, root)
	out, err := run(t, file, "config", "check")
	out = strings.ReplaceAll(out, "\n   ", " ") // what is long is folded
	want := strings.ReplaceAll(`ok: 1 application, 3 instances, 1 pool
warning: booking: the releases folder ROOT/releases does not exist yet
warning: booking: the source ROOT/git does not exist
warning: booking: the folder of shared files ROOT/shared does not exist yet
warning: booking: instance club1: ROOT/www/club1 is not a symbolic link
warning: booking: the folder ROOT/new does not exist; it holds the link of a, b
warning: pool unix:ROOT/fpm.sock: no such socket
`, "ROOT", root)
	if diff := cmp.Diff(want, out); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if diff := cmp.Diff(before, tree(t, root)); diff != "" {
		t.Errorf("check changed the disk: %s", diff)
	}
}

func tree(t *testing.T, root string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestCheckWithoutApplications(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "relink.yaml"), "")
	out, err := run(t, file, "config", "check", "--format", "json")
	want := `{"valid":true,"file":"` + file + `","applications":0,"instances":0,"pools":0,"served":[],` +
		`"warnings":["no application is configured: there is nothing to deploy"]}`
	if diff := cmp.Diff(want, compact(t, out)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	out, _ = run(t, file, "config", "check")
	if !strings.HasPrefix(out, "ok: 0 applications, 0 instances, pools of the running FPM masters\n") {
		t.Error(out)
	}
}

func compact(t *testing.T, document string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(document)); err != nil {
		t.Fatalf("%v: %s", err, document)
	}
	return strings.TrimSpace(out.String())
}

func TestFormatIsTakenBeforeAndBehindTheCommand(t *testing.T) {
	root, text := server(t)
	file := write(t, root+"/relink.yaml", text)
	for _, args := range [][]string{
		{"config", "show", "--format", "json"}, {"--format", "json", "config", "show"},
		{"--format", "text", "config", "show", "--format", "json"},
	} {
		if out, err := run(t, file, args...); err != nil || !strings.HasPrefix(out, "{\n  \"state_dir\": ") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	if out, err := run(t, file, "config", "show"); err != nil || !strings.HasPrefix(out, "# "+file+" with its defaults\nstate_dir: ") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err := run(t, file, "config", "show", "--format", "josn")
	if diff := cmp.Diff([]string{"give --format text, json, yaml"}, hint.Of(err)); diff != "" || !errors.Is(err, exit.ErrUsage) || err.Error() != `no format "josn"` {
		t.Errorf("%v\n%s", err, diff)
	}
	if out != "" {
		t.Errorf("a refused command printed %q", out)
	}
}

func TestWrongConfigurationPrintsNothingToStdout(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "relink.yaml"), "apps: 1\n")
	for _, command := range []string{"check", "show"} {
		out, err := run(t, file, "config", command)
		if !errors.Is(err, config.ErrInvalid) || out != "" {
			t.Errorf("%s: %v %q", command, err, out)
		}
	}
}

func TestCheckTellsHowInstancesAreServed(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "relink.yaml"), `
apps:
  served: {source: {git: /srv/git/x.git}, releases: /srv/releases/x, instances: {club1: /var/www/club1}}
`)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"config", "check"}, "served: keyed, at its last deploy\n"},
		{[]string{"config", "check", "--probe"}, "served club1: resolved, serves v1 by PHP 8.2.1 (fpm-fcgi), pid 7\nserved club2: cannot be asked: status 404\n"},
	} {
		out, err := run(t, file, c.args...)
		if err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%q: %v: %s", c.args, err, out)
		}
	}
	out, err := run(t, file, "config", "check", "--probe", "--format", "json")
	if err != nil || !strings.Contains(compact(t, out), `"instance":"club2","error":"status 404"`) {
		t.Errorf("%v: %s", err, out)
	}
}
