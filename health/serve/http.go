package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"relink/health/serve/page"

	"github.com/rs/zerolog"
)

// server answers HTTP/1.1 only: one connection of HTTP/2 may carry hundreds of
// requests, which the bound of connections does not count.
func (s *service) server() *http.Server {
	return &http.Server{
		Handler:      s.handler(),
		TLSConfig:    s.access.tls,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2
		// Else net/http itself answers "OPTIONS *".
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            s.Limits.Header,
		ReadTimeout:                  s.Limits.Header,
		WriteTimeout:                 s.Limits.Write, // the page's events extend it for themselves
		IdleTimeout:                  s.Limits.Idle,
		MaxHeaderBytes:               s.Limits.HeaderBytes,
		ErrorLog:                     log.New(debugLog{s.Log}, "", 0),
	}
}

// debugLog is for what net/http says of clients that break off. It is no news,
// and whoever asks could fill a disk with it.
type debugLog struct{ log zerolog.Logger }

func (d debugLog) Write(text []byte) (int, error) {
	d.log.Debug().Msg(string(bytes.TrimSpace(text)))
	return len(text), nil
}

func serveHTTP(server *http.Server, l net.Listener) error {
	serve := server.Serve
	if server.TLSConfig != nil {
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// stop lets answers in progress end, for a bounded time.
func (s *service) stop(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.Limits.Stop)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	return errors.Join(err, s.history.flush())
}

func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	for path, answer := range map[string]http.Handler{
		"/healthz": http.HandlerFunc(s.healthz), "/readyz": http.HandlerFunc(s.readyz), "/metrics": s.metrics.handler(), "/": page.Handler(s.feed),
		"/api/v1/state":   s.answer(s.last(func(r *reading) ([]byte, error) { return r.state() })),
		"/api/v1/checks":  s.answer(s.last(func(r *reading) ([]byte, error) { return r.checks() })),
		"/api/v1/history": s.answer(s.points), "/api/v1/deploys": s.answer(s.lastDeploys),
	} {
		mux.Handle(path, s.metrics.timed(path, answer))
	}
	return guard(s.access, s.local(), mux)
}

// local tells whether only this machine reaches the listener by TCP.
func (s *service) local() bool {
	host, _, err := net.SplitHostPort(s.Listen)
	return err == nil && net.ParseIP(host).IsLoopback()
}

// healthz tells whether the service works, whatever it has found.
func (s *service) healthz(w http.ResponseWriter, _ *http.Request) {
	if !s.sampler.alive(time.Now()) {
		plain(w, http.StatusServiceUnavailable, "no look has ended for too long")
		return
	}
	plain(w, http.StatusOK, "ok")
}

// readyz tells whether all that is looked at works: no check is CRITICAL.
func (s *service) readyz(w http.ResponseWriter, r *http.Request) {
	now := s.sampler.current()
	critical := now.critical()
	switch {
	case now.facts.Time.IsZero():
		plain(w, http.StatusServiceUnavailable, errEarly.Error())
	case s.sampler.alive(time.Now()) && len(critical) > 0:
		plain(w, http.StatusServiceUnavailable, critical...)
	default:
		s.healthz(w, r)
	}
}

// maxTarget bounds what a request may ask for, in bytes.
const maxTarget = 2 << 10

// guard refuses whatever is not a small question of somebody who may ask.
func guard(a *access, local bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			head.Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, "only GET and HEAD: nothing can be changed here")
		case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
			refuse(w, http.StatusRequestEntityTooLarge, "a request has no body here")
		case len(r.RequestURI) > maxTarget:
			refuse(w, http.StatusRequestURITooLong, fmt.Sprintf("at most %d bytes", maxTarget))
		case local && a.unguarded() && !ownName(r.Host):
			// A page of another site could give its name our address (DNS rebinding)
			// and have a browser on this machine read what we tell.
			refuse(w, http.StatusMisdirectedRequest, "ask for localhost or an IP address")
		case !a.shown(r):
			head.Add("WWW-Authenticate", `Bearer realm="relink"`)
			head.Add("WWW-Authenticate", `Basic realm="relink"`)
			refuse(w, http.StatusUnauthorized, "show the token: Authorization: Bearer TOKEN, or as a password")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func ownName(hostport string) bool {
	name, _, err := net.SplitHostPort(hostport)
	if err != nil {
		name = hostport
	}
	return name == "localhost" || net.ParseIP(strings.Trim(name, "[]")) != nil
}

// refuse closes the connection too: what was not read of the request must not be
// taken for the next one.
func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Connection", "close")
	plain(w, status, why)
}

func plain(w http.ResponseWriter, status int, lines ...string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	for _, line := range lines {
		fmt.Fprintln(w, line) // a client that has gone away needs no answer
	}
}
