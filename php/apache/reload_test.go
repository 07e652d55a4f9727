package apache_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/internal/hint"
	"relink/internal/sandbox"
	"relink/php/apache"
)

// apacheFarm is a private Apache with one site, and its control program.
type apacheFarm struct {
	*sandbox.Server
	control, config, status string
	www                     string
}

func startApache(t *testing.T) apacheFarm {
	t.Helper()
	root := tempRoot(t)
	write(t, root+"/www/index.php", "<?php echo 'v1';")
	write(t, root+"/www/slow.php", "<?php while (!file_exists($_GET['until'])) { usleep(2000); clearstatcache(); } echo 'slow';")
	server, err := sandbox.Start(withTimeout(t), sandbox.Options{Root: root + "/s",
		Masters: []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: 2}}}},
		Sites:   []sandbox.Site{{Host: "club1.test", DocumentRoot: root + "/www"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	f := apacheFarm{Server: server, config: server.Root() + "/conf/apache.conf", status: server.URL() + "/server-status", www: root}
	f.control = f.writeControl(t, "")
	return f
}

// writeControl makes what Debian's apachectl is, for the private Apache.
func (f apacheFarm) writeControl(t *testing.T, first string) string {
	t.Helper()
	apache := fmt.Sprintf("exec /usr/sbin/apache2 -d '%s' -f '%s'", f.Root(), f.config)
	path := filepath.Join(t.TempDir(), "apachectl")
	script := fmt.Sprintf("#!/bin/sh\n%s\ncase $1 in\nconfigtest) %s -t ;;\ngraceful) %s -k graceful ;;\n*) %s \"$@\" ;;\nesac\n", first, apache, apache, apache)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

const noStatus = "http://127.0.0.1:9/server-status" // the discard port

func TestReloadProvenByGeneration(t *testing.T) {
	f := startApache(t)
	first := check[apache.ReloadResult](t)(apache.Reload(withTimeout(t), f.control, apache.ReloadOptions{StatusURL: f.status}))
	second := check[apache.ReloadResult](t)(apache.Reload(withTimeout(t), f.control, apache.ReloadOptions{StatusURL: f.status + "?auto"}))
	if first.Generation == 0 || second.Generation != first.Generation+1 {
		t.Errorf("%+v, then %+v", first, second)
	}
}

func TestReloadProvenByChildren(t *testing.T) {
	f := startApache(t)
	got := check[apache.ReloadResult](t)(apache.Reload(withTimeout(t), f.control, apache.ReloadOptions{StatusURL: noStatus}))
	if got.PID == 0 || got.Generation != 0 || len(got.Lingering) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestReloadLetsRequestsEnd(t *testing.T) {
	f := startApache(t)
	until := filepath.Join(f.www, "end")
	answer := make(chan string, 1)
	go func() { answer <- f.get("/slow.php?until=" + until) }()
	f.awaitBusy(t)
	got := check[apache.ReloadResult](t)(apache.Reload(withTimeout(t), f.control, apache.ReloadOptions{StatusURL: noStatus, Limit: 3 * time.Second}))
	if len(got.Lingering) != 1 {
		t.Errorf("%+v", got)
	}
	write(t, until, "")
	if body := <-answer; body != "slow" {
		t.Errorf("the request in flight got %q", body)
	}
}

func (f apacheFarm) get(path string) string {
	request, err := http.NewRequest(http.MethodGet, f.URL()+path, nil)
	if err != nil {
		return err.Error()
	}
	request.Host = "club1.test"
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// awaitBusy waits until Apache works on a request beside that for its status.
func (f apacheFarm) awaitBusy(t *testing.T) {
	t.Helper()
	ctx := withTimeout(t)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		response, err := http.Get(f.status + "?auto")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err == nil && strings.Contains(string(body), "BusyWorkers: 2") {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("no request is ever in flight")
		}
	}
}

func TestReloadRefusedWithBrokenConfiguration(t *testing.T) {
	f := startApache(t)
	spoil(t, f.config)
	_, err := apache.Reload(withTimeout(t), f.control, apache.ReloadOptions{StatusURL: f.status})
	wantReason(t, err, apache.ErrConfig, "Invalid command 'garbage'", "correct the configuration")
	if body := f.get("/"); body != "v1" {
		t.Errorf("it answers %q", body)
	}
}

func TestReloadOfNone(t *testing.T) {
	f := startApache(t)
	if err := f.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err := apache.Reload(withTimeout(t), f.control, apache.ReloadOptions{StatusURL: noStatus})
	wantReason(t, err, apache.ErrDown, "start Apache")
}

func TestReloadThatDoesNothing(t *testing.T) {
	f := startApache(t)
	lazy := f.writeControl(t, `[ "$1" = graceful ] && exit 0`)
	for _, status := range []string{f.status, noStatus} {
		_, err := apache.Reload(withTimeout(t), lazy, apache.ReloadOptions{StatusURL: status, Limit: 2 * time.Second})
		wantReason(t, err, apache.ErrUnproven, "error log")
	}
	failing := f.writeControl(t, `[ "$1" = graceful ] && { echo sorry; exit 7; }`)
	_, err := apache.Reload(withTimeout(t), failing, apache.ReloadOptions{StatusURL: f.status})
	if err == nil || !strings.Contains(err.Error(), "graceful: exit status 7: sorry") {
		t.Error(err)
	}
	_, err = apache.Reload(withTimeout(t), "/no/apachectl", apache.ReloadOptions{})
	wantReason(t, err, os.ErrNotExist, "apache.control")
}

const patience = 30 * time.Second

func withTimeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func tempRoot(t testing.TB) string {
	t.Helper()
	root, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	return root
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func wantReason(t *testing.T, err, want error, texts ...string) {
	t.Helper()
	if !errors.Is(err, want) || len(hint.Of(err)) == 0 {
		t.Fatalf("%v (hints %q), want %v", err, hint.Of(err), want)
	}
	all := err.Error() + "\n" + strings.Join(hint.Of(err), "\n")
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("%s\ndoes not tell %q", all, text)
		}
	}
}

func check[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func spoil(t *testing.T, config string) {
	t.Helper()
	f, err := os.OpenFile(config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.WriteString("garbage = 1\n"); errors.Join(err, f.Close()) != nil {
		t.Fatal(err)
	}
}
