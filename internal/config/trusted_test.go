package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/trust"
)

// Root runs what hooks, pools' commands and apache.control name: whoever could put
// another program there would be root.
func TestRootRunsNoProgramThatOthersCouldReplace(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := errors.Join(os.Mkdir(open, 0o755), os.Chmod(open, 0o777), os.WriteFile(filepath.Join(open, "tool"), nil, 0o755)); err != nil {
		t.Fatal(err)
	}
	tool := filepath.Join(open, "tool")
	const app = "apps: {cms: {releases: %[1]s/releases, source: {dir: %[1]s/code}, instances: {a: %[1]s/www/a}, hooks: {%[2]s: [%[3]q]}}}\n"
	for key, text := range map[string]string{
		"apps.cms.hooks.build":         fmt.Sprintf(app, dir, "build", tool+" all"),
		"apps.cms.hooks.before_switch": fmt.Sprintf(app, dir, "before_switch", "cd x && sh "+tool),
		"apps.cms.hooks.after_switch":  fmt.Sprintf(app, dir, "after_switch", "php -d a=b "+tool),
		"pools[0].command":             fmt.Sprintf("pools: [{address: \"unix:/run/x.sock\", command: [sh, %q]}]\n", tool),
		"apache.control":               fmt.Sprintf("apache: {control: %q}\n", tool),
	} {
		_, err := config.Load(written(t, dir, text))
		if os.Geteuid() != 0 {
			if err != nil {
				t.Errorf("%s: %v", key, err)
			}
			continue
		}
		if !errors.Is(err, config.ErrInvalid) || !errors.Is(err, trust.ErrOthers) || !strings.Contains(err.Error(), key+" "+tool) ||
			!strings.Contains(err.Error(), open+" can be written by others") || !strings.Contains(strings.Join(hint.Of(err), "\n"), "chmod go-w "+open) {
			t.Errorf("%s: %v; hints %q", key, err, hint.Of(err))
		}
	}
	if _, err := config.Load(written(t, dir, fmt.Sprintf(app, dir, "build", "runuser -u build -- "+tool))); err != nil {
		t.Errorf("what another user runs may be his: %v", err)
	}
}

func written(t *testing.T, dir, text string) string {
	t.Helper()
	file := filepath.Join(dir, "relink.yaml")
	if err := os.WriteFile(file, []byte(text+"state_dir: "+dir+"/state\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRootReadsNoConfigurationOfOthers(t *testing.T) {
	dir := t.TempDir()
	file := written(t, dir, "")
	if err := os.Chmod(file, 0o620); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(file)
	if refused := errors.Is(err, trust.ErrOthers); refused != (os.Geteuid() == 0) {
		t.Error(err)
	}
	if err := errors.Join(os.Chmod(file, 0o600), os.Mkdir(dir+"/state", 0o755), os.Chmod(dir+"/state", 0o777)); err != nil {
		t.Fatal(err)
	}
	_, err = config.Load(file)
	if refused := errors.Is(err, trust.ErrOthers) && strings.Contains(err.Error(), "state_dir"); refused != (os.Geteuid() == 0) {
		t.Error(err)
	}
}
