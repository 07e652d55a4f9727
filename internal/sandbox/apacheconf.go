package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"relink/internal/hint"
)

// modulesDir is where Debian's apache2-bin keeps the modules.
const modulesDir = "/usr/lib/apache2/modules"

// ownHost is the first and so the default virtual host: a request for a host
// that is no site must not reach a site.
const ownHost = "relink-sandbox"

var modules = []string{"authz_core", "dir", "mime", "alias", "vhost_alias", "env", "setenvif", "rewrite", "status", "proxy", "proxy_fcgi"}

const baseConfig = `
ServerName relink-sandbox
MaxConnectionsPerChild 0
KeepAlive On
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

// eventConfig: one child with all threads, so that no child is started or ended
// during a load (each such change closes kept-alive connections); the other
// slots of ServerLimit are for children that finish after a graceful restart.
const eventConfig = `
ServerLimit 16
StartServers 1
ThreadsPerChild 128
ThreadLimit 128
MaxRequestWorkers 128
MinSpareThreads 1
MaxSpareThreads 128
MaxKeepAliveRequests 0
KeepAliveTimeout 30
`

// event is Apache with mpm_event.
type event struct{}

func (event) name() string                  { return "apache" }
func (event) reloadSignal() syscall.Signal  { return syscall.SIGUSR1 }
func (event) command(w *web) *exec.Cmd      { return apacheCommand(w) }
func (event) config(w *web) (string, error) { return w.apacheConfig("mpm_event", eventConfig) }

// retired cannot be told of a child of Apache; the generations that answer are
// what there is.
func (event) retired(int) bool { return true }

func apacheCommand(w *web) *exec.Cmd {
	return exec.Command(w.server.options.WebBinary, "-d", w.server.layout.root, "-f", w.conf(), "-D", "FOREGROUND")
}

func (w *web) apacheConfig(mpm, own string) (string, error) {
	var b strings.Builder
	for _, name := range append([]string{mpm}, modules...) {
		path := filepath.Join(modulesDir, "mod_"+name+".so")
		if _, err := os.Stat(path); err != nil {
			return "", hint.With(err, "install Debian's apache2-bin")
		}
		fmt.Fprintf(&b, "LoadModule %s_module %s\n", name, path)
	}
	b.WriteString(baseConfig + own)
	w.writeOwn(&b)
	if w.server.options.EnableReuse {
		w.writeWorkers(&b)
	}
	for _, line := range w.server.options.Directives {
		fmt.Fprintln(&b, line)
	}
	for _, site := range w.sites {
		if err := w.writeSite(&b, site); err != nil {
			return "", fmt.Errorf("site %s: %w", site.Host, err)
		}
	}
	return b.String(), nil
}

func (w *web) writeOwn(b *strings.Builder) {
	l := w.server.layout
	fmt.Fprintf(b, "Listen %s\n", w.address())
	fmt.Fprintf(b, "PidFile %s\n", quote(l.run("apache.pid")))
	fmt.Fprintf(b, "DefaultRuntimeDir %s\n", quote(l.run("")))
	fmt.Fprintf(b, "Mutex %s default\n", quote("file:"+l.run("")))
	fmt.Fprintf(b, "ErrorLog %s\n", quote(w.log()))
	if u := w.server.user; u.name != "" {
		fmt.Fprintf(b, "User %s\nGroup %s\n", u.name, u.group)
	}
	fmt.Fprintf(b, "<VirtualHost %s>\n\tServerName %s\n\tDocumentRoot %s\n", w.address(), ownHost, quote(l.agent()))
	b.WriteString("\t<Location \"/\">\n\t\tRequire all denied\n\t</Location>\n")
	b.WriteString("\t<Location \"/server-status\">\n\t\tSetHandler server-status\n\t\tRequire all granted\n\t</Location>\n</VirtualHost>\n")
}

// quote makes one argument of an Apache directive.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
