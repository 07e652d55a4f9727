package probe_test

import (
	"context"
	"fmt"
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

	"relink/internal/sandbox"
)

// patience bounds what must not hang; no test waits for it to pass.
const patience = 30 * time.Second

func bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// web is a private web server with PHP, and how a test wants it.
type web struct {
	root     string // everything lies below it
	docroot  string // as the web server is told
	ini      map[string]string
	rules    string // further directives of the site
	handler  string // in place of the one for *.php
	workers  int
	reuse    bool   // Apache keeps its connections to FPM
	url      string // of the document root
	fpm      *sandbox.Server
	children func() []int // the processes that run PHP
}

// servers are the ways in which a web server runs PHP.
var servers = []struct {
	name  string
	sapi  string
	start func(t *testing.T, w *web)
}{
	{"Apache event with FPM", "fpm-fcgi", startEvent},
	{"Apache prefork with mod_php", "apache2handler", startPrefork},
	{"nginx with FPM", "fpm-fcgi", startNginx},
}

const host = "club1.test"

func startEvent(t *testing.T, w *web) {
	w.fpm = w.sandbox(t, sandbox.Options{EnableReuse: w.reuse, Sites: []sandbox.Site{{Host: host, DocumentRoot: w.docroot}}})
	w.url = w.fpm.URL() + "/"
}

