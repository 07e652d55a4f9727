package apache_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/deploy/webmap"
	"relink/internal/sandbox"
)

const bound = 30 * time.Second

// The two ways in which Apache runs PHP.
const (
	fpm    = "fpm"     // event, proxy_fcgi
	modPHP = "mod_php" // prefork, libphp
)

var sapis = []string{fpm, modPHP}

// server is an Apache of the test's own, with what it serves below root.
type server struct {
	root     string // of everything
	releases string
	mapFile  string
	handler  string // SetHandler for PHP
	address  string
	exited   chan struct{}
	pid      int
}

// newServer lays the folder out, and starts PHP-FPM where that runs PHP.
func newServer(t testing.TB, sapi string) *server {
	t.Helper()
	root, err := sandbox.TempRoot()
	check(t, err)
	t.Cleanup(func() { check(t, os.RemoveAll(root)) })
	s := &server{root: root, releases: root + "/releases", mapFile: root + "/state/booking.map", handler: "application/x-httpd-php"}
	for _, dir := range []string{"releases", "state", "www", "conf", "run", "log", "empty"} {
		check(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	if sapi == fpm {
		pools, err := sandbox.Start(t.Context(), sandbox.Options{NoApache: true, Masters: []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: 4}}}}})
		check(t, err)
		t.Cleanup(func() { check(t, pools.Stop()) })
		s.handler = "proxy:" + pools.Pools()[0].Address + "|fcgi://localhost"
	}
	return s
}

func (s *server) file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(s.root, name)
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func (s *server) link(t testing.TB, name, release string) {
	t.Helper()
	check(t, os.Symlink(filepath.Join(s.releases, release), filepath.Join(s.root, name)))
}

func (s *server) release(t testing.TB, lines webmap.Map) {
	t.Helper()
	check(t, webmap.Write(s.mapFile, lines))
}

const serverConfig = `
ServerName default
Listen %[2]s
PidFile %[1]s/run/apache.pid
DefaultRuntimeDir %[1]s/run
Mutex file:%[1]s/run default
ErrorLog %[1]s/log/apache.log
LogLevel warn
DirectoryIndex index.php index.html
TypesConfig /dev/null
AddType text/css .css
AddType text/html .html
KeepAliveTimeout 30
MaxKeepAliveRequests 0
<Directory "/">
	Options FollowSymLinks
	AllowOverride None
	Require all denied
</Directory>
<Directory "%[1]s/www">
	AllowOverride All
	Require all granted
</Directory>
<FilesMatch "^\.ht">
	Require all denied
</FilesMatch>
<FilesMatch "\.php$">
	SetHandler "%[3]s"
</FilesMatch>
<VirtualHost *>
	ServerName default
	DocumentRoot %[1]s/empty
</VirtualHost>
`

var modules = map[string][]string{
	fpm:    {"mpm_event", "proxy", "proxy_fcgi"},
	modPHP: {"mpm_prefork", "lua"},
}

// start runs Apache with these virtual hosts besides.
func (s *server) start(t testing.TB, sapi, hosts string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	s.address = listener.Addr().String()
	check(t, listener.Close())
	var b strings.Builder
	for _, name := range append(modules[sapi], "authz_core", "dir", "mime", "alias", "env", "setenvif", "rewrite") {
		fmt.Fprintf(&b, "LoadModule %s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", name)
	}
	if sapi == modPHP {
		libraries, err := filepath.Glob("/usr/lib/apache2/modules/libphp*.so")
		if check(t, err); len(libraries) == 0 {
			t.Fatal("install Debian's libapache2-mod-php")
		}
		fmt.Fprintf(&b, "LoadModule php_module %s\n", libraries[len(libraries)-1])
	}
	if os.Geteuid() == 0 {
		b.WriteString("User www-data\nGroup www-data\n")
	}
	fmt.Fprintf(&b, serverConfig, s.root, s.address, s.handler)
	s.run(t, s.file(t, "conf/apache.conf", b.String()+hosts))
}

func (s *server) run(t testing.TB, config string) {
	t.Helper()
	cmd := exec.Command("/usr/sbin/apache2", "-d", s.root, "-f", config, "-D", "FOREGROUND")
	out, err := os.Create(filepath.Join(s.root, "log", "out"))
	check(t, err)
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	s.exited = make(chan struct{})
	started := make(chan error)
	go func() { // Pdeathsig comes when this thread ends, so it has to stay (golang/go#27505)
		runtime.LockOSThread()
		defer close(s.exited)
		started <- cmd.Start()
		_ = cmd.Wait()
	}()
	check(t, <-started)
	s.pid = cmd.Process.Pid
	t.Cleanup(func() { s.stop(t) })
	s.await(t)
}

func (s *server) stop(t testing.TB) {
	_ = syscall.Kill(s.pid, syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(bound):
		_ = syscall.Kill(-s.pid, syscall.SIGKILL)
		t.Error("Apache did not end")
	}
}

func (s *server) await(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if connection, err := net.Dial("tcp", s.address); err == nil {
			check(t, connection.Close())
			return
		}
		select {
		case <-tick.C:
		case <-s.exited:
			t.Fatalf("Apache ended: %s", s.log())
		case <-ctx.Done():
			t.Fatalf("Apache does not listen: %s", s.log())
		}
	}
}

func (s *server) log() string {
	out, _ := os.ReadFile(filepath.Join(s.root, "log", "out"))
	log, _ := os.ReadFile(filepath.Join(s.root, "log", "apache.log"))
	return string(out) + string(log)
}

// answer is what a visitor gets, of that which matters here.
type answer struct {
	Status   int
	Location string
	Type     string
	Body     string
}

// get sends the path as it is, which net/http would not.
func (s *server) get(t testing.TB, host, path string) answer {
	t.Helper()
	connection, err := net.DialTimeout("tcp", s.address, bound)
	check(t, err)
	defer connection.Close()
	check(t, connection.SetDeadline(time.Now().Add(bound)))
	_, err = fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic am9lOnNlY3JldA==\r\nConnection: close\r\n\r\n", path, host)
	check(t, err)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	check(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	check(t, err)
	return answer{response.StatusCode, response.Header.Get("Location"), response.Header.Get("Content-Type"), string(body)}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
