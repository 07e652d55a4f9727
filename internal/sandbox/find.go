package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

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
