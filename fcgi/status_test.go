package fcgi_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"relink/fcgi"
)

func TestStatusOfSeveralWorkers(t *testing.T) {
	before := time.Now().Add(-2 * time.Second) // FPM's times have a second's grain
	fpm := startFPM(t, 3, "pm.status_path = /fpm-status")
	script := fpm.script(t, "x.php", "<?php echo getmypid();")
	request := fcgi.Request{Script: script, Params: map[string]string{
		"SCRIPT_NAME": `/a"b` + "\\\x01\xff.php", "QUERY_STRING": `q="\`, "HTTP_AUTHORIZATION": "Basic YSI6Yg==",
	}}
	served, calls := serveOnEach(t, fpm, 3, request)
	status := statusWhenIdle(t, fpm, 2)
	if status.Pool != "test" || status.AcceptedConn < calls || status.StartTime.Before(before) {
		t.Errorf("%+v", status)
	}
	var running int
	listed := map[string]bool{}
	for _, p := range status.Processes {
		listed[fmt.Sprint(p.PID)] = true
		if p.StartTime.Before(before) || p.RequestDuration > time.Minute {
			t.Errorf("%+v", p)
		}
		if p.State == fcgi.StateRunning {
			running++
			continue
		}
		// The last request was either that of the test or one for the status.
		if p.State != fcgi.StateIdle || p.Requests < 1 || p.Method != http.MethodGet || !strings.HasPrefix(p.URI, "/fpm-status") && p.URI != `/a"b\%01.php` {
			t.Errorf("%+v", p)
		}
	}
	if diff := cmp.Diff(served, listed); diff != "" || running != 1 {
		t.Errorf("%d running; workers that served and workers listed: %s", running, diff)
	}
}

// What visitors send reaches terminals, logs, reports and files of state.
func TestQueriesAndControlCharactersOfVisitorsAreDropped(t *testing.T) {
	for uri, want := range map[string]string{
		"/index.php?s=8&reset_token=SECRET123": "/index.php", "/\x1b]0;owned\a x?\x1b": "/%1B]0;owned%07%20x",
		"": "", "/a%20b/é": "/a%20b/%C3%A9", "?a": "", "/\x7f\x9b31m": "/%7F%9B31m",
	} {
		if got := fcgi.PublicURI(uri); got != want {
			t.Errorf("%q: %q, want %q", uri, got, want)
		}
	}
}

// statusWhenIdle asks until as many workers are idle. A worker is still
// "Finishing" when its answer has arrived.
func statusWhenIdle(t *testing.T, fpm pool, idle int) fcgi.PoolStatus {
	t.Helper()
	for ctx := bounded(t); ; {
		status, err := fcgi.Status(ctx, fpm.Address, "/fpm-status")
		if err != nil {
			t.Fatal(err)
		}
		var found int
		for _, p := range status.Processes {
			if p.State == fcgi.StateIdle {
				found++
			}
		}
		if found == idle {
			return status
		}
	}
}

// serveOnEach calls until as many workers have served, and counts the calls. Idle
// workers are woken in turn, but right after the start not all are waiting.
func serveOnEach(t *testing.T, fpm pool, workers int, request fcgi.Request) (served map[string]bool, calls int64) {
	t.Helper()
	for served = map[string]bool{}; len(served) < workers; calls++ {
		answer, err := fcgi.Call(bounded(t), fpm.Address, request)
		if err != nil || calls > 1000 {
			t.Fatalf("%d calls reached the workers %v, error %v", calls, served, err)
		}
		served[string(answer.Body)] = true
	}
	return served, calls
}

func TestNoStatusPage(t *testing.T) {
	fpm := startFPM(t, 1)
	other := fpm.script(t, "other.php", "<?php echo '{\"a\": 1}';")
	text := fpm.script(t, "text.php", "<?php echo 'welcome';")
	file := fpm.script(t, "file.txt", "")
	for _, path := range []string{"/fpm-status", "", other, text, file} {
		_, err := fcgi.Status(bounded(t), fpm.Address, path)
		wantError(t, err, fcgi.ErrNoStatusPage, fpm.String(), "pm.status_path = /")
	}
}

func statusOf(t *testing.T, page string) (fcgi.PoolStatus, error) {
	t.Helper()
	to := respond(t, "unix", answers(stdout("Content-Type: application/json\r\n\r\n"), stdout(page), end()))
	return fcgi.Status(bounded(t), to, "/status")
}

// FPM answers so when it cannot lock its scoreboard. A real one does it too
// seldom for a test.
func TestBusyStatusPage(t *testing.T) {
	page, err := os.ReadFile("testdata/status-8.2.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		busy int32
		want error
	}{{0, nil}, {3, nil}, {1 << 20, fcgi.ErrStatusBusy}} {
		var asked atomic.Int32
		to := respond(t, "unix", func(conn net.Conn) {
			readRequest(conn)
			if asked.Add(1) <= c.busy {
				conn.Write(stdout("Status: 500 Internal Server Error\r\n\r\nInternal error. Please review log file for errors."))
			} else {
				conn.Write(stdout("Content-Type: application/json\r\n\r\n" + string(page)))
			}
			conn.Write(end())
		})
		status, err := fcgi.Status(bounded(t), to, "/status")
		if c.want != nil {
			wantError(t, err, c.want, to.String(), "status 500", "Please review log file", "scoreboard")
		} else if err != nil || status.Pool == "" || asked.Load() != c.busy+1 {
			t.Errorf("%d busy: %q after %d questions, %v", c.busy, status.Pool, asked.Load(), err)
		}
		if asked.Load() > 20 {
			t.Errorf("asked %d times", asked.Load())
		}
	}
}

func TestStatusOfOtherVersions(t *testing.T) {
	for _, c := range []struct {
		file string
		want []fcgi.Process
	}{
		{"testdata/status-unescaped.json", []fcgi.Process{
			{PID: 11, State: fcgi.StateIdle, StartTime: time.Unix(1700000000, 0), Requests: 3, RequestDuration: 1500 * time.Microsecond,
				Method: "GET", URI: `/a"b\.php`},
			{PID: 12, State: fcgi.StateInfo, StartTime: time.Unix(1700000000, 0), Requests: 1,
				Method: "POST", URI: "/caf%EF%BF%BD%01"},
		}},
		{"testdata/status-wrapped.json", []fcgi.Process{
			{PID: 11, State: fcgi.StateRunning, StartTime: time.Unix(1700000000, 0), Requests: 3, Method: "GET", URI: "/"},
			{PID: 12, State: fcgi.StateRunning, StartTime: time.Unix(1700000000, 0), RequestDuration: 101 * time.Second, Method: "GET", URI: "/"},
			{PID: 13, State: fcgi.StateReadingHeaders, StartTime: time.Unix(1700000000, 0)},
		}},
	} {
		t.Run(c.file, func(t *testing.T) {
			page, err := os.ReadFile(c.file)
			if err != nil {
				t.Fatal(err)
			}
			status, err := statusOf(t, string(page))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, status.Processes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPagesThatAreNoFullStatus(t *testing.T) {
	for _, page := range []string{
		"", "pool:                 www\n", "{}", "null", "[]", `{"pool":"www"}`, `{"pool":"www","processes":[`,
		`{"pool":"www","processes":[{"pid":"x"}]}`, `{"pool":"www","processes":[{"pid":1.5}]}`,
	} {
		_, err := statusOf(t, page)
		wantError(t, err, fcgi.ErrNoStatusPage)
	}
}
