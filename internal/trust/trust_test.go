package trust

import (
	"os"
	"path/filepath"
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
