package webserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/internal/sandbox"

	"github.com/rogpeppe/go-internal/txtar"
)

// layout is a private folder with the configuration of a real server.
type layout struct {
	root  string
	ports [4]int
}

func lay(t *testing.T, archive string) layout {
	t.Helper()
	root, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	l := layout{root: root}
	replace := []string{"ROOT", root}
	for i := range l.ports {
		l.ports[i] = freePort(t)
		replace = append(replace, fmt.Sprintf("PORT%d", i+1), fmt.Sprint(l.ports[i]))
	}
	files, err := txtar.ParseFile(filepath.Join("testdata", archive))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files.Files {
		l.write(t, f.Name, strings.NewReplacer(replace...).Replace(string(f.Data)))
	}
	l.certificate(t)
	return l
}

func (l layout) path(name string) string { return filepath.Join(l.root, name) }

func (l layout) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(l.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.path(name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (l layout) url(port int) string { return fmt.Sprintf("http://127.0.0.1:%d/", l.ports[port-1]) }

func (l layout) certificate(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"club1.example.org"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	l.write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	l.write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// answers waits for an answer: Apache listens already while it takes its modules out and
// loads them once more.
func answers(port int) bool {
	connection, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(patience))
	_, err = io.WriteString(connection, "GET / HTTP/1.0\r\n\r\n")
	if err == nil {
		_, err = connection.Read(make([]byte, 1))
	}
	return err == nil
}

// run starts a server in the foreground and returns when it answers.
func (l layout) run(t *testing.T, env []string, name string, args ...string) int {
	t.Helper()
	out, err := os.Create(l.path("out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Apache ends by a signal to its whole group
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	for deadline := time.Now().Add(patience); ; {
		if answers(l.ports[0]) {
			return cmd.Process.Pid
		}
		select {
		case <-ended:
			t.Fatalf("%s has ended:\n%s", name, l.output())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen:\n%s", name, l.output())
		}
	}
}

func (l layout) output() string {
	text, _ := os.ReadFile(l.path("out"))
	log, _ := os.ReadFile(l.path("error.log"))
	return string(text) + string(log)
}

func (l layout) apacheEnv() []string {
	return []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "APACHE_RUN_USER=www-data", "APACHE_RUN_GROUP=www-data", "APACHE_PID_FILE=" + l.path("apache2.pid"),
		"APACHE_RUN_DIR=" + l.root, "APACHE_LOCK_DIR=" + l.root, "APACHE_LOG_DIR=" + l.root,
	}
}
