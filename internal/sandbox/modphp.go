package sandbox

import (
	"fmt"
	"path/filepath"
	"strings"

	"relink/internal/hint"
)

// modulesDir is where Debian's apache2-bin keeps the modules.
const modulesDir = "/usr/lib/apache2/modules"

func apacheModules(of Web) []string {
	mpm := "mpm_event"
	if of == WebApachePrefork {
		mpm = "mpm_prefork"
	}
	return []string{mpm, "authz_core", "dir", "mime", "alias", "vhost_alias", "env", "setenvif", "rewrite", "status", "proxy", "proxy_fcgi"}
}

// modPHP is the name of mod_php's settings, as those of a master of PHP-FPM have its.
const modPHP = "mod_php"

// FindModPHP finds the module of PHP 8, the newest.
func FindModPHP() (string, error) {
	found, err := filepath.Glob(filepath.Join(modulesDir, "libphp8.*.so"))
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", hint.With(fmt.Errorf("no libphp8.*.so in %s", modulesDir), "install Debian's libapache2-mod-php")
	}
	return found[len(found)-1], nil
}

// writeModPHPINI: the module cannot be asked what it loads, as PHP-FPM can.
func (s *Server) writeModPHPINI(module string) error {
	version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(module), "libphp"), ".so")
	loaded, err := filepath.Glob("/etc/php/" + version + "/apache2/conf.d/*opcache.ini")
	if err != nil {
		return err
	}
	return s.writeINI(modPHP, len(loaded) > 0, s.options.INI)
}
