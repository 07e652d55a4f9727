package trust_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"relink/internal/trust"
)

// A folder may be another user's, if that user cannot put another one in its place.
func TestPlaceForRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	const other = 65534
	base := t.TempDir() // below a sticky /tmp, and root's
	dir := func(name string, mode os.FileMode, owner int) {
		path := filepath.Join(base, name)
		if err := errors.Join(os.Mkdir(path, 0o755), os.Chmod(path, mode), os.Chown(path, owner, owner)); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string, owner int) {
		path := filepath.Join(base, name)
		if err := errors.Join(os.Symlink(to, path), os.Lchown(path, owner, owner)); err != nil {
			t.Fatal(err)
		}
	}
	dir("his", 0o755, other)
	dir("his/shared", 0o755, other)
	dir("roots", 0o755, 0)
	dir("sticky", 0o777|os.ModeSticky, 0)
	dir("sticky/his", 0o755, other)
	link("his", "link", 0)
	link("his/shared", "into", 0)
	link("roots", "hislink", other)
	for name, good := range map[string]bool{
		"his": true, "roots": true, "gone": true, "link": true,
		"his/shared": false, "his/gone": false, "sticky/his": false, "hislink": false, "into": false,
	} {
		if err := trust.CheckPlaceForRoot(filepath.Join(base, name)); (err == nil) != good || err != nil && !errors.Is(err, trust.ErrOthers) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who chooses where root makes a link may choose among what is his.
func TestWayForRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	const his, hers = 65534, 65533
	base := t.TempDir()
	at := func(name string) string { return filepath.Join(base, name) }
	for name, owner := range map[string]int{"roots": 0, "his": his, "hers": hers} {
		if err := errors.Join(os.Mkdir(at(name), 0o755), os.Chown(at(name), owner, owner)); err != nil {
			t.Fatal(err)
		}
	}
	for name, owner := range map[string]int{"by root": 0, "by him": his} {
		for _, to := range []string{"roots", "his", "hers"} {
			if err := errors.Join(os.Symlink(to, at(name+" "+to)), os.Lchown(at(name+" "+to), owner, owner)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, good := range map[string]bool{
		"roots": true, "his": true, "gone": true, "by root roots": true, "by root his": true,
		"by him his": true, "by him roots": false, "by him hers": false,
	} {
		if err := trust.CheckWayForRoot(at(name)); (err == nil) != good || err != nil && !errors.Is(err, trust.ErrOthers) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
