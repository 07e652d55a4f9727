package demo

import (
	"fmt"
	"os/exec"
	"strings"

	"relink/internal/hint"
	"relink/internal/sandbox"
)

// missingPackages says all that is missing at once, with the one command that
// brings it.
func missingPackages(setUp SetUp) error {
	var what, packages []string
	need := func(present bool, name, pkg string) {
		if !present {
			what, packages = append(what, name), append(packages, pkg)
		}
	}
	need(installed("apache2", "/usr/sbin/apache2"), "Apache", "apache2-bin")
	_, err := sandbox.FindFPM("/")
	need(err == nil, "PHP-FPM", "php-fpm")
	if setUp == ModPHP {
		_, err := sandbox.FindModPHP()
		need(err == nil, "mod_php", "libapache2-mod-php")
	}
	need(installed("git"), "git", "git")
	return missingError(what, packages, installed("apt-get") && installed("dpkg-deb"))
}

func missingError(what, packages []string, debian bool) error {
	switch {
	case !debian:
		err := fmt.Errorf("demo: apt-get and dpkg-deb are missing: it takes its application from Debian's packages")
		return hint.With(err, "run the demo on Debian or Ubuntu; relink itself needs neither")
	case len(what) == 0:
		return nil
	}
	err := fmt.Errorf("demo: missing: %s", strings.Join(what, ", "))
	return hint.With(err, "as root run: apt-get update && apt-get install --no-install-recommends %s", strings.Join(packages, " "))
}

func installed(names ...string) bool {
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			return true
		}
	}
	return false
}
