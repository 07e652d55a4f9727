package webserver

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSamePool(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Mkdir(at("run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("run/php8.2-fpm.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"var": "run", "run/php-fpm.sock": "php8.2-fpm.sock"} {
		if err := os.Symlink(target, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	pool := "unix:" + at("run/php8.2-fpm.sock")
	for address, want := range map[string]bool{
		pool: true, "unix:" + at("run/php-fpm.sock"): true, "unix:" + at("var/php8.2-fpm.sock"): true,
		"unix:" + at("run/other.sock"): false, "tcp:127.0.0.1:9000": false, "": false,
	} {
		if got := SamePool(address, pool); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	if !SamePool("tcp:localhost:9000", "tcp:127.0.0.1:9000") || !SamePool("unix:"+at("var/gone"), "unix:"+at("run/gone")) {
		t.Error("two spellings are two pools")
	}
}
