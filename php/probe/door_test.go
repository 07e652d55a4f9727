package probe_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"relink/fcgi"
	"relink/internal/envelope"
	"relink/internal/hint"
	"relink/php/probe"
)

const told = `{"file":"/a/b.php","sapi":"fpm-fcgi","php":"8.2.0","pid":1,"parent":2,"cache_start":3}`

func sealed(nonce, payload string) string {
	return fmt.Sprintf("\nRELINKP1:%s:%d:%08x\n%s\n", nonce, len(payload), crc32.ChecksumIEEE([]byte(payload)), payload)
}

func standIn(t *testing.T, answer http.HandlerFunc) probe.Door {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	var secret probe.Secret
	return secret.Door(app, server.URL, host)
}

// What stands in for the probe is named, and never taken for it.
func TestWhatElseAnswers(t *testing.T) {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			io.WriteString(w, body)
		}
	}
	write := func(body func(nonce string) string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body(r.Header.Get("X-Relink-Nonce"))) }
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   error
		parts  []string
	}{
		{"a missing page", status(404, "none"), probe.ErrHidden, []string{`status 404, "none"`, "index.php only"}},
		{"an empty one", status(404, ""), probe.ErrHidden, []string{"status 404, nothing"}},
		{"a denied one", status(403, "no"), probe.ErrHidden, []string{"status 403"}},
		{"a password", status(401, "who"), probe.ErrHidden, []string{"status 401", "user:password@"}},
		{"a small limit", status(413, ""), probe.ErrHidden, []string{"client_max_body_size"}},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.test/", http.StatusFound)
		}, probe.ErrHidden, []string{`"https://elsewhere.test/"`, "probe.url"}},
		{"maintenance", status(503, "soon"), probe.ErrServer, []string{"status 503", "error logs"}},
		{"another page", status(200, "home"), probe.ErrHidden, []string{`status 200, "home"`, "probe.host"}},
		{"a cache", write(func(string) string { return sealed(strings.Repeat("f", 32), told) }), probe.ErrHidden, []string{"no-store"}},
		{"a cut answer", write(func(nonce string) string { whole := sealed(nonce, told); return whole[:len(whole)-9] }), envelope.ErrTruncated, []string{"worker crashed"}},
		{"an altered answer", write(func(nonce string) string { return strings.Replace(sealed(nonce, told), "fpm", "cgi", 1) }), probe.ErrHidden, nil},
		{"too much", write(func(string) string { return strings.Repeat("x", 1<<20) }), fcgi.ErrTooLarge, []string{"65536"}},
		{"no file told", write(func(nonce string) string { return sealed(nonce, `{"sapi":"cli"}`) }), envelope.ErrCorrupt, nil},
		{"no JSON", write(func(nonce string) string { return sealed(nonce, "[") }), envelope.ErrCorrupt, nil},
		{"a closed connection", func(w http.ResponseWriter, _ *http.Request) { hijack(w).Close() }, fcgi.ErrReset, []string{"crashed"}},
		{"one closed early", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "begun")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, fcgi.ErrTruncated, []string{"5 bytes"}},
		{"an endless header", func(w http.ResponseWriter, _ *http.Request) {
			conn := hijack(w)
			defer conn.Close()
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nX-A: %s\r\n\r\n", strings.Repeat("x", 1<<20))
		}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			door := standIn(t, c.answer)
			_, err := door.Ask(bounded(t))
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), door.String()) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			text := err.Error() + strings.Join(hint.Of(err), "\n")
			for _, part := range c.parts {
				if !strings.Contains(text, part) {
					t.Errorf("%q does not say %q", text, part)
				}
			}
			if strings.Contains(text, door.Token) {
				t.Errorf("the token is in %q", text)
			}
		})
	}
}

func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	return conn
}

