package fcgi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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
