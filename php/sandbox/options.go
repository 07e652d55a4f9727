package sandbox

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"relink/internal/hint"
)

// Options of a sandbox. The zero value is one master with one pool of 8 static
// workers on a unix socket, and an Apache without sites.
type Options struct {
	Root string // folder for everything; "" chooses a temporary one with a short name
	Keep bool   // Stop keeps a Root that Start chose

	FPMBinary    string   // "" is the newest /usr/sbin/php-fpm*
	FPMCommand   []string // put before FPMBinary, such as {"chroot", DIR}; see InChroot
	ApacheBinary string   // "" is apache2

	Masters []Master // the first pool of the first master is the default pool of a site
	Sites   []Site

	NoApache     bool
	HandlerSlash bool // "fcgi://localhost/" in Apache's handler: SCRIPT_FILENAME begins with "//" then
	EnableReuse  bool // ProxySet enablereuse=on: Apache's connections persist and pin workers

	// Detach lets the servers outlive the process that started them. Their
	// pids are in the file "pids" below Root for StopDetached.
	Detach bool
}

// Master is one FPM master process, and so one OPcache.
type Master struct {
	Name     string            // "" is "php"
	INI      map[string]string // php.ini settings, over the sandbox's own
	Settings map[string]string // directives of FPM's [global] section, such as process_control_timeout
	Pools    []Pool            // none is one pool named "www"
}

// Pool is one FPM pool. Pool names are unique over all masters.
type Pool struct {
	Name         string
	Workers      int               // static workers; 0 is 8
	TCP          bool              // listens on a free port of 127.0.0.1 instead of a unix socket
	NoStatusPage bool              // leaves pm.status_path out
	Settings     map[string]string // further directives, such as "php_admin_value[opcache.restrict_api]"; they win
}

// Site is one VirtualHost.
type Site struct {
	Host         string
	DocumentRoot string
	Pool         string            // "" is the default pool
	Env          map[string]string // SetEnv: reaches PHP in $_SERVER
}

// StatusPath is the pools' pm.status_path.
const StatusPath = "/fpm-status"

const defaultWorkers = 8

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	keyForm  = regexp.MustCompile(`^[A-Za-z0-9_.-]+(\[[A-Za-z0-9_.-]+\])?$`)
)

func (o Options) withDefaults() (Options, error) {
	if len(o.Masters) == 0 {
		o.Masters = []Master{{}}
	}
	o.Masters = slices.Clone(o.Masters)
	for i := range o.Masters {
		o.Masters[i] = o.Masters[i].withDefaults()
	}
	if err := o.checkMasters(); err != nil {
		return o, err
	}
	for _, site := range o.Sites {
		if err := o.checkSite(site); err != nil {
			return o, err
		}
	}
	return o.withBinaries()
}

func (o Options) withBinaries() (Options, error) {
	var err error
	if o.FPMBinary == "" && len(o.FPMCommand) > 0 {
		return o, hint.With(fmt.Errorf("FPMCommand %q without FPMBinary", o.FPMCommand), "name the binary as that command sees it")
	}
	if o.FPMBinary == "" {
		if o.FPMBinary, err = FindFPM("/"); err != nil {
			return o, err
		}
	}
	if o.ApacheBinary == "" && !o.NoApache {
		o.ApacheBinary, err = findApache()
	}
	return o, err
}

func (m Master) withDefaults() Master {
	if m.Name == "" {
		m.Name = "php"
	}
	if len(m.Pools) == 0 {
		m.Pools = []Pool{{Name: "www"}}
	}
	m.Pools = slices.Clone(m.Pools)
	for i := range m.Pools {
		if m.Pools[i].Workers == 0 {
			m.Pools[i].Workers = defaultWorkers
		}
	}
	return m
}

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
	if !nameForm.MatchString(site.Host) {
		return hint.With(fmt.Errorf("site host %q", site.Host), "use a host name")
	}
	if site.Pool != "" && !o.hasPool(site.Pool) {
		return fmt.Errorf("site %s: there is no pool %q", site.Host, site.Pool)
	}
	if !strings.HasPrefix(site.DocumentRoot, "/") || strings.ContainsAny(site.DocumentRoot, "\n\r\x00") {
		return fmt.Errorf("site %s: document root %q is not an absolute path", site.Host, site.DocumentRoot)
	}
	return nil
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