func TestRequests(t *testing.T) {
	requests := make(chan *http.Request, 1)
	door := standIn(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Header.Set("Body", string(body))
		requests <- r
		io.WriteString(w, "noise"+sealed(r.Header.Get("X-Relink-Nonce"), told))
	})
	a, err := door.Ask(bounded(t))
	r := <-requests
	if err != nil || a.File != "/a/b.php" || a.PID != 1 || a.ParentPID != 2 || a.CacheStart.Unix() != 3 {
		t.Errorf("%+v, %v", a, err)
	}
	if r.Method != "GET" || r.URL.Path != "/"+door.Name || r.Host != host || !r.Close || r.Header.Get("X-Relink-Token") != door.Token ||
		r.Header.Get("Cache-Control") != "no-cache" || r.Header.Get("Accept-Encoding") != "" || r.Header.Get("X-Relink-Op") != "" {
		t.Errorf("%+v", r)
	}
	door.URL += "/deep/"
	nonce := strings.Repeat("a", 32)
	_, status, err := door.Call(bounded(t), "ping", nonce, "relink-agent-0123456789abcdef.php", []byte("{}"), 1<<20)
	r = <-requests
	if status != 200 || err == nil { // the probe answered in the agent's stead
		t.Errorf("%d, %v", status, err)
	}
	if r.Method != "POST" || r.URL.Path != "/deep/"+door.Name || r.Header.Get("Body") != "{}" || r.ContentLength != 2 ||
		r.Header.Get("X-Relink-Nonce") != nonce || r.Header.Get("X-Relink-Op") != "ping" || r.Header.Get("X-Relink-Agent") != "relink-agent-0123456789abcdef.php" {
		t.Errorf("%+v", r)
	}
}

// The proxy of the environment is not for what must stay on this machine.
func TestNoProxy(t *testing.T) {
	t.Setenv("http_proxy", "http://127.0.0.1:9")
	door := standIn(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, sealed(r.Header.Get("X-Relink-Nonce"), told))
	})
	if _, err := door.Ask(bounded(t)); err != nil {
		t.Error(err)
	}
}

func TestTokenStaysHere(t *testing.T) {
	var secret probe.Secret
	for _, url := range []string{"http://192.0.2.1/", "https://192.0.2.1/", "http://[2001:db8::1]:8080/", "http://[::ffff:192.0.2.1]/"} {
		_, err := secret.Door(app, url, host).Ask(bounded(t))
		wantError(t, err, probe.ErrForeign, "probe.url", url)
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	var secret probe.Secret
	for _, url := range []string{"", "/", "club1.test", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:x/", "unix:/run/x.sock", "http://user:pass word@127.0.0.1/"} {
		_, err := secret.Door(app, url, "").Ask(bounded(t))
		wantError(t, err, probe.ErrURL, "http://127.0.0.1/")
	}
}

func TestNothingListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	listener.Close()
	var secret probe.Secret
	_, err = secret.Door(app, "http://secret:word@"+listener.Addr().String(), host).Ask(bounded(t))
	wantError(t, err, fcgi.ErrNotListening, "refused", "start the web server")
	if strings.Contains(err.Error(), "word@") {
		t.Errorf("the password is in %q", err)
	}
}

func TestTimeoutAndCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	door := standIn(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := door.Ask(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, fcgi.ErrTimeout) {
		t.Error(err)
	}
	past, cancel := context.WithTimeout(context.Background(), 1)
	defer cancel()
	_, err := door.Ask(past)
	wantError(t, err, fcgi.ErrTimeout, "busy")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// A certificate counts where somebody could stand between the two ends.
func TestCertificates(t *testing.T) {
	var names []string
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		names = append(names, r.TLS.ServerName+" "+r.Host)
		io.WriteString(w, sealed(r.Header.Get("X-Relink-Nonce"), told))
	})
	server := httptest.NewUnstartedServer(answer)
	server.Listener.Close()
	var err error
	server.Listener, err = net.Listen("tcp", ":0")
	must(t, err)
	server.TLS = &tls.Config{}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	must(t, err)
	var secret probe.Secret
	if _, err := secret.Door(app, "https://127.0.0.1:"+port, "club1.test:8443").Ask(bounded(t)); err != nil {
		t.Error(err)
	}
	if len(names) != 1 || names[0] != "club1.test club1.test:8443" {
		t.Errorf("it was asked as %q", names)
	}
	for _, address := range ownAddresses(t) {
		_, err := secret.Door(app, "https://"+net.JoinHostPort(address, port), host).Ask(bounded(t))
		if err == nil || !strings.Contains(err.Error(), "certificate") || len(hint.Of(err)) == 0 {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// ownAddresses are those of this machine that are not loopback.
func ownAddresses(t *testing.T) []string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	must(t, err)
	var own []string
	for _, address := range all {
		if network, ok := address.(*net.IPNet); ok && network.IP.IsGlobalUnicast() {
			own = append(own, network.IP.String())
		}
	}
	return own
}
