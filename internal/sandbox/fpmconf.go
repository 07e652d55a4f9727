package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// fpmConf is what a master's FPM configuration is made of.
type fpmConf struct {
	Master
	PID, Log, StatusPath string
	Listen               map[string]string
	User                 identity
}

func (m *master) fpmConf() fpmConf {
	l := m.server.layout
	return fpmConf{m.Master, l.run(m.Name + ".pid"), m.server.FPMLog(), StatusPath, m.listen, m.server.user}
}

// writeINI writes the master's php.ini settings. They must be in a file: FPM
// reads PHP_INI_SYSTEM settings such as opcache.memory_consumption only there.
func (m *master) writeINI(ctx context.Context) error {
	loaded, err := m.hasOPcache(ctx)
	if err != nil {
		return err
	}
	return m.server.writeINI(m.Name, loaded, m.INI)
}

// writeINI writes a file of PHP settings: the sandbox's own, and over them the given
// ones. PHP reads it behind the machine's extensions.
func (s *Server) writeINI(name string, hasOPcache bool, over map[string]string) error {
	return errors.Join(os.MkdirAll(s.layout.scanned(name), 0o755),
		os.WriteFile(s.layout.conf("php.ini"), nil, 0o644), // an empty one keeps the machine's own out
		writeConf(filepath.Join(s.layout.scanned(name), "99-sandbox.ini"), "php.ini", struct {
			HasOPcache bool
			Log, Tmp   string
			Over       map[string]string
		}{hasOPcache, s.PHPLog(), s.layout.tmp(), over}))
}

func (l layout) scanned(name string) string { return l.conf(name + ".d") }

// environment has PHP read those settings. The leading ":" of the scan path stands for
// the compiled-in folder, where Debian loads the extensions.
func (s *Server) environment(name string) []string {
	return append(os.Environ(), "PHP_INI_SCAN_DIR=:"+s.layout.scanned(name))
}

// known is what hasOPcache has found out, by command: a start of PHP that says the same
// for each sandbox.
var known sync.Map

// hasOPcache asks whether the system's own INI files load OPcache already:
// loading it twice is an error that FPM logs at every start.
func (m *master) hasOPcache(ctx context.Context) (bool, error) {
	o := m.server.options
	command := strings.Join(append(slices.Clone(o.FPMCommand), o.FPMBinary), " ")
	if has, found := known.Load(command); found {
		return has.(bool), nil
	}
	cmd := m.server.fpmCommand(ctx, m, "-m")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return false, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out)
	}
	has := strings.Contains(string(out), "Zend OPcache")
	known.Store(command, has)
	return has, nil
}

// iniValue quotes what the INI scanner would read as an expression.
func iniValue(value string) string {
	if nameForm.MatchString(value) {
		return value
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `${`, `\${`).Replace(value) + `"`
}
