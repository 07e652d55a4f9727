package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"relink/internal/hint"
)

// modulesDir is where Debian's apache2-bin keeps the modules.
const modulesDir = "/usr/lib/apache2/modules"

// ownHost is the first and so the default virtual host: a request for a host
// that is no site must not reach a site.
const ownHost = "relink-sandbox"

var modules = []string{"mpm_event", "authz_core", "dir", "mime", "alias", "env", "rewrite", "status", "proxy", "proxy_fcgi"}

// baseConfig: one child with all threads, so that no child is started or ended
// during a load (each such change closes kept-alive connections); the other
// slots of ServerLimit are for children that finish after a graceful restart.
const baseConfig = `
ServerName relink-sandbox
ServerLimit 16
StartServers 1
ThreadsPerChild 128
ThreadLimit 128
MaxRequestWorkers 128
MinSpareThreads 1
MaxSpareThreads 128
MaxConnectionsPerChild 0
KeepAlive On
KeepAliveTimeout 30
MaxKeepAliveRequests 0
Timeout 120
ProxyTimeout 120
LogLevel warn
ServerTokens Prod
DirectoryIndex index.php index.html
TypesConfig /dev/null
AddType text/html .html
AddType text/css .css
AddType text/javascript .js
AddType image/svg+xml .svg
AddType image/png .png
<Directory "/">
	Options FollowSymLinks
	AllowOverride None
	Require all granted
</Directory>
`

func (a *apache) config() (string, error) {
	var b strings.Builder
	for _, name := range modules {
		path := filepath.Join(modulesDir, "mod_"+name+".so")
		if _, err := os.Stat(path); err != nil {
			return "", hint.With(err, "install Debian's apache2-bin")
		}
		fmt.Fprintf(&b, "LoadModule %s_module %s\n", name, path)
	}
	b.WriteString(baseConfig)
	a.writeOwn(&b)
	if a.server.options.EnableReuse {
		a.writeWorkers(&b)
	}
	for _, site := range a.sites {
		if err := a.writeSite(&b, site); err != nil {
			return "", fmt.Errorf("site %s: %w", site.Host, err)
		}
	}
	return b.String(), nil
}

func (a *apache) writeOwn(b *strings.Builder) {
	l := a.server.layout
	fmt.Fprintf(b, "Listen %s\n", a.address())
	fmt.Fprintf(b, "PidFile %s\n", quote(l.run("apache.pid")))
	fmt.Fprintf(b, "DefaultRuntimeDir %s\n", quote(l.run("")))
	fmt.Fprintf(b, "Mutex %s default\n", quote("file:"+l.run("")))
	fmt.Fprintf(b, "ErrorLog %s\n", quote(l.log("apache.log")))
	if u := a.server.user; u.name != "" {
		fmt.Fprintf(b, "User %s\nGroup %s\n", u.name, u.group)
	}
	fmt.Fprintf(b, "<VirtualHost %s>\n\tServerName %s\n\tDocumentRoot %s\n", a.address(), ownHost, quote(l.agent()))
	b.WriteString("\t<Location \"/\">\n\t\tRequire all denied\n\t</Location>\n")
	b.WriteString("\t<Location \"/server-status\">\n\t\tSetHandler server-status\n\t\tRequire all granted\n\t</Location>\n</VirtualHost>\n")
}

// writeWorkers makes Apache keep the connections to each pool.
func (a *apache) writeWorkers(b *strings.Builder) {
	for _, info := range a.server.Pools() {
		fmt.Fprintf(b, "<Proxy %s>\n\tProxySet enablereuse=on\n</Proxy>\n", quote(a.backend(info)))
	}
}

func (a *apache) writeSite(b *strings.Builder, site Site) error {
	info := a.server.Pool(site.Pool)
	fmt.Fprintf(b, "<VirtualHost %s>\n\tServerName %s\n\tDocumentRoot %s\n", a.address(), site.Host, quote(site.DocumentRoot))
	for _, key := range sortedKeys(site.Env) {
		if !nameForm.MatchString(key) || strings.ContainsAny(site.Env[key], "\n\r\x00") {
			return fmt.Errorf("environment %q = %q cannot be written in Apache's configuration", key, site.Env[key])
		}
		fmt.Fprintf(b, "\tSetEnv %s %s\n", key, quote(site.Env[key]))
	}
	fmt.Fprintf(b, "\t<FilesMatch \"\\.php$\">\n\t\tSetHandler %s\n\t</FilesMatch>\n</VirtualHost>\n", quote("proxy:"+a.backend(info)))
	return nil
}

// backend is the pool as mod_proxy names it.
func (a *apache) backend(info PoolInfo) string {
	slash := ""
	if a.server.options.HandlerSlash {
		slash = "/"
	}
	if address, ok := strings.CutPrefix(info.Address, "tcp:"); ok {
		return "fcgi://" + address + slash
	}
	return info.Address + "|fcgi://localhost" + slash
}

// quote makes one argument of an Apache directive.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
