package webserver

import (
	"path/filepath"
	"strings"

	"relink/internal/realpath"
)

// SamePool tells whether two addresses lead to one pool: Debian's /var/run is a
// link to /run, and its /run/php/php-fpm.sock one to the socket of the PHP that
// was chosen.
func SamePool(a, b string) bool { return a == b || canonical(a) == canonical(b) }

func canonical(address string) string {
	path, isUnix := strings.CutPrefix(address, "unix:")
	if !isUnix {
		return strings.Replace(address, "localhost", "127.0.0.1", 1)
	}
	if real, err := realpath.Of(path); err == nil {
		return real
	}
	if folder, err := realpath.Of(filepath.Dir(path)); err == nil {
		return filepath.Join(folder, filepath.Base(path))
	}
	return path
}
