package trust

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestCheck(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"bin", "open", "sticky"} {
		if err := os.Mkdir(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"link": "open/program", "sound": "bin/program", "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"bin/program", "bin/writable", "open/program", "sticky/program"} {
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"bin/writable": 0o775, "open": 0o777, "sticky": 0o777 | os.ModeSticky} {
		if err := os.Chmod(filepath.Join(root, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, sound := range map[string]bool{
		"bin/program": true, "sound": true, "sticky/program": true,
		"bin/writable": false, "open/program": false, "link": false, "loop": false, "bin/none": false,
	} {
		if err := Check(filepath.Join(root, name)); err == nil != sound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Check("program"); err == nil {
		t.Error("a relative path is accepted")
	}
	if os.Geteuid() == 0 {
		if err := os.Lchown(filepath.Join(root, "sound"), 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if err := Check(filepath.Join(root, "sound")); err == nil {
			t.Error("another user's link is followed")
		}
	}
}

func TestOpenForRoot(t *testing.T) {
	dir := t.TempDir()
	sound, open := filepath.Join(dir, "sound"), filepath.Join(dir, "open")
	for _, name := range []string{sound, open} {
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(open, 0o666), syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	file, err := OpenForRoot(sound)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := os.Rename(open, sound); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		return
	}
	for _, name := range []string{"sound", "fifo"} {
		if _, err := OpenForRoot(filepath.Join(dir, name)); !errors.Is(err, ErrOthers) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Chmod(sound, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sameForRoot(file, sound); !errors.Is(err, ErrOthers) {
		t.Errorf("another file was opened than was looked at: %v", err)
	}
}
