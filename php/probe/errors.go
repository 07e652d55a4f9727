package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"
	"time"

	"relink/fcgi"
	"relink/internal/hint"
)

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
