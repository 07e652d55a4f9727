package sandbox

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

// nginx is nginx with PHP-FPM.
type nginx struct{}

func (nginx) name() string                 { return "nginx" }
func (nginx) reloadSignal() syscall.Signal { return syscall.SIGHUP }

// command: -e keeps it from opening the log below /var/log first.
func (nginx) command(w *web) *exec.Cmd {
	return exec.Command(w.server.options.WebBinary, "-p", w.server.layout.root, "-e", w.log(), "-c", w.conf())
}

// retired: nginx starts the new workers before it asks the old ones to close
// their sockets, so that for a moment both answer. The old ones say when they do.
func (nginx) retired(child int) bool {
	title := processTitle(child)
	return title == "" || strings.HasSuffix(title, "is shutting down")
}

const nginxBase = `daemon off;
master_process on;
worker_processes 1;
%[1]spid %[2]s;
events {
	worker_connections 512;
}
http {
	access_log off;
	default_type application/octet-stream;
	types {
		text/html html;
		text/css css;
		text/javascript js;
		image/svg+xml svg;
		image/png png;
	}
	client_body_temp_path %[3]s;
	proxy_temp_path %[3]s;
	fastcgi_temp_path %[3]s;
	uwsgi_temp_path %[3]s;
	scgi_temp_path %[3]s;
	keepalive_timeout 30s;
	keepalive_requests 1000000;
	fastcgi_read_timeout 120s;
	index index.php index.html;
	server {
		listen %[4]s default_server;
		server_name %[5]s;
		location / {
			return 403;
		}
		location = /server-status {
			default_type text/plain;
			return 200 "ParentServerConfigGeneration: %[6]d\n";
		}
	}
`

func (nginx) config(w *web) (string, error) {
	var b strings.Builder
	user := ""
	if u := w.server.user; u.name != "" {
		user = fmt.Sprintf("user %s %s;\n", u.name, u.group)
	}
	l := w.server.layout
	temp := l.run("nginx")
	if err := checkNginx(l.root); err != nil {
		return "", err
	}
	fmt.Fprintf(&b, nginxBase, user, nginxQuote(l.run("nginx.pid")), nginxQuote(temp), w.address(), ownHost, w.generation)
	w.writeUpstreams(&b)
	for _, line := range w.server.options.Directives {
		fmt.Fprintf(&b, "\t%s\n", line)
	}
	for _, site := range w.sites {
		if err := w.writeServer(&b, site); err != nil {
			return "", fmt.Errorf("site %s: %w", site.Host, err)
		}
	}
	b.WriteString("}\n")
	return b.String(), nil
}

func (w *web) writeUpstreams(b *strings.Builder) {
	for _, info := range w.server.Pools() {
		fmt.Fprintf(b, "\tupstream %s {\n\t\tserver %s;\n", upstream(info), nginxQuote(strings.TrimPrefix(info.Address, "tcp:")))
		if w.server.options.EnableReuse {
			fmt.Fprintf(b, "\t\tkeepalive %d;\n", info.Workers)
		}
		b.WriteString("\t}\n")
	}
}

func upstream(info PoolInfo) string { return "pool-" + info.Name }

// nginxParams are those of Debian's fastcgi_params.
var nginxParams = [][2]string{
	{"QUERY_STRING", "$query_string"}, {"REQUEST_METHOD", "$request_method"},
	{"CONTENT_TYPE", "$content_type"}, {"CONTENT_LENGTH", "$content_length"},
	{"SCRIPT_NAME", "$fastcgi_script_name"}, {"PATH_INFO", "$fastcgi_path_info"},
	{"REQUEST_URI", "$request_uri"}, {"DOCUMENT_URI", "$document_uri"},
	{"SERVER_PROTOCOL", "$server_protocol"}, {"REQUEST_SCHEME", "$scheme"},
	{"GATEWAY_INTERFACE", "CGI/1.1"}, {"SERVER_SOFTWARE", "nginx"},
	{"REMOTE_ADDR", "$remote_addr"}, {"REMOTE_PORT", "$remote_port"},
	{"SERVER_ADDR", "$server_addr"}, {"SERVER_PORT", "$server_port"},
	{"SERVER_NAME", "$server_name"}, {"REDIRECT_STATUS", "200"},
}

func (w *web) writeServer(b *strings.Builder, site Site) error {
	root := "$document_root"
	if site.RealpathRoot {
		root = "$realpath_root"
	}
	if site.SeenAs != "" {
		root = site.SeenAs
	}
	params := append([][2]string{{"SCRIPT_FILENAME", root + "$fastcgi_script_name"}, {"DOCUMENT_ROOT", root}}, nginxParams...)
	if err := checkNginx(site.DocumentRoot); err != nil {
		return err
	}
	fmt.Fprintf(b, "\tserver {\n\t\tlisten %s;\n\t\tserver_name %s;\n\t\troot %s;\n", w.address(), site.Host, nginxQuote(site.DocumentRoot))
	for _, line := range site.Directives {
		fmt.Fprintf(b, "\t\t%s\n", line)
	}
	b.WriteString("\t\tlocation ~ [^/]\\.php(/|$) {\n\t\t\tfastcgi_split_path_info ^(.+?\\.php)(/.*)$;\n")
	for _, key := range sortedKeys(site.Env) {
		if err := checkNginx(site.Env[key]); err != nil || !nameForm.MatchString(key) {
			return fmt.Errorf("environment %q = %q cannot be written in nginx's configuration", key, site.Env[key])
		}
		params = append(params, [2]string{key, site.Env[key]})
	}
	for _, param := range params {
		fmt.Fprintf(b, "\t\t\tfastcgi_param %s %s;\n", param[0], nginxQuote(param[1]))
	}
	if w.server.options.EnableReuse {
		b.WriteString("\t\t\tfastcgi_keep_conn on;\n")
	}
	fmt.Fprintf(b, "\t\t\tfastcgi_pass %s;\n\t\t}\n\t}\n", upstream(w.server.Pool(site.Pool)))
	return nil
}

// checkNginx: nginx has no way to write a '$' that is none of a variable.
func checkNginx(value string) error {
	if strings.ContainsAny(value, "$\n\r\x00") {
		return fmt.Errorf("%q cannot be written in nginx's configuration", value)
	}
	return nil
}

func nginxQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
