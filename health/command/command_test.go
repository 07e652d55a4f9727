package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"relink/health"
	"relink/health/render"
	"relink/internal/sandbox"
	"relink/internal/schematest"
)

// ran is what one run of the program printed.
type ran struct {
	code           int
	stdout, stderr string
}

// execute runs a command line, with $RELINK for the program.
func execute(t *testing.T, configuration string, line ...string) ran {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for i := range line {
		line[i] = strings.ReplaceAll(line[i], "$RELINK", self)
	}
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	cmd.Env = append(os.Environ(), asProgram+"="+configuration, "NO_COLOR=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ran{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// configuration writes that of the scene.
func (s *scene) configuration(extra string) string {
	s.t.Helper()
	pools := ""
	for _, p := range s.server.Pools() {
		pools += fmt.Sprintf("  - {address: \"%s\", status_path: %s, agent_dir: \"%s\"}\n", p.Address, sandbox.StatusPath, s.server.AgentDir())
	}
	text := strings.ReplaceAll(`state_dir: ROOT/state
apps:
  booking:
    source: {dir: "ROOT/source/{ref}"}
    releases: ROOT/releases
    min_free: 1
    instances: {club1: ROOT/www/club1, club2: ROOT/www/club2}
`, "ROOT", s.root) + "pools:\n" + pools + extra
	path := s.path("relink.yaml")
	s.must(os.WriteFile(path, []byte(text), 0o644))
	return path
}

func TestCommand(t *testing.T) {
	s := newScene(t)
	file := s.configuration("")
	healthy := execute(t, file, "$RELINK", "health")
	if healthy.code != 0 || !strings.Contains(healthy.stdout, "\nOK: 33 ok in ") || healthy.stderr != "" {
		t.Errorf("%+v", healthy)
	}
	s.link("club1", "gone")
	broken := execute(t, file, "$RELINK", "health", "--check", "links,deploy", "--format", "json")
	var d render.Document
	if err := errors.Join(schematest.Check("health", []byte(broken.stdout)), json.Unmarshal([]byte(broken.stdout), &d)); err != nil {
		t.Fatal(err)
	}
	if broken.code != 2 || d.Version != render.DocumentVersion || d.State != health.Critical || d.Exit != 2 || len(d.Results) != 2 || d.Results[0].Check != "links" {
		t.Errorf("%+v", broken)
	}
	if r := execute(t, file, "$RELINK", "--format", "json", "health", "--check", "pool"); r.code != 0 || !strings.HasPrefix(r.stdout, "{") {
		t.Errorf("%+v", r)
	}
	skipping := s.configuration("health: {skip: [links]}\n")
	if r := execute(t, skipping, "$RELINK", "health"); r.code != 0 || strings.Contains(r.stdout, "links ") {
		t.Errorf("%+v", r)
	}
	if r := execute(t, skipping, "$RELINK", "health", "--check", "links"); r.code != 2 {
		t.Errorf("%+v", r)
	}
}

// Whatever is wrong with the command itself is UNKNOWN, and on stdout where only
// that is read.
func TestCommandThatCannotCheckIsUnknown(t *testing.T) {
	dir := t.TempDir()
	wrong := filepath.Join(dir, "wrong.yaml")
	for path, text := range map[string]string{wrong: "healht: {}\n", filepath.Join(dir, "skip.yaml"): "health: {skip: [memori]}\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		file   string
		args   []string
		stdout string
		stderr string
	}{
		{wrong, nil, "", "did you mean \"health\"?"},
		{wrong, []string{"--format", "nagios"}, "RELINK UNKNOWN - 1 unknown, 0 ok: health relink: " + wrong + ":1:1: healht: unknown key", ""},
		{wrong, []string{"--format", "json"}, `"state": "UNKNOWN"`, ""},
		{wrong, []string{"--format", "prometheus"}, `relink_check_state{check="health",subject="relink"} 3`, ""},
		{filepath.Join(dir, "none.yaml"), []string{"--format", "nagios"}, "RELINK UNKNOWN - 1 unknown, 0 ok: health relink: read configuration", ""},
		{filepath.Join(dir, "skip.yaml"), nil, "", "hint: did you mean memory?"},
		{wrong, []string{"--check", "memroy"}, "", "hint: did you mean memory?"},
		{wrong, []string{"--format", "nagois"}, "", "hint: give --format text, json, nagios, prometheus"},
		{wrong, []string{"memory"}, "", "hint: name checks with --check memory"},
		{wrong, []string{"--textfile", dir + "/metrics"}, "", "end in .prom"},
	} {
		r := execute(t, c.file, append([]string{"$RELINK", "health"}, c.args...)...)
		if r.code != 3 || !strings.Contains(r.stdout, c.stdout) || (c.stdout == "") != (r.stdout == "") || !strings.Contains(r.stderr, c.stderr) {
			t.Errorf("%v: %+v", c.args, r)
		}
	}
}

func TestPoolsAreAskedAsConfigured(t *testing.T) {
	d, _ := FromConfig(parsed(t, "pools: [{address: /run/a.sock, status_path: /s, agent_dir: /srv/jail/agent, path_map: [{host: /srv/jail, pool: /}]}, {address: \"tcp:127.0.0.1:9000\"}]\n"))
	pools, err := d.Pools(t.Context())
	if err != nil || len(pools) != 2 || !d.Configured {
		t.Fatal(pools, err)
	}
	if p := pools[0]; p.Address.String() != "unix:/run/a.sock" || p.StatusPath != "/s" || p.AgentDir != "/srv/jail/agent" || p.PathMap.ToPool("/srv/jail/www/x.php") != "/www/x.php" {
		t.Errorf("%+v", p)
	}
	if p := pools[1]; p.Address.String() != "tcp:127.0.0.1:9000" || p.PathMap != nil {
		t.Errorf("%+v", p)
	}
}

func TestExplain(t *testing.T) {
	all := execute(t, "/nonexistent", "$RELINK", "health", "--explain")
	if all.code != 0 || !strings.Contains(all.stdout, "  front-door\n") {
		t.Errorf("%+v", all)
	}
	for _, args := range [][]string{{"--explain", "memory"}, {"--explain", "--check", "memory"}} {
		one := execute(t, "/nonexistent", append([]string{"$RELINK", "health"}, args...)...)
		if one.code != 0 || !strings.HasPrefix(one.stdout, "opcache\n  memory\n    The share") || strings.Contains(one.stdout, "waste\n") {
			t.Errorf("%+v", one)
		}
	}
}

func TestTextfile(t *testing.T) {
	s := newScene(t)
	file := s.configuration("")
	to := s.path("relink.prom")
	r := execute(t, file, "$RELINK", "health", "--textfile", to)
	if r.code != 0 || r.stdout != "" || r.stderr != "" {
		t.Errorf("%+v", r)
	}
	text := readFile(t, to)
	if !strings.Contains(text, "\nrelink_pool_up{pool=\"unix:") || !strings.Contains(text, "\nrelink_opcache_memory_bytes{") {
		t.Error(text)
	}
	lint(t, text)
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o644 {
		t.Error(info, err)
	}
	s.must(s.server.StopMaster("php"))
	if r := execute(t, file, "$RELINK", "health", "--textfile", to); r.code != 2 || !strings.Contains(readFile(t, to), "\nrelink_pool_up{pool=\"unix:"+s.path("srv", "run", "www.sock")+"\"} 0\n") {
		t.Errorf("%+v", r)
	}
	if r := execute(t, file, "$RELINK", "health", "--textfile", s.path("none", "x.prom")); r.code != 3 || !strings.Contains(r.stderr, "no such file") {
		t.Errorf("%+v", r)
	}
}

// lint is what "promtool check metrics" does.
func lint(t *testing.T, text string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
