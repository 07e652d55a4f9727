package sandbox

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
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
	if u := m.server.user; u.name != "" {
		maps.Copy(d, map[string]string{"user": u.name, "group": u.group})
		if !pool.TCP {
			maps.Copy(d, map[string]string{"listen.owner": u.name, "listen.group": u.group, "listen.mode": "0660"})
		}
	}
	return d
}

// writeINI writes the master's php.ini settings. They must be in a file: FPM
// reads PHP_INI_SYSTEM settings such as opcache.memory_consumption only there.
func (m *master) writeINI(ctx context.Context) error {
	l := m.server.layout
	// An empty php.ini keeps the machine's own one out.
	if err := os.WriteFile(l.conf("php.ini"), nil, 0o644); err != nil {
		return err
	}
	dir := l.conf(m.Name + ".d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	loaded, err := m.hasOPcache(ctx)
	if err != nil {
		return err
	}
	return os.WriteFile(dir+"/99-sandbox.ini", []byte(m.server.ini(loaded, m.INI)), 0o644)
}

// ini is the file of PHP settings: the sandbox's own, and over them the given ones.
func (s *Server) ini(hasOPcache bool, over map[string]string) string {
	var b strings.Builder
	if !hasOPcache {
		b.WriteString("zend_extension=opcache\n")
	}
	directives(&b, s.defaultINI(), over)
	return b.String()
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

// hasOPcache asks whether the system's own INI files load OPcache already:
// loading it twice is an error that FPM logs at every start.
func (m *master) hasOPcache(ctx context.Context) (bool, error) {
	cmd := m.server.fpmCommand(ctx, m, "-m")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return false, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out)
	}
	return strings.Contains(string(out), "Zend OPcache"), nil
}

func section(b *strings.Builder, name string, base, over map[string]string) {
	fmt.Fprintf(b, "[%s]\n", name)
	directives(b, base, over)
}

func directives(b *strings.Builder, base, over map[string]string) {
	all := maps.Clone(base)
	maps.Copy(all, over)
	for _, key := range sortedKeys(all) {
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
