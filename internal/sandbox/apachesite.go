package sandbox

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

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

func (w *web) writeSite(b *strings.Builder, site Site) error {
	fmt.Fprintf(b, "<VirtualHost %s>\n", w.address())
	writeNames(b, site)
	for _, key := range sortedKeys(site.Env) {
		if !nameForm.MatchString(key) || strings.ContainsAny(site.Env[key], "\n\r\x00") {
			return fmt.Errorf("environment %q = %q cannot be written in the configuration", key, site.Env[key])
		}
		fmt.Fprintf(b, "\tSetEnv %s %s\n", key, quote(site.Env[key]))
	}
	w.writeHandler(b, site)
	for _, line := range site.Directives {
		fmt.Fprintf(b, "\t%s\n", line)
	}
	writeSeenAs(b, site)
	b.WriteString("</VirtualHost>\n")
	return nil
}

func writeNames(b *strings.Builder, site Site) {
	if !site.Virtual {
		fmt.Fprintf(b, "\tServerName %s\n\tDocumentRoot %s\n", site.Host, quote(site.DocumentRoot))
		return
	}
	// Without UseCanonicalName Off, %0 is the ServerName and not the host asked for.
	fmt.Fprintf(b, "\tServerName virtual.invalid\n\tServerAlias %s\n\tUseCanonicalName Off\n\tVirtualDocumentRoot %s\n", site.Host, quote(site.DocumentRoot))
}

func (w *web) writeHandler(b *strings.Builder, site Site) {
	if w.modPHP(site) {
		b.WriteString("\t<FilesMatch \"\\.php$\">\n\t\tSetHandler application/x-httpd-php\n\t</FilesMatch>\n")
		return
	}
	info := w.server.Pool(site.Pool)
	handler := w.server.options.handler(site)
	switch handler {
	case HandlerMatch, HandlerMatchSlash:
		target := backend(info) + site.seenAs() + "/"
		if handler == HandlerMatch {
			target += "$1"
		}
		fmt.Fprintf(b, "\tProxyPassMatch \"^/(.*\\.php(/.*)?)$\" %s%s\n", quote(target), w.reuse())
	default:
		fmt.Fprintf(b, "\t<FilesMatch \"\\.php$\">\n\t\tSetHandler %s\n\t</FilesMatch>\n", quote("proxy:"+backend(info)+handler.slash()))
	}
}

// writeSeenAs has mod_proxy_fcgi translate the paths that it sends. Apache itself
// needs the script under its own path: FilesMatch is asked about files. At that
// moment SCRIPT_FILENAME still begins with "proxy:fcgi://localhost".
func writeSeenAs(b *strings.Builder, site Site) {
	if site.SeenAs == "" {
		return
	}
	for _, name := range []string{"SCRIPT_FILENAME", "DOCUMENT_ROOT"} {
		condition := fmt.Sprintf("reqenv('%s') =~ m#^(proxy:fcgi://[^/]*)?%s(/.*)?$#", name, regexp.QuoteMeta(site.DocumentRoot))
		fmt.Fprintf(b, "\tProxyFCGISetEnvIf %s %s %s\n", quote(condition), name, quote(site.SeenAs+"$2"))
	}
}

func (s Site) seenAs() string { return cmp.Or(s.SeenAs, s.DocumentRoot) }

func (o Options) handler(site Site) Handler {
	if site.Handler == HandlerSet {
		return o.Handler
	}
	return site.Handler
}

func (h Handler) slash() string {
	if h == HandlerSetSlash {
		return "/"
	}
	return ""
}

// reuse is for ProxyPassMatch, which makes a worker of its own.
func (w *web) reuse() string {
	if w.server.options.EnableReuse {
		return " enablereuse=on"
	}
	return ""
}

// writeWorkers makes Apache keep the connections that SetHandler makes to each pool.
func (w *web) writeWorkers(b *strings.Builder) {
	for _, info := range w.server.Pools() {
		fmt.Fprintf(b, "<Proxy %s>\n\tProxySet enablereuse=on\n</Proxy>\n", quote(backend(info)+w.server.options.Handler.slash()))
	}
}

// backend is the pool as mod_proxy names it.
func backend(info PoolInfo) string {
	if address, ok := strings.CutPrefix(info.Address, "tcp:"); ok {
		return "fcgi://" + address
	}
	return info.Address + "|fcgi://localhost"
}
