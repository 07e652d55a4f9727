package sandbox

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/internal/proc"

	"github.com/prometheus/procfs"
)

// The test binary also plays the process that owns a sandbox and is killed:
// see TestOwnerKilled and TestOrdinaryUser.
func TestMain(m *testing.M) {
	if os.Getenv(ownerVariable) != "" {
		os.Exit(beOwner())
	}
	os.Exit(m.Run())
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func testRoot(t *testing.T) string {
	root, err := TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	return root
}

// start runs a sandbox for the test and checks at its end that no process is left.
func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		groups := s.groups()
		if t.Failed() {
			t.Logf("FPM:\n%s\nWeb server:\n%s\nPHP:\n%s", tail(s.FPMLog(), 0), tail(s.WebLog(), 0), tail(s.PHPLog(), 0))
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		noneLeft(t, groups)
	})
	return s
}

func (s *Server) groups() []int {
	var pids []int
	if s.web != nil {
		pids = append(pids, s.web.process.pid)
	}
	for _, m := range s.masters {
		pids = append(pids, m.process.pid)
	}
	return pids
}

func noneLeft(t *testing.T, groups []int) {
	t.Helper()
	for _, group := range groups {
		left, err := processes(func(p procfs.ProcStat) bool { return p.PGRP == group || p.PID == group })
		if err != nil {
			t.Error(err)
		}
		for _, p := range left {
			t.Errorf("pid %d (%s) of server %d is left", p.PID, proc.Title(proc.Of(p.PID)), group)
		}
	}
}

// page writes a document root whose index.php prints text and its literal path.
func page(t *testing.T, dir, text string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	code := fmt.Sprintf("<?php echo %q, ' ', $_SERVER['SCRIPT_FILENAME'], ' ', getenv('SITE') ?: ($_SERVER['SITE'] ?? '');", text)
	if err := os.WriteFile(filepath.Join(dir, "index.php"), []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func get(t *testing.T, url, host, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(testContext(t), http.MethodGet, url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func wantPage(t *testing.T, s *Server, host, want string) {
	t.Helper()
	status, body := get(t, s.URL(), host, "/")
	if status != http.StatusOK || body != want {
		t.Errorf("%s answered %d %q, want %q", host, status, body, want)
	}
}
