package fcgi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/fcgi"
	"relink/internal/hint"
)

// callAs is set in a copy of the test program that only calls this address.
const callAs = "FCGI_TEST_CALL"

func TestMain(m *testing.M) {
	if to := os.Getenv(callAs); to != "" {
		_, err := fcgi.Call(context.Background(), fcgi.Address{Network: "unix", Path: to}, fcgi.Request{Script: "/x.php"})
		fmt.Println(err, errors.Is(err, fcgi.ErrPermission), hint.Of(err))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestNothingListens(t *testing.T) {
	dir := shortDir(t)
	stale, address := listen(t, "unix")
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	closed, free := listen(t, "tcp")
	closed.Close()
	for _, c := range []struct {
		name string
		to   fcgi.Address
		part string
	}{
		{"no socket", fcgi.Address{Network: "unix", Path: filepath.Join(dir, "none")}, "no such file"},
		{"no folder", fcgi.Address{Network: "unix", Path: filepath.Join(dir, "none/none")}, "no such file"},
		{"stale socket", address, "left over"},
		{"a file", fcgi.Address{Network: "unix", Path: writeFile(t, dir, "file", "")}, "connection refused"},
		{"tcp", free, "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := fcgi.Call(bounded(t), c.to, fcgi.Request{Script: "/x.php"})
			wantError(t, err, fcgi.ErrNotListening, c.to.String(), c.part, "tart PHP-FPM")
		})
	}
}

func TestNoPermissionOnTheSocket(t *testing.T) {
	if os.Geteuid() != 0 {
		dir := shortDir(t)
		if err := os.Chmod(dir, 0); err != nil {
			t.Fatal(err)
		}
		_, err := fcgi.Call(bounded(t), fcgi.Address{Network: "unix", Path: filepath.Join(dir, "s")}, fcgi.Request{Script: "/x.php"})
		wantError(t, err, fcgi.ErrPermission, "may enter "+dir)
		return
	}
	fpm := startFPM(t, 1, "listen.mode = 0600")
	const nobody = 65534
	call := exec.Command("/proc/self/exe")
	call.Env = append(os.Environ(), callAs+"="+fpm.Path)
	call.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	said, err := call.CombinedOutput()
	if err != nil {
		t.Fatal(err, string(said))
	}
	for _, part := range []string{fcgi.ErrPermission.Error(), "true", fpm.String(), "as root", "root:root", "0600", "listen.owner, listen.group"} {
		if !strings.Contains(string(said), part) {
			t.Errorf("%q does not name %q", said, part)
		}
	}
}

// TestScriptsThatFPMRefuses asks FPM with and without the cause on stderr.
func TestScriptsThatFPMRefuses(t *testing.T) {
	for _, logging := range []string{"fastcgi.logging=1", "fastcgi.logging=0"} {
		t.Run(logging, func(t *testing.T) {
			fpm := startFPMWith(t, []string{"-d", logging}, 1)
			secret := fpm.script(t, "secret.php", "<?php")
			if err := os.Chmod(secret, 0); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				script string
				want   error
				part   string
			}{
				{"/nonexistent/x.php", fcgi.ErrScriptNotFound, "PrivateTmp"},
				{fpm.script(t, "x.inc", "<?php"), fcgi.ErrExtension, "security.limit_extensions"},
				{secret, fcgi.ErrScriptUnreadable, "read the script"},
			} {
				answer, err := fcgi.Call(bounded(t), fpm.Address, fcgi.Request{Script: c.script})
				if c.want == fcgi.ErrScriptUnreadable && logging == "fastcgi.logging=0" {
					c.want, c.part = fcgi.ErrExtension, "may also"
				}
				wantError(t, err, c.want, fpm.String(), c.script, c.part)
				if answer.Status < 400 || len(answer.Body) == 0 {
					t.Errorf("%s: FPM's answer is not kept: %+v", c.script, answer)
				}
			}
		})
	}
}

