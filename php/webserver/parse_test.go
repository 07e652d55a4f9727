package webserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/damagetest"

	"github.com/google/go-cmp/cmp"
)

func seed(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		`a  b`:            {"a", "b"},
		`"a b" c`:         {"a b", "c"},
		`'it''s'`:         {"it", "s"},
		`"a \"b\" \\ \n"`: {`a "b" \ \n`},
		`"open`:           {"open"},
		`a"b c"`:          {`a"b`, `c"`},
		`"" x`:            {"", "x"},
		` `:               nil,
	} {
		if diff := cmp.Diff(want, splitWords(line)); diff != "" {
			t.Errorf("%s: %s", line, diff)
		}
	}
}

// conf makes what Apache prints of some lines.
func conf(t *testing.T, lines string) apacheConf {
	t.Helper()
	conf, err := parseApache([]byte("# In file: /etc/a.conf\n" + lines + "\nServerRoot: \"/etc/apache2\"\nMain DocumentRoot: \"/var/www/html\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

func TestPHPOfApache(t *testing.T) {
	const fpm = `SetHandler "proxy:unix:/run/a.sock|fcgi://localhost"`
	for name, test := range map[string]struct{ lines, handler, pool string }{
		"nothing":                    {"", "", ""},
		"handler":                    {"<FilesMatch \\.php$>\n" + fpm + "\n</FilesMatch>", FPM, "unix:/run/a.sock"},
		"handler for another folder": {"<Directory /var/www/other>\n" + fpm + "\n</Directory>", "", ""},
		"handler for this folder":    {"<Directory /var/www>\n" + fpm + "\n</Directory>", FPM, "unix:/run/a.sock"},
		"handler for all folders":    {"<Directory />\n" + fpm + "\n</Directory>", FPM, "unix:/run/a.sock"},
		"folder by pattern":          {"<Directory ~ /var/w+/>\n" + fpm + "\n</Directory>", FPM, "unix:/run/a.sock"},
		"folder by wildcard":         {"<Directory /var/*/html>\n" + fpm + "\n</Directory>", FPM, "unix:/run/a.sock"},
		"sources only":               {"<FilesMatch \\.phps$>\n" + fpm + "\n</FilesMatch>", "", ""},
		"condition":                  {"<FilesMatch \\.php$>\n<If \"-f %{REQUEST_FILENAME}\">\n" + fpm + "\n</If>\n</FilesMatch>", FPM, "unix:/run/a.sock"},
		"location wins over files":   {"<Location />\nSetHandler none\n</Location>\n<Files *.php>\n" + fpm + "\n</Files>", "", ""},
		"vhost wins":                 {fpm + "\n<VirtualHost *:80>\nSetHandler application/x-httpd-php\n</VirtualHost>", ModPHP, ""},
		"vhost inherits":             {fpm + "\n<VirtualHost *:80>\n</VirtualHost>", FPM, "unix:/run/a.sock"},
		"mod_php by type":            {"AddType application/x-httpd-php .php .phtml", ModPHP, ""},
		"mod_php by handler":         {"AddHandler application/x-httpd-php .php", ModPHP, ""},
		"type for other files":       {"AddType text/html .htm", "", ""},
		"SetHandler beats AddType":   {fpm + "\nAddType application/x-httpd-php .php", FPM, "unix:/run/a.sock"},
		"tcp":                        {"SetHandler proxy:fcgi://127.0.0.1:9000", FPM, "tcp:127.0.0.1:9000"},
		"tcp without a port":         {"SetHandler proxy:fcgi://php/", FPM, "tcp:php:8000"},
		"ProxyPassMatch":             {"ProxyPassMatch ^/(.*\\.php)$ unix:/run/b.sock|fcgi://localhost/var/www/$1", FPM, "unix:/run/b.sock"},
		"ProxyPass by another way":   {"ProxyPass /app fcgi://127.0.0.1:9000", "", ""},
		"ProxyPass elsewhere":        {fpm + "\nProxyPass / http://127.0.0.1:3000/", "", ""},
		"ProxyPass excluded":         {fpm + "\nProxyPass /index.php !\nProxyPass / http://127.0.0.1:3000/", FPM, "unix:/run/a.sock"},
		"socket chosen by a request": {`SetHandler "proxy:unix:%{reqenv:SOCK}|fcgi://localhost"`, FPM, ""},
		"balancer without members":   {"SetHandler proxy:balancer://none", "", ""},
	} {
		sites := conf(t, "Listen 80\n"+test.lines).sites(1)
		if len(sites) != 1 || sites[0].Handler != test.handler || sites[0].Pool != test.pool {
			t.Errorf("%s: %+v, want %q, %q", name, sites, test.handler, test.pool)
		}
	}
}

func TestAddressesOfApache(t *testing.T) {
	for name, test := range map[string]struct{ listens, address, url string }{
		"all":                   {"80", "*:80", "http://127.0.0.1/"},
		"old spelling":          {"80", "_default_:80", "http://127.0.0.1/"},
		"any port":              {"8080", "*", "http://127.0.0.1:8080/"},
		"other port":            {"80", "*:81", ""},
		"one address":           {"80", "192.0.2.1:80", "http://192.0.2.1/"},
		"listens there only":    {"192.0.2.1:80", "*:80", "http://192.0.2.1/"},
		"loopback is preferred": {"192.0.2.1:80 127.0.0.1:80", "*:80", "http://127.0.0.1/"},
		"IPv6":                  {"[::]:80", "*:80", "http://[::1]/"},
		"IPv6 loopback":         {"[::1]:8080", "[::1]:8080", "http://[::1]:8080/"},
		"every IPv4 address":    {"0.0.0.0:80", "*:80", "http://127.0.0.1/"},
		"one of several":        {"80", "192.0.2.1:443 *:80", "http://127.0.0.1/"},
		"no TLS before TLS":     {"443 80", "*:443 *:80", "http://127.0.0.1/"},
	} {
		var lines string
		for _, l := range strings.Fields(test.listens) {
			lines += "Listen " + l
			if l == "443" {
				lines += " https"
			}
			lines += "\n"
		}
		sites := conf(t, lines+"<VirtualHost "+test.address+">\nServerName x\n</VirtualHost>").sites(1)
		if sites[0].URL != test.url {
			t.Errorf("%s: %q, want %q", name, sites[0].URL, test.url)
		}
	}
}

func TestArguments(t *testing.T) {
	for _, test := range []struct{ line, args, file, wrong string }{
		{"-k start", "", "", ""},
		{"-d /srv/a -f conf/x.conf -k start -D FOREGROUND", "-D FOREGROUND -d /srv/a -f conf/x.conf", "/srv/a/conf/x.conf", ""},
		{"-f /etc/x.conf -DSSL -X -E /tmp/evil", "-D SSL -f /etc/x.conf", "/etc/x.conf", ""},
		{"-d rel -f /etc/x.conf", "", "", errRelative.Error()},
		{"-f", "", "", ""},
		{"-f x.conf", "-f x.conf", "", ""},
	} {
		args, file, err := apacheArgs(strings.Fields(test.line))
		if err != nil != (test.wrong != "") || strings.Join(args, " ") != test.args || file != test.file {
			t.Errorf("apache %s: %q, %q, %v", test.line, args, file, err)
		}
	}
	for _, test := range []struct{ line, args, file, wrong string }{
		{"-g daemon on; master_process on;", "", "", ""},
		{"-c /etc/n.conf -p /srv -g daemon off;", "-p /srv -c /etc/n.conf", "/etc/n.conf", ""},
		{"-p /srv -c conf/n.conf", "-p /srv -c conf/n.conf", "/srv/conf/n.conf", ""},
		{"-c n.conf", "-c n.conf", "", ""},
		{"-p rel", "", "", errRelative.Error()},
	} {
		args, file, err := nginxArgs(strings.Fields(test.line))
		if err != nil != (test.wrong != "") || strings.Join(args, " ") != test.args || file != test.file {
			t.Errorf("nginx %s: %q, %q, %v", test.line, args, file, err)
		}
	}
}

func TestNginxSyntax(t *testing.T) {
	const main = "# configuration file /e/n.conf:\n"
	for text, want := range map[string]string{
		"a b;":                              "a[b]",
		"a 'b c' \"d\\\"e\";":               "a[b c|d\"e]",
		"a ~^\\.x$ ${v}y;":                  "a[~^\\.x$|${v}y]",
		"a{b c;}d;":                         "a[]{b[c]}d[]",
		"a # x;\n b;":                       "a[b]",
		"x_by_lua_block { if {} } b;":       "x_by_lua_block[]b[]",
		"include *.inc; z;\n" + other("q"):  "y[q]z[]",
		"include /e/nothing.inc; z;":        "z[]",
		"include n.conf;":                   "?",
		"a {":                               "?",
		"a; }":                              "?",
		"a":                                 "?",
		"{ a; }":                            "?",
		strings.Repeat("a{", 10000) + "b; ": "?",
	} {
		got := "?"
		if conf, err := parseNginx([]byte(main + text)); err == nil {
			got = shape(conf)
		}
		if got != want {
			t.Errorf("%s\n gives %s, want %s", text[:min(len(text), 80)], got, want)
		}
	}
}

func other(arg string) string { return "# configuration file /e/a.inc:\ny " + arg + ";\n" }

func shape(list []directive) (text string) {
	for _, d := range list {
		text += d.name + "[" + strings.Join(d.args, "|") + "]"
		if d.children != nil {
			text += "{" + shape(d.children) + "}"
		}
	}
	return text
}

func FuzzApache(f *testing.F) {
	f.Add(seed(f, "apache.dump"))
	f.Add([]byte("<a>\n<b>\n</c>\n</a>\nServerRoot: \"x\"\nProxyPass"))
	for text := range damagetest.Of([]byte("ServerRoot: \"x\"\n<VirtualHost *:80>\n#Line 3\n  ServerName a\n  DocumentRoot \"/www/a\"\n</VirtualHost>\n")) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, printed []byte) {
		if conf, err := parseApache(printed); err == nil {
			Match(conf.sites(1), []Link{{"a", "/nowhere/a", "."}})
		}
	})
}

func FuzzNginx(f *testing.F) {
	f.Add(seed(f, "nginx.dump"))
	f.Add([]byte("# configuration file /a:\nhttp{server{root ${x;}}}"))
	for text := range damagetest.Of([]byte("# configuration file /a:\nhttp{server{server_name a; root /www/a; location ~ \\.php$ {fastcgi_pass unix:/s;}}}")) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, printed []byte) {
		if conf, err := parseNginx(printed); err == nil {
			Match(nginxServers(conf, 1), []Link{{"a", "/nowhere/a", "."}})
		}
	})
}

func FuzzInterpolate(f *testing.F) {
	f.Add("/www/%-1.2+/%1.1/%0/%%", "a.example.org")
	f.Fuzz(func(_ *testing.T, pattern, host string) { interpolate(pattern, host) })
}
