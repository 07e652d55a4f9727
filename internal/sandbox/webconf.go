package sandbox

import (
	"cmp"
	"embed"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"text/template"
)

//go:embed apache.conf nginx.conf fpm.conf php.ini
var confFiles embed.FS

var confs = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{"quote": quote, "socket": socket, "ini": iniValue}).ParseFS(confFiles, "*"))
})

// writeConf writes a server's configuration by the template of that name.
func writeConf(path, name string, data any) error {
	var text strings.Builder
	if err := confs().ExecuteTemplate(&text, name, data); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text.String()), 0o644)
}

// ownHost is the first and so the default virtual host: a request for a host
// that is no site must not reach a site.
const ownHost = "relink-sandbox"

// Handler is how Apache's configuration hands a script to PHP-FPM, and so how
// SCRIPT_FILENAME spells it.
type Handler int

const (
	// HandlerSet is SetHandler "proxy:unix:...|fcgi://localhost": DOCROOT/index.php.
	HandlerSet Handler = iota
	// HandlerSetSlash ends in "fcgi://localhost/": /DOCROOT/index.php, with two slashes at its begin.
	HandlerSetSlash
	// HandlerMatch is ProxyPassMatch to "fcgi://localhostDOCROOT/$1": DOCROOT/index.php.
	HandlerMatch
	// HandlerMatchSlash is the form of Apache's manual, without $1: DOCROOT//index.php.
	HandlerMatchSlash
)

// webConf is what a web server's configuration is made of.
type webConf struct {
	Options
	OwnHost, Address      string
	Conf, Run, Log, Agent string
	User                  identity
	Pools                 []PoolInfo
	Sites                 []siteConf

	// Of Apache.
	ModulesDir string
	Modules    []string
	ModPHP     string // the module's file, "" without it
	Slots      int
}

func (w *web) webConf() webConf {
	s := w.server
	c := webConf{
		Options: s.options, OwnHost: ownHost, Address: w.address(), User: s.user, Pools: s.Pools(),
		Conf: s.layout.conf(""), Run: s.layout.run(""), Log: s.WebLog(), Agent: s.AgentDir(),
		ModulesDir: modulesDir, Modules: apacheModules(s.options.Web), Slots: 3 * s.options.Children,
	}
	for _, site := range s.options.Sites {
		c.Sites = append(c.Sites, s.siteConf(site))
	}
	return c
}

// Backends are the pools as Apache's SetHandler names them.
func (c webConf) Backends() (all []string) {
	for _, pool := range c.Pools {
		name := backend(pool)
		if c.Handler == HandlerSetSlash {
			name += "/"
		}
		all = append(all, name)
	}
	return all
}

// siteConf is a site with what its handler comes to.
type siteConf struct {
	Site
	Match    bool   // ProxyPassMatch in place of SetHandler
	Backend  string // of PHP-FPM, as Apache names it; "" is mod_php
	Upstream string // the same as nginx names it
	Sent     string // nginx sends this document root
}

func (s *Server) siteConf(site Site) siteConf {
	pool := s.Pool(site.Pool)
	c := siteConf{Site: site, Upstream: pool.Name, Sent: cmp.Or(site.SeenAs, "$document_root")}
	if site.SeenAs == "" && site.RealpathRoot {
		c.Sent = "$realpath_root"
	}
	if s.options.Web == WebApachePrefork && site.Pool == "" {
		return c
	}
	c.Backend = backend(pool)
	root := cmp.Or(site.SeenAs, site.DocumentRoot)
	switch s.options.Handler {
	case HandlerSetSlash:
		c.Backend += "/"
	case HandlerMatch:
		c.Match, c.Backend = true, c.Backend+root+"/$1"
	case HandlerMatchSlash:
		c.Match, c.Backend = true, c.Backend+root+"/"
	}
	return c
}

// OwnPath is the condition that what mod_proxy_fcgi is about to send lies below the
// document root. At that moment SCRIPT_FILENAME still begins with
// "proxy:fcgi://localhost".
func (c siteConf) OwnPath(variable string) string {
	return fmt.Sprintf("reqenv('%s') =~ m#^(proxy:fcgi://[^/]*)?%s(/.*)?$#", variable, regexp.QuoteMeta(c.DocumentRoot))
}

// backend is the pool as mod_proxy names it.
func backend(pool PoolInfo) string {
	if address, ok := strings.CutPrefix(pool.Address, "tcp:"); ok {
		return "fcgi://" + address
	}
	return pool.Address + "|fcgi://localhost"
}

// socket is the pool as nginx names it.
func socket(pool PoolInfo) string { return strings.TrimPrefix(pool.Address, "tcp:") }

// quote makes one argument of a directive of Apache or nginx.
func quote(parts ...string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(strings.Join(parts, "")) + `"`
}