func TestScriptsOwnAnswers(t *testing.T) {
	fpm := startFPM(t, 1, "php_admin_flag[log_errors] = on", "php_admin_flag[display_errors] = off")
	for _, c := range []struct {
		name, php  string
		status     int
		body, part string
	}{
		{"plain", `header('X-A: b'); echo 'hello';`, 200, "hello", ""},
		{"status", `http_response_code(404); echo 'mine';`, 404, "mine", ""},
		{"no fields at all", `ini_set('default_mimetype', ''); header_remove(); echo 'hello';`, 200, "hello", ""},
		{"noise", `error_log('first'); echo 'hello';`, 200, "hello", "first"},
		{"noise with lines", `error_log("first\nsecond"); http_response_code(500); echo 'hello';`, 500, "hello", "second"},
		{"noise like a header", `error_log("x\r\nSo: y\r\n\r\nz"); http_response_code(500); echo 'hello';`, 500, "hello", "So: y"},
		{"fatal", `undefined_function();`, 500, "", "undefined_function"},
		{"the body", `echo strrev(file_get_contents('php://input'));`, 200, "ydob", ""},
		{"words of FPM", `http_response_code(403); echo 'see security.limit_extensions';`, 403, "see security.limit_extensions", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			script := fpm.script(t, "own.php", "<?php "+c.php)
			answer, err := fcgi.Call(bounded(t), fpm.Address, fcgi.Request{Script: script, Body: []byte("body")})
			if err != nil {
				t.Fatal(err)
			}
			if answer.Status != c.status || string(answer.Body) != c.body || !strings.Contains(string(answer.Noise), c.part) {
				t.Errorf("status %d, body %q, noise %q", answer.Status, answer.Body, answer.Noise)
			}
			if c.name == "plain" && answer.Header.Get("X-A") != "b" {
				t.Errorf("header %v", answer.Header)
			}
		})
	}
}

func TestLargeAnswersAndBodies(t *testing.T) {
	fpm := startFPM(t, 1)
	script := fpm.script(t, "echo.php", "<?php echo file_get_contents('php://input');")
	body := bytes.Repeat([]byte("0123456789abcde\n"), 1<<18)
	answer, err := fcgi.Call(bounded(t), fpm.Address, fcgi.Request{Script: script, Body: body})
	if err != nil || !bytes.Equal(answer.Body, body) {
		t.Errorf("%d of %d bytes came back, error %v", len(answer.Body), len(body), err)
	}
	_, err = fcgi.Call(bounded(t), fpm.Address, fcgi.Request{Script: script, Body: body, Limit: 1 << 20})
	wantError(t, err, fcgi.ErrTooLarge)
}

func TestWorkerIsKilled(t *testing.T) {
	fpm := startFPM(t, 1)
	for php, want := range map[string]error{
		"shell_exec('kill -9 $PPID');":                                                     fcgi.ErrReset,
		"error_log('dying'); shell_exec('kill -9 $PPID');":                                 fcgi.ErrReset,
		"header('Content-Length: 10'); echo 'half'; flush(); shell_exec('kill -9 $PPID');": fcgi.ErrTruncated,
	} {
		script := fpm.script(t, "killed.php", "<?php "+php)
		_, err := fcgi.Call(bounded(t), fpm.Address, fcgi.Request{Script: script})
		wantError(t, err, want, "FPM's error log")
	}
}

func TestAllWorkersBusy(t *testing.T) {
	fpm := startFPM(t, 1)
	fifo := filepath.Join(fpm.dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	slow := fpm.script(t, "slow.php", fmt.Sprintf("<?php echo fgets(fopen('%s', 'r'));", fifo))
	answered := make(chan string, 1)
	go func() {
		answer, err := fcgi.Call(bounded(t), fpm.Address, fcgi.Request{Script: slow})
		answered <- fmt.Sprint(string(answer.Body), err)
	}()
	worker, err := os.OpenFile(fifo, os.O_WRONLY, 0) // returns when the script has opened it
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = fcgi.Status(ctx, fpm.Address, "/status")
	wantError(t, err, fcgi.ErrTimeout, "pm.max_children")

	fmt.Fprint(worker, "done")
	worker.Close()
	if got := <-answered; got != "done<nil>" {
		t.Errorf("the busy worker answers %q", got)
	}
}
