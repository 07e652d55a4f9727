package probe_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/internal/hint"
	"relink/php/probe"
)

func TestInstall(t *testing.T) {
	previous := syscall.Umask(0o077)
	defer syscall.Umask(previous)
	var secret probe.Secret
	release := t.TempDir()
	must(t, os.MkdirAll(release+"/real/public", 0o755), os.Symlink("real", release+"/linked"))
	outside := writeFile(t, t.TempDir()+"/outside", "kept")
	for _, docroot := range []string{"", ".", "real/public", "linked/public", "linked"} {
		file := filepath.Join(release, docroot, secret.Name("a"))
		for name, before := range map[string]func() error{
			"none":        func() error { os.Remove(file); return nil },
			"an old one":  func() error { return os.WriteFile(file, []byte("old"), 0o600) },
			"a link out":  func() error { return errors.Join(os.Remove(file), os.Symlink(outside, file)) },
			"a dead link": func() error { return errors.Join(os.Remove(file), os.Symlink("none", file)) },
		} {
			os.WriteFile(file, nil, 0o644)
			must(t, before(), secret.Install(release, docroot, "a", "/agent"))
			info, err := os.Lstat(file)
			content, errRead := os.ReadFile(file)
			if err != nil || errRead != nil || info.Mode() != 0o644 || string(content) != string(secret.Script("a", "/agent")) {
				t.Errorf("%s in %q: %v, %v, %v", name, docroot, info, err, errRead)
			}
			if age := time.Since(info.ModTime()); age < time.Hour {
				t.Errorf("%s is %s old: OPcache would not keep it", file, age)
			}
		}
		if left, err := filepath.Glob(filepath.Join(release, docroot, ".*")); err != nil || len(left) != 0 {
			t.Errorf("left: %v (%v)", left, err)
		}
	}
	if content, err := os.ReadFile(outside); err != nil || string(content) != "kept" {
		t.Errorf("a file out of the release: %q (%v)", content, err)
	}
}

func TestInstallStaysInTheRelease(t *testing.T) {
	var secret probe.Secret
	release, outside := t.TempDir(), t.TempDir()
	must(t, os.Symlink(outside, release+"/absolute"), os.Symlink("..", release+"/up"), os.Mkdir(release+"/dir", 0o755),
		os.Symlink("../..", release+"/dir/up"), os.Mkdir(release+"/taken", 0o755), os.Mkdir(release+"/taken/"+secret.Name("a"), 0o755),
		syscall.Mkfifo(release+"/fifo", 0o600))
	writeFile(t, release+"/file", "")
	for _, docroot := range []string{"absolute", "up", "..", "dir/up", "dir/../..", outside, "none", "file", "fifo", "taken"} {
		err := secret.Install(release, docroot, "a", "/agent")
		if err == nil || len(hint.Of(err)) == 0 || !strings.Contains(err.Error(), release) {
			t.Errorf("%s: %v", docroot, err)
		}
	}
	if err := secret.Install(release+"/none", ".", "a", "/agent"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	for _, pattern := range []string{outside + "/*", filepath.Dir(release) + "/*.php", filepath.Dir(release) + "/.*", release + "/taken/.*"} {
		if found, err := filepath.Glob(pattern); err != nil || len(found) != 0 {
			t.Errorf("left: %v (%v)", found, err)
		}
	}
}

// PHP reads the script as it was meant, whatever the agent's folder is called.
func TestScriptIsPHP(t *testing.T) {
	var secret probe.Secret
	for _, dir := range []string{"/a", `/it's`, `/back\`, "/caf\xe9 {$x} \n", `/\'`} {
		release := t.TempDir()
		must(t, secret.Install(release, ".", "a", dir))
		file := release + "/" + secret.Name("a")
		for agent, want := range map[string]string{
			"relink-agent-0123456789abcdef.php":    `"refused":"missing"`,
			"../relink-agent-0123456789abcdef.php": `"refused":"name"`,
			"relink-agent-0123456789abcdef.php\n":  `"refused":"name"`,
		} {
			command := exec.Command("/usr/bin/php", "-n", "-d", "variables_order=EGPCS", file)
			command.Env = []string{"HTTP_X_RELINK_TOKEN=" + secret.Token("a"), "HTTP_X_RELINK_NONCE=" + strings.Repeat("a", 32),
				"HTTP_X_RELINK_OP=ping", "HTTP_X_RELINK_AGENT=" + agent}
			printed, err := command.Output()
			if err != nil || !strings.Contains(string(printed), want) {
				t.Errorf("%q, %q: %s (%v), want %s", dir, agent, printed, err, want)
			}
		}
		if printed, err := exec.Command("/usr/bin/php", "-n", file).Output(); err != nil || len(printed) != 0 {
			t.Errorf("%q to a stranger: %s (%v)", dir, printed, err)
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
