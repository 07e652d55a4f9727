package probe

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"relink/fcgi"
)

// DefaultTimeout bounds a request for which the context says nothing.
const DefaultTimeout = 10 * time.Second

// headerLimit bounds the header of a response, in bytes.
const headerLimit = 64 << 10

type request struct {
	method, nonce string
	op, agentFile string // to run the agent
	body          []byte
	limit         int64 // of the response's body
}

// page is what the web server answered.
type page struct {
	status   int
	location string // of a redirect
	body     []byte
}

// fetch makes one request over a connection of its own: one that is kept would
// always lead to the same worker.
func (d Door) fetch(ctx context.Context, r request) (page, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		limited, cancel := context.WithTimeout(ctx, DefaultTimeout)
		defer cancel()
		ctx = limited
	}
	begun := time.Now()
	httpRequest, err := d.request(ctx, r)
	if err != nil {
		return page{}, err
	}
	response, err := d.client().Do(httpRequest)
	if err != nil {
		return page{}, unreachable(ctx, err, time.Since(begun))
	}
	defer response.Body.Close()
	p := page{status: response.StatusCode, location: response.Header.Get("Location")}
	p.body, err = io.ReadAll(io.LimitReader(response.Body, r.limit+1))
	switch {
	case err != nil:
		return p, broken(ctx, err, len(p.body), time.Since(begun))
	case int64(len(p.body)) > r.limit:
		return p, fmt.Errorf("%w: more than %d bytes", fcgi.ErrTooLarge, r.limit)
	}
	return p, nil
}

func (d Door) request(ctx context.Context, r request) (*http.Request, error) {
	out, err := http.NewRequestWithContext(ctx, r.method, d.script(), bytes.NewReader(r.body))
	if err != nil {
		return nil, badURL(err)
	}
	if out.URL.Host == "" || out.URL.Scheme != "http" && out.URL.Scheme != "https" {
		return nil, badURL(fmt.Errorf("%q is no http:// or https:// address", out.URL.Redacted()))
	}
	out.Host = d.Host
	out.Header.Set("User-Agent", "relink")
	out.Header.Set("Cache-Control", "no-cache")
	out.Header.Set("X-Relink-Token", d.Token)
	out.Header.Set("X-Relink-Nonce", r.nonce)
	if r.op != "" {
		out.Header.Set("Content-Type", "application/octet-stream")
		out.Header.Set("X-Relink-Op", r.op)
		out.Header.Set("X-Relink-Agent", r.agentFile)
	}
	return out, nil
}

// client knows no proxy, follows no redirect and asks for no compression. Its
// requests carry the token, so that none of them leaves this machine.
func (d Door) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dial,
			DialTLSContext:         DialTLS(d.Host, dial),
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: headerLimit,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error { return ownAddress(address) }}
	return dialer.DialContext(ctx, network, address)
}

// ownAddress refuses an address, resolved, before it is connected to, unless it
// is one of this machine.
func ownAddress(address string) error {
	host, _, _ := strings.Cut(withoutPort(address), "%") // the zone of a link-local address
	ip := net.ParseIP(host)
	if ip.IsLoopback() {
		return nil
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(own, func(one net.Addr) bool { network, ok := one.(*net.IPNet); return ok && network.IP.Equal(ip) }) {
		return foreign(host)
	}
	return nil
}

// Dial makes a connection, as http.Transport wants it.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// DialTLS verifies the certificate for the name of the site, "" for that of the
// address, but not on loopback: certificates of one's own are usual there, nobody
// stands between the two ends, and the probe's token opens nothing but the script
// that it is shown to.
func DialTLS(host string, plain Dial) Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := plain(ctx, network, address)
		if err != nil {
			return nil, err
		}
		remote, ok := conn.RemoteAddr().(*net.TCPAddr)
		client := tls.Client(conn, &tls.Config{
			ServerName:         withoutPort(cmp.Or(host, address)),
			InsecureSkipVerify: ok && remote.IP.IsLoopback(),
		})
		if err := client.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		return client, nil
	}
}

func withoutPort(name string) string {
	if host, _, err := net.SplitHostPort(name); err == nil {
		return host
	}
	return name
}
