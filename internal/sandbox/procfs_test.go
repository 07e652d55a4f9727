package sandbox

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOwnProcess(t *testing.T) {
	self, err := readStat(os.Getpid())
	if err != nil || self.PID != os.Getpid() || self.PPID != os.Getppid() || self.Starttime == 0 || !alive(self) {
		t.Errorf("this process is %+v (%v)", self, err)
	}
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
