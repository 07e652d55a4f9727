package sandbox

import (
	"cmp"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"relink/internal/hint"
)

// Options of a sandbox. The zero value is one master with one pool of 8 static
// workers on a unix socket, and an Apache without sites.
type Options struct {
	Root string // folder for everything; "" chooses a temporary one with a short name

	FPMBinary  string   // "" is the newest /usr/sbin/php-fpm*
	FPMCommand []string // put before FPMBinary, such as {"chroot", DIR}; see InChroot

	// Masters of PHP-FPM. None is one with one pool, but with WebApachePrefork it
	// is none. The first pool of the first master is the default pool of a site.
	Masters []Master
	Sites   []Site

	Web         Web
	NoApache    bool     // no web server at all
	Handler     Handler  // of Apache's sites with PHP-FPM
	EnableReuse bool     // the web server's connections to PHP-FPM persist and pin workers
	Directives  []string // lines of the web server's configuration, outside the sites (nginx: inside http)

	Children int               // of WebApachePrefork; 0 is 5
	INI      map[string]string // php.ini settings of mod_php, over the sandbox's own

	// Detach lets the servers outlive the process that started them. Their
	// pids are in the file "pids" below Root for StopDetached.
	Detach bool

	webBinary string
}

// Master is one FPM master process, and so one OPcache.
type Master struct {
	Name     string            // "" is "php"
	INI      map[string]string // php.ini settings, over the sandbox's own
	Settings map[string]string // directives of FPM's [global] section, such as process_control_timeout
	Pools    []Pool            // none is one pool named "www"

	Place Place // where it runs, with pools that have TCP; nil: on this machine
}

// Place has a master run apart from this machine, as a container does.
type Place interface {
	Choose() (host string, err error) // before each start; the pools listen on this address
	// Enter has cmd run there, which sees the sandbox's root. connect is called once
	// with its pid, 0 if it could not be started.
	Enter(cmd *exec.Cmd, root string) (connect func(pid int) error, err error)
	Leave() error // the master has ended, if it ever began
}

// Pool is one FPM pool. Pool names are unique over all masters.
type Pool struct {
	Name         string
	Workers      int               // static workers; 0 is 8
	TCP          bool              // listens on a free port of 127.0.0.1 instead of a unix socket
	NoStatusPage bool              // leaves pm.status_path out
	Settings     map[string]string // further directives, such as "php_admin_value[opcache.restrict_api]"; they win
}

// Site is one virtual host.
type Site struct {
	Host         string
	DocumentRoot string
	Pool         string            // "" is the default pool, or mod_php with WebApachePrefork
	Env          map[string]string // reaches PHP in $_SERVER
	Directives   []string          // lines of the virtual host, as they are

	// SeenAs is DocumentRoot as PHP-FPM sees that folder, "" for the same path. The
	// web server then names scripts by that path.
	SeenAs string

	// Virtual makes one virtual host of Apache for all hosts that Host, such as
	// "*.test", matches; DocumentRoot is a VirtualDocumentRoot then, with %0 for
	// the host's name and %1 for its first part.
	Virtual bool

	// RealpathRoot has nginx send $realpath_root instead of $document_root.
	RealpathRoot bool
}

// StatusPath is the pools' pm.status_path.
const StatusPath = "/fpm-status"

func (o Options) withDefaults() (Options, error) {
	o.Children = cmp.Or(o.Children, 5)
	if len(o.Masters) == 0 && o.Web != WebApachePrefork {
		o.Masters = []Master{{}}
	}
	o.Masters = slices.Clone(o.Masters)
	for i := range o.Masters {
		o.Masters[i] = o.Masters[i].withDefaults()
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
	if o.FPMBinary == "" && len(o.Masters) > 0 {
		if o.FPMBinary, err = FindFPM("/"); err != nil {
			return o, err
		}
	}
	if !o.NoApache {
		o.webBinary, err = o.findWeb()
	}
	return o, err
}

func (m Master) withDefaults() Master {
	m.Name = cmp.Or(m.Name, "php")
	if len(m.Pools) == 0 {
		m.Pools = []Pool{{Name: "www"}}
	}
	m.Pools = slices.Clone(m.Pools)
	for i := range m.Pools {
		m.Pools[i].Workers = cmp.Or(m.Pools[i].Workers, 8)
	}
	return m
}

var (
	nameForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	patternForm = regexp.MustCompile(`^\*\.[A-Za-z0-9_.-]+$`)
)

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
	if o.Web == WebNginx && (site.Virtual || o.Handler != HandlerSet) || o.Web != WebNginx && site.RealpathRoot {
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
	return slices.ContainsFunc(o.Masters, func(m Master) bool {
		return slices.ContainsFunc(m.Pools, func(p Pool) bool { return p.Name == name })
	})
}
