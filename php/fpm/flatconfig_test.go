package fpm

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestFlatConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []string{"pool.d", "v1", "v2", "pool.d/folder.conf"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("fpm.conf", "[global]\npid = /run/x\n  include = \"DIR/pool.d/*.conf\" ; all\ninclude=DIR/none/*.conf\n;include=DIR/v1/a\n")
	write("pool.d/b.conf", "[b]\ninclude=DIR/link/settings")
	write("pool.d/a.conf", "[a]\n")
	write("v1/settings", "env[V]=1\n")
	write("v2/settings", "env[V]=2\n")
	write("loop", "include=DIR/loop\n")
	if err := syscall.Mkfifo(filepath.Join(dir, "pool.d/c.conf"), 0o644); err != nil {
		t.Fatal(err)
	}
	to := func(version string) func(string) string {
		return func(path string) string { return strings.Replace(path, dir+"/link", dir+"/"+version, 1) }
	}
	m := Master{PID: os.Getpid(), Config: filepath.Join(dir, "fpm.conf"), Root: "/"}
	for version, want := range map[string]string{"v1": "env[V]=1", "v2": "env[V]=2"} {
		got, err := m.FlatConfig(to(version))
		if err != nil || strings.Join(strings.Fields(got), " ") != "[global] pid = /run/x [a] [b] "+want+" ;include="+dir+"/v1/a" {
			t.Errorf("%s: %q, %v", version, got, err)
		}
	}
	m.Config = filepath.Join(dir, "loop")
	if got, err := m.FlatConfig(to("v1")); err != nil || strings.Count(got, "include=") != 1 {
		t.Errorf("loop: %q, %v", got, err)
	}
	write("long", strings.Repeat("; much\n", maxConfigBytes/7+1))
	m.Config = filepath.Join(dir, "long")
	if _, err := m.FlatConfig(to("v1")); err == nil {
		t.Error("no bound")
	}
}
