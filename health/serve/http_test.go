package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"relink/internal/config"
	"relink/internal/socket"
	"relink/php"

	"github.com/rs/zerolog"
)

// raw sends bytes and gives the whole answer.
func (r *running) raw(request string) string {
	r.t.Helper()
	conn, err := net.Dial(r.addr.Network(), r.addr.String())
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	// A refusal may come, and the connection be reset, before all is sent.
	_, sendErr := io.WriteString(conn, request)
	answer, err := io.ReadAll(conn)
	if len(answer) == 0 && (err != nil || sendErr != nil) {
		r.t.Fatal(sendErr, err)
	}
	return string(answer)
}

func TestBadQuestionsAreRefused(t *testing.T) {
	r := start(t, idle(t)).looked()
	const end = " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
	for name, one := range map[string]struct{ request, status string }{
		"POST":             {"POST /metrics" + end + "\r\n", "405"},
		"DELETE":           {"DELETE /api/v1/state" + end + "\r\n", "405"},
		"OPTIONS":          {"OPTIONS *" + end + "\r\n", "405"},
		"own method":       {"RESET /" + end + "\r\n", "405"},
		"CONNECT":          {"CONNECT 127.0.0.1:80" + end + "\r\n", "405"},
		"body":             {"GET /metrics" + end + "Content-Length: 5\r\n\r\nhello", "413"},
		"chunked body":     {"GET /metrics" + end + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "413"},
		"huge body":        {"GET /metrics" + end + "Content-Length: 99999999999\r\n\r\n", "413"},
		"path":             {"GET /api/v1/reset" + end + "\r\n", "404"},
		"path below":       {"GET /metrics/x" + end + "\r\n", "404"},
		"climbing":         {"GET /assets/../../etc/passwd" + end + "\r\n", "307"},
		"encoded climbing": {"GET /assets/%2e%2e/%2e%2e/etc/passwd" + end + "\r\n", "404"},
		"long path":        {"GET /" + strings.Repeat("a", 3000) + end + "\r\n", "414"},
		"long header":      {"GET /metrics" + end + "X: " + strings.Repeat("a", 20000) + "\r\n\r\n", "431"},
		"not HTTP":         {"hello\r\n\r\n", "400"},
		"no host":          {"GET /metrics HTTP/1.1\r\n\r\n", "400"},
		"rebound name":     {"GET /api/v1/state HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", "421"},
		"parameter":        {"GET /api/v1/state?x=1" + end + "\r\n", "400"},
		"bad escape":       {"GET /api/v1/history?since=%zz" + end + "\r\n", "400"},
		"bad time":         {"GET /api/v1/history?since=yesterday" + end + "\r\n", "400"},
		"time backwards":   {"GET /api/v1/history?since=200&until=100" + end + "\r\n", "400"},
		"too many points":  {"GET /api/v1/history?points=1000000" + end + "\r\n", "400"},
		"points twice":     {"GET /api/v1/history?points=1&points=2" + end + "\r\n", "400"},
		"other app":        {"GET /api/v1/deploys?app=nobody" + end + "\r\n", "400"},
		"negative limit":   {"GET /api/v1/deploys?limit=-1" + end + "\r\n", "400"},
		"all of history":   {"GET /api/v1/history?since=0&points=2000" + end + "\r\n", "200"},
		"HEAD":             {"HEAD /metrics" + end + "\r\n", "200"},
		"localhost":        {"GET /healthz HTTP/1.1\r\nHost: localhost:9155\r\nConnection: close\r\n\r\n", "200"},
	} {
		answer := r.raw(one.request)
		if !strings.HasPrefix(answer, "HTTP/1.1 "+one.status+" ") {
			t.Errorf("%s: want %s, got %.300q", name, one.status, answer)
		}
		if len(answer) > 64<<10 {
			t.Errorf("%s: an answer of %d bytes", name, len(answer))
		}
	}
	if status, _ := r.get("/healthz"); status != http.StatusOK {
		t.Error("not alive afterwards")
	}
}

