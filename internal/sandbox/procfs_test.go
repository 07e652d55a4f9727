package sandbox

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseStat(t *testing.T) {
	line := "4711 (php-fpm: (x) y) S 1 4711 4700 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1"
	got, err := parseStat([]byte(line))
	if want := (procStat{pid: 4711, parent: 1, group: 4711, state: 'S', started: 987654}); err != nil || got != want {
		t.Errorf("%+v (%v), want %+v", got, err, want)
	}
	self, err := readStat(os.Getpid())
	if err != nil || self.pid != os.Getpid() || self.parent != os.Getppid() || !self.alive() {
		t.Errorf("this process is %+v (%v)", self, err)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (a) S 1 1 1 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 9 1 1"))
	f.Add([]byte("1 )( S"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parseStat(data); err != nil {
			return
		}
		if len(data) < 40 {
			t.Errorf("%q was taken for a process", data)
		}
	})
}

func TestFindFPM(t *testing.T) {
	root := t.TempDir()
	if _, err := FindFPM(root); err == nil {
		t.Error("a php-fpm was found in an empty root")
	}
	dir := filepath.Join(root, "usr/sbin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"php-fpm7.4": 0o755, "php-fpm8.2": 0o755, "php-fpm10.0": 0o755, "php-fpm11.0": 0o644, "php-fpm": 0o755} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := FindFPM(root); err != nil || got != "/usr/sbin/php-fpm10.0" {
		t.Errorf("newest is %q (%v)", got, err)
	}
}
