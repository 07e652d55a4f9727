package probe

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"relink/fcgi"
	"relink/internal/hint"
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

// fetch makes one request.
func (d Door) fetch(ctx context.Context, by *http.Client, r request) (page, error) {
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
	response, err := by.Do(httpRequest)
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

// client makes a connection for each request: one that is kept would always lead to
// the same worker.
func (d Door) client() *http.Client { return once(dialHere, d.Host) }

// dialHere sends no keep-alive packets: a connection lasts for an answer or some. It leads to
// nothing but this machine: requests carry the token.
func dialHere(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1, Control: func(_, address string, _ syscall.RawConn) error { return ownAddress(address) }}
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
// that it is shown to. The context of a dial bounds its handshake too.
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

// Why the probe did not answer. Beside these, errors wrap fcgi.ErrTimeout,
// fcgi.ErrNotListening, fcgi.ErrReset, fcgi.ErrTruncated and fcgi.ErrTooLarge, as
// those of a call to a pool do.
var (
	// ErrHidden: something else answered, and the probe cannot be reached there.
	ErrHidden = errors.New("the probe cannot be reached through the web server")
	// ErrServer: it answered that it, or PHP, failed. Also an ErrHidden.
	ErrServer = errors.New("the web server or its PHP failed")
	// ErrForeign: the address is not this machine's. Nothing was sent.
	ErrForeign = errors.New("the address is not one of this machine")
	// ErrURL: the address is none.
	ErrURL = errors.New("not an address that can be asked")
)

// Refused tells why the probe did not run the agent.
type Refused struct {
	Reason string // "missing", "unreadable", "open_basedir" or "name"
	File   string // the agent's file as the PHP of the site sees it
}

func (r *Refused) Error() string {
	return fmt.Sprintf("the probe cannot run the agent %s: %s", r.File, r.Reason)
}

func foreign(host string) error {
	return hint.With(fmt.Errorf("%w: %s", ErrForeign, host),
		"set probe.url to an address of this server, such as http://127.0.0.1/: the token of the probe is sent to no other machine")
}

func badURL(err error) error {
	return hint.With(fmt.Errorf("%w: %w", ErrURL, err), "write probe.url as http://127.0.0.1/")
}

// unreachable names why no response came.
func unreachable(ctx context.Context, err error, after time.Duration) error {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, ErrForeign), errors.Is(err, ErrURL):
		return bare(err)
	case errors.As(err, &certificate):
		return hint.With(bare(err), "set probe.host to a name in the certificate, or probe.url to https://127.0.0.1/, where it is not verified")
	case errors.Is(err, syscall.ECONNREFUSED), errors.As(err, new(*net.DNSError)):
		return hint.With(fmt.Errorf("%w: %w", fcgi.ErrNotListening, bare(err)), "start the web server, or correct probe.url")
	}
	return broken(ctx, err, 0, after)
}

// broken names what ended a response, or the wait for one, after so many bytes.
func broken(ctx context.Context, err error, received int, after time.Duration) error {
	var errno syscall.Errno
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return context.Canceled
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		return hint.With(fmt.Errorf("%w: %s: %w", fcgi.ErrTimeout, after.Round(time.Millisecond), context.DeadlineExceeded),
			"look at the web server's processes and PHP's workers: all are busy, or one of them hangs")
	case received > 0 && (errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &errno)):
		return hint.With(fmt.Errorf("%w after %d bytes: %w", fcgi.ErrTruncated, received, bare(err)),
			"look in the error log of the web server: its process crashed or was killed during the answer")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &errno):
		return hint.With(fmt.Errorf("%w: %w", fcgi.ErrReset, bare(err)),
			"look in the error log of the web server: its process crashed, was killed, or the server was restarted")
	}
	return bare(err)
}

// bare drops net/http's `Get "http://...":`, which repeats the address and the
// script's name.
func bare(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}