// Clients that send a byte now and then, or take none, are dropped, and their
// places are free again.
func TestSlowClientsAreDropped(t *testing.T) {
	o := idle(t)
	o.Limits = Limits{Connections: 8, HeaderBytes: 4 << 10, Header: 150 * time.Millisecond, Write: 150 * time.Millisecond, Idle: 150 * time.Millisecond, Stop: 5 * time.Second}
	r := start(t, o).looked()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			conn, err := net.Dial("tcp", r.addr.String())
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			drip(conn, i%2 == 0)
		})
	}
	all.Wait()
	await(t, "an answer", func() bool {
		answer, err := r.client.Get(r.base + "/healthz")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// drip sends a request byte by byte, or the begin of one, until it is dropped.
func drip(conn net.Conn, byByte bool) {
	dropped := make(chan struct{})
	go func() { // the end of what comes is the drop
		defer close(dropped)
		io.Copy(io.Discard, conn)
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	fmt.Fprint(conn, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
	for {
		select {
		case <-dropped:
			return
		case <-tick.C:
			if byByte {
				fmt.Fprint(conn, "a")
			}
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	o := idle(t)
	o.Limits.Connections = 100
	r := start(t, o).looked()
	var conns []net.Conn
	for range 500 {
		conn, err := net.Dial("tcp", r.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	open := 0
	for _, conn := range conns { // those that are too many are closed at once
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
			continue
		}
		conn.SetReadDeadline(time.Now().Add(patience))
		if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil && strings.Contains(line, "200") {
			open++
		}
	}
	if open == 0 || open > 100 {
		t.Errorf("%d of 500 connections are served", open)
	}
	for _, conn := range conns {
		conn.Close()
	}
	r.client.CloseIdleConnections()
	await(t, "free places", func() bool {
		answer, err := r.client.Get(r.base + "/metrics")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		return err == nil && strings.Contains(string(body), "relink_http_connections 1\n")
	})
}

func TestOthersAreNotLetInWithoutProof(t *testing.T) {
	files := certificates(t)
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, strings.Repeat("s", 32), 0o600)
	for name, access := range map[string]config.Serve{
		"nothing": {}, "token without TLS": {TokenFile: token}, "TLS alone": {TLS: config.ServeTLS{Cert: files.cert, Key: files.key}},
	} {
		o := idle(t)
		o.Listen, o.TLS, o.TokenFile = "0.0.0.0:0", access.TLS, access.TokenFile
		if err := Run(t.Context(), o); !errors.Is(err, ErrExposed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAccessFilesAreChecked(t *testing.T) {
	files, dir := certificates(t), t.TempDir()
	write(t, dir+"/open", strings.Repeat("s", 32), 0o644)
	write(t, dir+"/short", "secret", 0o600)
	write(t, dir+"/long", strings.Repeat("s", 5000), 0o600)
	write(t, dir+"/none", "no certificate", 0o600)
	for name, access := range map[string]config.Serve{
		"token that everybody reads": {TokenFile: dir + "/open"}, "short token": {TokenFile: dir + "/short"}, "long token": {TokenFile: dir + "/long"},
		"missing token": {TokenFile: dir + "/missing"}, "missing key": {TLS: config.ServeTLS{Cert: files.cert, Key: dir + "/missing"}}, "no key": {TLS: config.ServeTLS{Cert: files.cert}},
		"other key": {TLS: config.ServeTLS{Cert: files.cert, Key: files.clientKey}}, "empty authority": {TLS: config.ServeTLS{Cert: files.cert, Key: files.key, ClientCA: dir + "/none"}},
		"authority without certificate": {TLS: config.ServeTLS{ClientCA: files.ca}},
	} {
		o := idle(t)
		o.TLS, o.TokenFile = access.TLS, access.TokenFile
		if err := Run(t.Context(), o); !errors.Is(err, ErrAccess) || strings.Contains(fmt.Sprint(err), "sss") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyOneServiceListens(t *testing.T) {
	o := idle(t)
	r := start(t, o)
	second := idle(t)
	second.Listen = r.addr.String()
	if err := Run(t.Context(), second); !errors.Is(err, socket.ErrInUse) {
		t.Error(err)
	}
	second = o
	if err := Run(t.Context(), second); !errors.Is(err, ErrHistory) {
		t.Errorf("two services have one state: %v", err)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.Listen("unix", path) // as a killed service leaves it
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	o := idle(t)
	o.Listen = "unix:" + path
	r := start(t, o)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	// A socket has no name that could be rebound.
	if status, body := overSocket(t, path).get("/healthz"); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	second := idle(t)
	second.Listen = o.Listen
	if err := Run(t.Context(), second); !errors.Is(err, socket.ErrInUse) {
		t.Error(err)
	}
	r.stop()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	write(t, path, "a file", 0o600)
	if err := Run(t.Context(), second); !errors.Is(err, socket.ErrInUse) {
		t.Errorf("a file is replaced by a socket: %v", err)
	}
}

// Before anything is known the answers say so.
func TestNothingIsClaimedBeforeTheFirstLook(t *testing.T) {
	o := idle(t)
	look := make(chan struct{})
	o.Health.Pools = func(ctx context.Context) ([]php.Pool, error) {
		select {
		case <-look:
		case <-ctx.Done():
		}
		return nil, nil
	}
	o.Health.Timeout = patience
	r := start(t, o)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/metrics": 200, "/api/v1/state": 503, "/api/v1/checks": 503, "/api/v1/history": 200} {
		if status, body := r.get(path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	close(look)
	r.looked()
}

// The end of the service is not kept waiting by clients.
func TestStopDoesNotWaitForClients(t *testing.T) {
	o := idle(t)
	o.Limits.Stop = 100 * time.Millisecond
	o.Log = zerolog.Nop()
	r := start(t, o).looked()
	conn, err := net.Dial("tcp", r.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /met")
	r.stop()
	if _, err := net.Dial("tcp", r.addr.String()); err == nil {
		t.Error("it still listens")
	}
}

func write(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// A look that hangs where no context reaches, in a file system that does not
// answer, keeps neither the process nor systemd.
func TestStopDoesNotWaitForALookThatHangs(t *testing.T) {
	o := idle(t)
	o.Limits.Stop = 10 * time.Millisecond
	looking := make(chan struct{}, 1)
	o.Health.Pools = func(context.Context) ([]php.Pool, error) {
		select {
		case looking <- struct{}{}:
		default:
		}
		select {} // for good: let go, it would work on in a folder that is removed by then
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	<-looking
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, errHangs) {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("the service does not end")
	}
}
