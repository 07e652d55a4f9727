package php

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"relink/internal/hint"
)

// private is a folder that is safe whatever TMPDIR is.
func private(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestInstallAgent(t *testing.T) {
	previous := syscall.Umask(0o077)
	defer syscall.Umask(previous)
	dir := filepath.Join(private(t), "a", "b c é")
	file, err := InstallAgent(dir)
	if err != nil {
		t.Fatal(err)
	}
	if base := filepath.Base(file); filepath.Dir(file) != dir || len(base) != len("relink-agent-0123456789abcdef.php") || !strings.HasPrefix(base, "relink-agent-") {
		t.Errorf("file %s", file)
	}
	for path, want := range map[string]os.FileMode{file: 0o644, dir: 0o755, filepath.Dir(dir): 0o755} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, mode %v, want %v", path, err, info.Mode(), want)
		}
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

func TestInstallKeepsWhatIsRight(t *testing.T) {
	dir := private(t)
	file, err := InstallAgent(dir)
	if err != nil {
		t.Fatal(err)
	}
	before := inode(t, file)
	if _, err := InstallAgent(dir); err != nil || inode(t, file) != before {
		t.Errorf("written again (%v)", err)
	}
	if err := os.WriteFile(file, []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := InstallAgent(dir); err != nil {
		t.Fatal(err)
	}
	if content, _ := os.ReadFile(file); string(content) != string(agentSource) {
		t.Errorf("damage stays: %.40q", content)
	}
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := InstallAgent(dir); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v stays", info.Mode())
	}
}

func TestUnsafeFolders(t *testing.T) {
	const nobody = 65534
	cases := map[string]struct {
		prepare func(t *testing.T, base string) (dir string)
		root    bool // only root can prepare it
	}{
		"writable by others": {func(t *testing.T, base string) string {
			return made(t, base+"/open", 0o777)
		}, false},
		"writable by a group": {func(t *testing.T, base string) string {
			return made(t, base+"/group", 0o775)
		}, false},
		"sticky like /tmp": {func(t *testing.T, base string) string {
			return made(t, base+"/sticky", 0o777|os.ModeSticky)
		}, false},
		"below one writable by others": {func(t *testing.T, base string) string {
			return made(t, made(t, base+"/open", 0o777)+"/agent", 0o755)
		}, false},
		"behind a link through one": {func(t *testing.T, base string) string {
			made(t, made(t, base+"/open", 0o777)+"/agent", 0o755)
			return linked(t, "open/agent", base+"/link")
		}, false},
		"a file": {func(t *testing.T, base string) string {
			if err := os.WriteFile(base+"/file", nil, 0o644); err != nil {
				t.Fatal(err)
			}
			return base + "/file"
		}, false},
		"another user's": {func(t *testing.T, base string) string {
			dir := made(t, base+"/nobody", 0o755)
			if err := os.Chown(dir, nobody, nobody); err != nil {
				t.Fatal(err)
			}
			return dir
		}, true},
		"behind another user's link": {func(t *testing.T, base string) string {
			made(t, base+"/agent", 0o755)
			link := linked(t, "agent", base+"/link")
			if err := os.Lchown(link, nobody, nobody); err != nil {
				t.Fatal(err)
			}
			return link
		}, true},
		"with a link for the file": {func(t *testing.T, base string) string {
			linked(t, "/etc/passwd", filepath.Join(base, agentName(agentSource)))
			return base
		}, false},
		"with another user's file": {func(t *testing.T, base string) string {
			file := filepath.Join(base, agentName(agentSource))
			if err := errors.Join(os.WriteFile(file, agentSource, 0o644), os.Chown(file, nobody, nobody)); err != nil {
				t.Fatal(err)
			}
			return base
		}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.root && os.Geteuid() != 0 {
				return // an ordinary user cannot make files of other users
			}
			dir := c.prepare(t, private(t))
			_, err := InstallAgent(dir)
			if !errors.Is(err, ErrUnsafeDir) || len(hint.Of(err)) == 0 {
				t.Errorf("%v, hints %q", err, hint.Of(err))
			}
		})
	}
}

// Nothing is made in a folder of another user, who could lead it anywhere.
func TestNothingIsMadeInUnsafeFolders(t *testing.T) {
	dir := filepath.Join(private(t), "theirs")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil { // whatever the umask
		t.Fatal(err)
	}
	if _, err := InstallAgent(filepath.Join(dir, "a", "agent")); !errors.Is(err, ErrUnsafeDir) {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "a")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a folder was made: ", err)
	}
}

func TestSafeFolders(t *testing.T) {
	base := private(t)
	sticky := made(t, base+"/sticky", 0o777|os.ModeSticky)
	real := made(t, base+"/real", 0o755)
	for _, dir := range []string{sticky + "/own", linked(t, "real", base+"/link"), linked(t, real, base+"/absolute") + "/deeper", real + "/../real"} {
		if _, err := InstallAgent(dir); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
	linked(t, "loop", base+"/loop")
	if _, err := InstallAgent(base + "/loop"); err == nil {
		t.Error("a loop of links passes")
	}
}

func made(t *testing.T, dir string, mode os.FileMode) string {
	t.Helper()
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chmod(dir, mode)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func linked(t *testing.T, target, link string) string {
	t.Helper()
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	return link
}
