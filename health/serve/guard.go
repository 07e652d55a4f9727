package serve

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
)

var noHTTP2 = map[string]func(*http.Server, *tls.Conn, http.Handler){}

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
