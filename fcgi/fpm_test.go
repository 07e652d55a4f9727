package fcgi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"relink/fcgi"
)

// pool is a PHP-FPM of one static pool.
type pool struct {
	fcgi.Address
	dir string // a folder that the pool's user can read
}

// startFPM runs PHP-FPM with that many workers until the test's end. More lines
// for the pool's section may follow. Started by root, the workers run as nobody.
func startFPM(t testing.TB, workers int, lines ...string) pool {
	t.Helper()
	return startFPMWith(t, nil, workers, lines...)
}

func startFPMWith(t testing.TB, arguments []string, workers int, lines ...string) pool {
	t.Helper()
	dir := shortDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	conf := fmt.Sprintf("[global]\nerror_log = /proc/self/fd/2\ndaemonize = no\n[test]\nuser = nobody\ngroup = nogroup\n"+
		"listen = %s\nlisten.mode = 0666\npm = static\npm.max_children = %d\n%s\n", socket, workers, strings.Join(lines, "\n"))
	master := exec.Command(phpFPM(t), append(arguments, "-n", "-F", "-y", writeFile(t, dir, "fpm.conf", conf))...)
	log, err := master.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := master.Start(); err != nil {
		t.Fatal(err)
	}
	logged := make(chan string, 1)
	t.Cleanup(func() {
		master.Process.Signal(syscall.SIGTERM)
		<-logged
		master.Wait()
	})
	waitReady(t, log, logged)
	return pool{fcgi.Address{Network: "unix", Path: socket}, dir}
}

func phpFPM(t testing.TB) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/sbin/php-fpm*")
	if len(found) == 0 {
		t.Fatal("no /usr/sbin/php-fpm*: install php-fpm")
	}
	return found[0]
}

// waitReady reads the log until FPM serves, and goes on reading until it ends;
// then all that was logged is in logged.
func waitReady(t testing.TB, log io.Reader, logged chan string) {
	t.Helper()
	ready := make(chan struct{})
	go func() {
		var all strings.Builder
		for lines := bufio.NewScanner(log); lines.Scan(); {
			fmt.Fprintln(&all, lines.Text())
			if strings.Contains(lines.Text(), "ready to handle connections") {
				close(ready)
			}
		}
		logged <- all.String()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case <-ready:
	case text := <-logged:
		logged <- text
		t.Fatalf("php-fpm ended:\n%s", text)
	case <-ctx.Done():
		t.Fatal("php-fpm does not become ready")
	}
}

func writeFile(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func (p pool) script(t testing.TB, name, content string) string {
	t.Helper()
	return writeFile(t, p.dir, name, content)
}
