package fcgi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"relink/internal/hint"
)

// What can go wrong, to be matched by errors.Is. A cancelled context gives
// context.Canceled.
var (
	ErrNotListening     = errors.New("nothing listens")
	ErrPermission       = errors.New("no permission to connect")
	ErrTimeout          = errors.New("no answer in time")
	ErrReset            = errors.New("connection closed before an answer")
	ErrTruncated        = errors.New("answer cut off")
	ErrTooLarge         = errors.New("answer too large")
	ErrProtocol         = errors.New("answer is not FastCGI")
	ErrScriptNotFound   = errors.New("the pool cannot find the script")
	ErrScriptUnreadable = errors.New("the pool may not read the script")
	ErrExtension        = errors.New("the pool refuses the script's extension")
	ErrNoStatusPage     = errors.New("the pool has no status page")
	ErrStatusBusy       = errors.New("the pool's status page is busy")
	ErrParam            = errors.New("parameter cannot be sent")
)

// failure is an error of a call to a pool: "call ADDRESS: KIND: cause".
func failure(to Address, kind error, cause any) error {
	if err, ok := cause.(error); ok {
		return fmt.Errorf("call %s: %w: %w", to, kind, bare(err))
	}
	return fmt.Errorf("call %s: %w: %v", to, kind, cause)
}

// bare drops net's "dial unix /run/x.sock:", which repeats the address.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// ended says why ctx ended a call that had reached the given phase; nil if ctx
// has not ended.
func ended(ctx context.Context, to Address, since time.Time, phase string) error {
	switch err := ctx.Err(); {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("call %s: %s: %w", to, phase, err)
	default:
		return hint.With(fmt.Errorf("call %s: %w: %s for %s: %w", to, ErrTimeout, phase, time.Since(since).Round(time.Millisecond), err),
			"look at the pool's workers: all are busy (raise pm.max_children or wait), or persistent connections pin them (set enablereuse=off in Apache)")
	}
}

// broken names a connection that failed after the given number of bytes.
func broken(to Address, received int, err error) error {
	switch {
	case received == 0 && isClosed(err) && !errors.Is(err, io.ErrUnexpectedEOF):
		return hint.With(failure(to, ErrReset, err),
			"look in FPM's error log: the worker crashed, was killed (request_terminate_timeout), or the pool was restarted")
	case isClosed(err):
		return truncated(to, "after %d bytes: %v", received, bare(err))
	}
	return hint.With(failure(to, ErrProtocol, err), "check that a PHP-FPM pool listens on %s, not a web server", to)
}

func truncated(to Address, format string, args ...any) error {
	return hint.With(failure(to, ErrTruncated, fmt.Sprintf(format, args...)), "look in FPM's error log: the worker crashed or was killed during the answer")
}

func isClosed(err error) bool {
	var errno syscall.Errno
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &errno)
}

// refusal names an answer that FPM gave in the script's stead, nil for the
// script's own. FPM tells the cause on stderr, unless fastcgi.logging=0; then
// only its fixed body is left (fpm_main.c).
func refusal(to Address, script string, answer Response) error {
	switch {
	case answer.Status == http.StatusNotFound && answer.says("Primary script unknown", "File not found.\n"):
		return hint.With(fmt.Errorf("call %s: %w: %s", to, ErrScriptNotFound, script),
			"make the script visible to the pool (PrivateTmp, chroot and containers hide folders; all folders above it need x for the pool's user): set agent_dir to a folder that the pool can read, and path_map if the pool sees it under another path")
	case answer.Status == http.StatusForbidden && bytes.Contains(answer.Noise, []byte("Unable to open primary script")):
		return hint.With(fmt.Errorf("call %s: %w: %s", to, ErrScriptUnreadable, script),
			"let the pool's user read the script and enter the folders above it")
	case answer.Status == http.StatusForbidden && answer.says("security.limit_extensions", "Access denied.\n"):
		return hint.With(fmt.Errorf("call %s: %w: %s", to, ErrExtension, script),
			"allow the extension in the pool's security.limit_extensions (FPM's default is .php .phar); with fastcgi.logging=0 it may also be the file's mode")
	}
	return nil
}

// says reports whether stderr holds cause, or the body is that of FPM.
func (r Response) says(cause, body string) bool {
	return bytes.Contains(r.Noise, []byte(cause)) || string(r.Body) == body
}
