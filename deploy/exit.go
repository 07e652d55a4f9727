package deploy

import (
	"context"
	"errors"
	"fmt"

	"relink/internal/hint"
)

// The exit statuses of relink's deploying commands. They are an interface:
// scripts decide on them.
const (
	ExitDone        = 0   // done
	ExitFailed      = 1   // failed; nothing that serves was changed
	ExitUsage       = 2   // wrong usage or configuration
	ExitRolledBack  = 3   // failed, and every link of this deploy was put back
	ExitUnverified  = 4   // live, but not fully verified; the message says how to finish
	ExitLocked      = 5   // another deploy of this application is running
	ExitInterrupted = 130 // SIGINT or SIGTERM
)

var (
	// ErrUsage: the command line or the configuration asks for something impossible.
	ErrUsage = errors.New("wrong usage")
	// ErrRolledBack: the deploy failed and all its links are back where they were.
	ErrRolledBack = errors.New("failed and rolled back")
	// ErrUnverified: the links are where they should be, something after that is not.
	ErrUnverified = errors.New("not fully verified")
	// ErrLocked: another process deploys this application.
	ErrLocked = errors.New("locked")
	// ErrInterrupted: a signal ended the work early.
	ErrInterrupted = errors.New("interrupted")
)

// classified gives an error one of the kinds above without changing its text.
type classified struct {
	error
	kind error
}

func (c classified) Unwrap() []error { return []error{c.error, c.kind} }

func as(kind, err error) error {
	if err == nil {
		return nil
	}
	return classified{error: err, kind: kind}
}

// ExitCode is the exit status that an error of this package stands for. What
// happened to the links outranks why: a deploy that was interrupted after it
// went live is ErrInterrupted, one that was rolled back is ErrRolledBack.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return ExitDone
	case errors.Is(err, ErrRolledBack):
		return ExitRolledBack
	case errors.Is(err, ErrInterrupted):
		return ExitInterrupted
	case errors.Is(err, ErrUnverified):
		return ExitUnverified
	case errors.Is(err, ErrLocked):
		return ExitLocked
	case errors.Is(err, ErrUsage):
		return ExitUsage
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	default:
		return ExitFailed
	}
}

// printedError is an error that its command has printed as part of a result.
type printedError struct{ error }

func (p printedError) Unwrap() error { return p.error }

// Printed tells whether err was printed already, as part of a JSON document.
func Printed(err error) bool { return errors.As(err, new(printedError)) }

func usagef(format string, args ...any) error {
	return hint.With(as(ErrUsage, fmt.Errorf(format, args...)), `see "relink help"`)
}
