package sandbox

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"relink/internal/hint"
)

var (
	nameForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	patternForm = regexp.MustCompile(`^\*\.[A-Za-z0-9_.-]+$`)
	keyForm     = regexp.MustCompile(`^[A-Za-z0-9_.-]+(\[[A-Za-z0-9_.-]+\])?$`)
)

func (o Options) checkMasters() error {
	masters, pools := map[string]bool{}, map[string]bool{}
	for _, m := range o.Masters {
		if err := checkName("master", m.Name, masters); err != nil {
			return err
		}
		if err := checkSettings(m.INI, m.Settings); err != nil {
			return fmt.Errorf("master %s: %w", m.Name, err)
		}
		for _, p := range m.Pools {
			if err := checkName("pool", p.Name, pools); err != nil {
				return err
			}
			if err := checkSettings(p.Settings); err != nil {
				return fmt.Errorf("pool %s: %w", p.Name, err)
			}
		}
	}
	return nil
}

func checkName(what, name string, seen map[string]bool) error {
	if !nameForm.MatchString(name) {
		return hint.With(fmt.Errorf("%s name %q", what, name), "use letters, digits, '_', '.' and '-'")
	}
	if seen[name] {
		return hint.With(fmt.Errorf("%s name %q is used twice", what, name), "give each %s a name of its own", what)
	}
	seen[name] = true
	return nil
}

func checkSettings(all ...map[string]string) error {
	for _, settings := range all {
		for key, value := range settings {
			if !keyForm.MatchString(key) || strings.ContainsAny(value, "\n\r\x00") {
				return fmt.Errorf("setting %q = %q cannot be written in an INI file", key, value)
			}
		}
	}
	return nil
}

func (o Options) checkSite(site Site) error {
	if !nameForm.MatchString(site.Host) && !(site.Virtual && patternForm.MatchString(site.Host)) {
		return hint.With(fmt.Errorf("site host %q", site.Host), "use a host name")
	}
	if site.Pool != "" && !o.hasPool(site.Pool) {
		return fmt.Errorf("site %s: there is no pool %q", site.Host, site.Pool)
	}
	if !strings.HasPrefix(site.DocumentRoot, "/") || strings.ContainsAny(site.DocumentRoot, o.unwritable()) {
		return fmt.Errorf("site %s: document root %q is not an absolute path, or cannot be written in the configuration", site.Host, site.DocumentRoot)
	}
	for name, value := range site.Env {
		if !nameForm.MatchString(name) || strings.ContainsAny(value, o.unwritable()) {
			return fmt.Errorf("site %s: environment %q = %q cannot be written in the configuration", site.Host, name, value)
		}
	}
	if o.Web == WebNginx && (site.Virtual || o.handler(site) != HandlerSet) || o.Web != WebNginx && site.RealpathRoot {
		return fmt.Errorf("site %s: Virtual and Handler are Apache's, RealpathRoot is nginx's", site.Host)
	}
	return nil
}

// unwritable: nginx has no way to write a '$' that is none of a variable.
func (o Options) unwritable() string {
	if o.Web == WebNginx {
		return "$\n\r\x00"
	}
	return "\n\r\x00"
}

func (o Options) hasPool(name string) bool {
	for _, m := range o.Masters {
		if slices.ContainsFunc(m.Pools, func(p Pool) bool { return p.Name == name }) {
			return true
		}
	}
	return false
}

func isRoot() bool { return os.Geteuid() == 0 }
