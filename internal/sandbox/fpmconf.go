package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// config is the master's FPM configuration.
func (m *master) config() string {
	var b strings.Builder
	l := m.server.layout
	section(&b, "global", map[string]string{
		"pid":       l.run(m.Name + ".pid"),
		"error_log": m.server.FPMLog(),
		"daemonize": "no",
	}, m.Settings)
	for _, pool := range m.Pools {
		section(&b, pool.Name, m.poolDirectives(pool), pool.Settings)
	}
	return b.String()
}

func (m *master) poolDirectives(pool Pool) map[string]string {
	d := map[string]string{
		"listen":               m.listen[pool.Name],
		"pm":                   "static",
		"pm.max_children":      strconv.Itoa(pool.Workers),
		"catch_workers_output": "yes",
	}
	if !pool.NoStatusPage {
		d["pm.status_path"] = StatusPath
	}
	if u := m.server.user; u.Name != "" {
		maps.Copy(d, map[string]string{"user": u.Name, "group": u.Group})
		if !pool.TCP {
			maps.Copy(d, map[string]string{"listen.owner": u.Name, "listen.group": u.Group, "listen.mode": "0660"})
		}
	}
	return d
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
	var b strings.Builder
	if !hasOPcache {
		b.WriteString("zend_extension=opcache\n")
	}
	directives(&b, s.defaultINI(), over)
	return errors.Join(os.MkdirAll(s.layout.scanned(name), 0o755),
		os.WriteFile(s.layout.conf("php.ini"), nil, 0o644), // an empty one keeps the machine's own out
		os.WriteFile(filepath.Join(s.layout.scanned(name), "99-sandbox.ini"), []byte(b.String()), 0o644))
}

func (l layout) scanned(name string) string { return l.conf(name + ".d") }

// environment has PHP read those settings. The leading ":" of the scan path stands for
// the compiled-in folder, where Debian loads the extensions.
func (s *Server) environment(name string) []string {
	return append(os.Environ(), "PHP_INI_SCAN_DIR=:"+s.layout.scanned(name))
}

func (s *Server) defaultINI() map[string]string {
	return map[string]string{
		"opcache.enable":                "1",
		"opcache.validate_timestamps":   "0",
		"opcache.memory_consumption":    "128",
		"opcache.max_accelerated_files": "10000",
		"display_errors":                "0",
		"log_errors":                    "1",
		"error_log":                     s.PHPLog(),
		"sys_temp_dir":                  s.layout.tmp(),
		"session.save_path":             s.layout.tmp(),
		"upload_tmp_dir":                s.layout.tmp(),
	}
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

func section(b *strings.Builder, name string, base, over map[string]string) {
	fmt.Fprintf(b, "[%s]\n", name)
	directives(b, base, over)
}

func directives(b *strings.Builder, base, over map[string]string) {
	all := maps.Clone(base)
	maps.Copy(all, over)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(b, "%s = %s\n", key, iniValue(all[key]))
	}
}

// iniValue quotes what the INI scanner would read as an expression.
func iniValue(value string) string {
	if nameForm.MatchString(value) {
		return value
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `${`, `\${`).Replace(value) + `"`
}
