package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"relink/internal/hint"
)

// prefork is Apache with mpm_prefork and PHP in its children.
type prefork struct{ event }

// preforkConfig keeps a fixed number of children: as many as may be are spare,
// so that none is started or ended by itself. A child serves one connection at a
// time; how long a client may keep it to itself is Debian's default. The slots
// of ServerLimit beyond that are for children that finish after a graceful
// restart.
const preforkConfig = `
ServerLimit %[2]d
StartServers %[1]d
MinSpareServers %[1]d
MaxSpareServers %[2]d
MaxRequestWorkers %[1]d
MaxKeepAliveRequests 100
KeepAliveTimeout 5
`

func (prefork) config(w *web) (string, error) {
	module, err := findModPHP()
	if err != nil {
		return "", err
	}
	if err := w.server.writeModPHPINI(module); err != nil {
		return "", err
	}
	children := w.server.options.Children
	own := fmt.Sprintf(preforkConfig, children, 3*children)
	own += fmt.Sprintf("LoadModule php_module %s\nPHPIniDir %s\n", module, quote(w.server.layout.conf("mod_php")))
	return w.apacheConfig("mpm_prefork", own)
}

// command: the leading ":" of the scan path stands for the compiled-in folder,
// where Debian loads the extensions.
func (prefork) command(w *web) *exec.Cmd {
	cmd := apacheCommand(w)
	cmd.Env = append(os.Environ(), "PHP_INI_SCAN_DIR=:"+w.server.layout.conf("mod_php/conf.d"))
	return cmd
}

// modPHP reports whether Apache's own children run the site's scripts.
func (w *web) modPHP(site Site) bool {
	return w.server.options.Web == WebApachePrefork && site.Pool == ""
}

// HasModPHP tells whether the module is installed.
func HasModPHP() bool {
	_, err := findModPHP()
	return err == nil
}

// findModPHP finds the module of PHP 8, the newest.
func findModPHP() (string, error) {
	found, err := filepath.Glob(filepath.Join(modulesDir, "libphp8.*.so"))
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", hint.With(fmt.Errorf("no libphp8.*.so in %s", modulesDir), "install Debian's libapache2-mod-php")
	}
	return found[len(found)-1], nil
}

// writeModPHPINI: an empty php.ini keeps the machine's own one out, and what is
// set here is read behind the machine's extensions.
func (s *Server) writeModPHPINI(module string) error {
	dir := s.layout.conf("mod_php/conf.d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(s.layout.conf("mod_php/php.ini"), nil, 0o644); err != nil {
		return err
	}
	// The module cannot be asked what it loads, as PHP-FPM can.
	version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(module), "libphp"), ".so")
	loaded, err := filepath.Glob("/etc/php/" + version + "/apache2/conf.d/*opcache.ini")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "99-sandbox.ini"), []byte(s.ini(len(loaded) > 0, s.options.INI)), 0o644)
}
