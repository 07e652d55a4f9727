package sandbox

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"relink/internal/hint"
)

var fpmName = regexp.MustCompile(`^php-fpm(\d+)\.(\d+)$`)

// FindFPM finds the newest php-fpm below the root file system root ("/" for the
// machine's own) and gives its path as seen from inside that root.
func FindFPM(root string) (string, error) {
	found, err := filepath.Glob(filepath.Join(root, "usr/sbin/php-fpm*"))
	if err != nil {
		return "", err
	}
	found = slices.DeleteFunc(found, func(path string) bool { return !executable(path) })
	if len(found) == 0 {
		return "", hint.With(fmt.Errorf("no php-fpm in %s", filepath.Join(root, "usr/sbin")), "install it (Debian: php-fpm)")
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return slices.Compare(fpmVersion(a), fpmVersion(b)) })
	return "/usr/sbin/" + filepath.Base(newest), nil
}

func fpmVersion(path string) []int {
	parts := fpmName.FindStringSubmatch(filepath.Base(path))
	if parts == nil {
		return nil
	}
	major, _ := strconv.Atoi(parts[1])
	minor, _ := strconv.Atoi(parts[2])
	return []int{major, minor}
}

// findWeb looks in /usr/sbin too, which an ordinary user's PATH often lacks.
func (o Options) findWeb() (string, error) {
	name, pack := "apache2", "apache2-bin"
	if o.Web == WebNginx {
		name, pack = "nginx", "nginx-light"
	}
	for _, name := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", hint.With(fmt.Errorf("no %s in PATH or /usr/sbin", name), "install it (Debian: %s)", pack)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

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

//go:embed chroot.sh
var chrootScript string

// InChroot is an Options.FPMCommand that runs FPM inside another root file
// system, such as a debootstrap of a Debian with another PHP version, with
// folders of this machine visible at the same paths. It needs root.
//
// The mounts live in a mount namespace of their own, which ends with FPM:
// nothing is left mounted, however FPM ends. unshare, sh and chroot replace
// themselves by the next command, so that the process started is FPM's master.
func InChroot(root string, folders ...string) []string {
	command := append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-c", chrootScript, "sh", root}, folders...)
	return append(command, "--")
}