func (w *web) sandbox(t *testing.T, o sandbox.Options) *sandbox.Server {
	t.Helper()
	o.Root = w.root + "/s"
	o.Masters = []sandbox.Master{{INI: w.ini, Pools: []sandbox.Pool{{Name: "www", Workers: max(w.workers, 1)}}}}
	server, err := sandbox.Start(bounded(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	w.children = func() []int {
		pids, err := server.WorkerPIDs("")
		if err != nil {
			t.Fatal(err)
		}
		return pids
	}
	return server
}

// startPrefork runs a fixed number of children: none is started or ended.
func startPrefork(t *testing.T, w *web) {
	w.folders(t)
	ini := "opcache.enable=1\nopcache.validate_timestamps=0\n"
	for key, value := range w.ini {
		ini += key + " = \"" + value + "\"\n"
	}
	writeFile(t, w.root+"/conf/php.ini", ini)
	w.serve(t, "apache", func(address string) []string {
		var b strings.Builder
		for _, name := range []string{"mpm_prefork", "authz_core", "dir", "mime", "rewrite"} {
			fmt.Fprintf(&b, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", name, name)
		}
		fmt.Fprintf(&b, "LoadModule php_module %s\nPHPIniDir %q\n", libphp(t), w.root+"/conf")
		fmt.Fprintf(&b, "ServerName %s\nListen %s\nPidFile %q\nDefaultRuntimeDir %q\nMutex file:%s default\nErrorLog %q\nTypesConfig /dev/null\n%s",
			host, address, w.root+"/run/apache.pid", w.root+"/run", w.root+"/run", w.root+"/log/apache.log", userLines("User %s\nGroup %s\n"))
		n := max(w.workers, 1)
		fmt.Fprintf(&b, "ServerLimit %d\nMaxRequestWorkers %d\nStartServers %d\nMinSpareServers %d\nMaxSpareServers %d\n", n, n, n, n, n+1)
		fmt.Fprintf(&b, "<Directory \"/\">\nOptions FollowSymLinks\nAllowOverride None\nRequire all granted\n</Directory>\nDocumentRoot \"%s\"\n", w.docroot)
		b.WriteString(or(w.handler, "<FilesMatch \"\\.php$\">\nSetHandler application/x-httpd-php\n</FilesMatch>\n") + w.rules)
		writeFile(t, w.root+"/conf/apache.conf", b.String())
		return []string{"/usr/sbin/apache2", "-d", w.root, "-f", w.root + "/conf/apache.conf", "-D", "FOREGROUND"}
	})
	w.awaitChildren(t, max(w.workers, 1)+strings.Count(w.rules, "LoadModule cgid_module")) // whose daemon is one
}

// awaitChildren: the first one may answer before the last is forked.
func (w *web) awaitChildren(t *testing.T, n int) {
	t.Helper()
	for ctx := bounded(t); len(w.children()) < n; {
		if ctx.Err() != nil {
			t.Fatalf("%v, want %d of them", w.children(), n)
		}
	}
}

func libphp(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/apache2/modules/libphp*.so")
	if err != nil || len(found) == 0 {
		t.Fatalf("no mod_php (Debian: libapache2-mod-php): %v", err)
	}
	return found[len(found)-1]
}

func startNginx(t *testing.T, w *web) {
	w.folders(t)
	w.fpm = w.sandbox(t, sandbox.Options{NoApache: true})
	children := w.children
	w.serve(t, "nginx", func(address string) []string {
		run := w.root + "/run"
		fastcgi := fmt.Sprintf("fastcgi_pass %q;\n", w.fpm.Pool("").Address)
		for name, value := range map[string]string{
			"SCRIPT_FILENAME": "$document_root$fastcgi_script_name", "DOCUMENT_ROOT": "$document_root", "SCRIPT_NAME": "$fastcgi_script_name",
			"REQUEST_METHOD": "$request_method", "CONTENT_TYPE": "$content_type", "CONTENT_LENGTH": "$content_length",
			"REQUEST_URI": "$request_uri", "QUERY_STRING": "$query_string", "SERVER_PROTOCOL": "$server_protocol",
		} {
			fastcgi += fmt.Sprintf("fastcgi_param %s %s;\n", name, value)
		}
		config := fmt.Sprintf("daemon off;\nworker_processes 1;\npid %s/nginx.pid;\nerror_log %s/log/nginx.log;\n%sevents { worker_connections 64; }\nhttp {\naccess_log off;\n",
			run, w.root, userLines("user %s %s;\n"))
		for _, kind := range []string{"client_body", "fastcgi", "proxy", "uwsgi", "scgi"} {
			config += fmt.Sprintf("%s_temp_path %s/%s;\n", kind, run, kind)
		}
		config += fmt.Sprintf("server {\nlisten %s;\nserver_name %s;\nroot \"%s\";\nindex index.php;\n%s%s}\n}\n", address, host, w.docroot,
			strings.ReplaceAll(or(w.handler, "location ~ \\.php$ {\nFASTCGI}\n"), "FASTCGI", fastcgi), w.rules)
		writeFile(t, w.root+"/conf/nginx.conf", config)
		return []string{"/usr/sbin/nginx", "-e", w.root + "/log/nginx.log", "-p", w.root, "-c", w.root + "/conf/nginx.conf"}
	})
	w.children = children
}

func (w *web) folders(t *testing.T) {
	t.Helper()
	for _, name := range []string{"conf", "run", "log"} {
		if err := os.MkdirAll(filepath.Join(w.root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// serve runs a server on a free port. The port is free when it is chosen, not when
// the server binds it: a lost race chooses again.
func (w *web) serve(t *testing.T, name string, configure func(address string) []string) {
	t.Helper()
	ctx := bounded(t)
	for {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := listener.Addr().String()
		listener.Close()
		w.url = "http://" + address + "/"
		p := launch(t, w.root+"/log/out", configure(address))
		if awaitAnswer(ctx, w.url+"none", p.exited) {
			w.children = func() []int { return childrenOf(t, p.pid) }
			return
		}
		log, _ := exec.Command("tail", "-n", "5", w.root+"/log/out", w.root+"/log/"+name+".log").CombinedOutput()
		if ctx.Err() != nil || !strings.Contains(string(log), "Address already in use") {
			t.Fatalf("%s does not answer (%v):\n%s", name, ctx.Err(), log)
		}
	}
}

func awaitAnswer(ctx context.Context, url string, exited <-chan struct{}) bool {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		if response, err := client.Do(request); err == nil {
			response.Body.Close()
			return true
		}
		select {
		case <-tick.C:
		case <-exited:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// process is the head of a process group of its own.
type process struct {
	pid    int
	exited chan struct{}
}

// launch starts a server that ends with the test at the latest, or with the thread
// that forked it: that thread lives as long as the server (golang/go#27505).
func launch(t *testing.T, out string, line []string) process {
	t.Helper()
	log, err := os.OpenFile(out, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started, exited := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer close(exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, cmd.Process.Pid, exited) })
	return process{cmd.Process.Pid, exited}
}

func end(t *testing.T, pid int, exited <-chan struct{}) {
	syscall.Kill(pid, syscall.SIGTERM)
	select {
	case <-exited:
	case <-time.After(patience):
		t.Errorf("process %d outlives SIGTERM", pid)
		syscall.Kill(-pid, syscall.SIGKILL)
	}
}

func childrenOf(t *testing.T, parent int) []int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, field := range strings.Fields(string(data)) {
		var pid int
		if _, err := fmt.Sscan(field, &pid); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// userLines names the user of the children; an ordinary user's server has no choice.
func userLines(format string) string {
	if os.Geteuid() != 0 {
		return ""
	}
	return fmt.Sprintf(format, "www-data", "www-data")
}

func or(some, other string) string {
	if some != "" {
		return some
	}
	return other
}

func writeFile(t testing.TB, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	return path
}
