// Package exit says how a command ended: the kinds of outcomes, and the exit
// status of each.
package exit

import (
	"context"
	"errors"
	"fmt"

	"relink/internal/hint"
)

// The exit statuses. They are an interface: scripts decide on them.
const (
	Done        = 0
	Failed      = 1
	Usage       = 2
	RolledBack  = 3
	Unverified  = 4
	Locked      = 5
	Interrupted = 130
)

// Meanings are what the statuses say, in their order. Those of "relink health" are
// the ones of monitoring plugins.
var Meanings = []struct {
	Status int
	Means  string
}{
	{Done, "done"},
	{Failed, "failed; nothing that serves was changed"},
	{Usage, "wrong usage or configuration"},
	{RolledBack, "failed, and every link of this deploy was put back"},
	{Unverified, "done, but not fully verified; the message says how to finish"},
	{Locked, "another relink is at work on the same"},
	{Interrupted, "SIGINT or SIGTERM"},
}

var (
	// ErrUsage: the command line or the configuration asks for something impossible.
	ErrUsage = errors.New("wrong usage")
	// ErrRolledBack: the deploy failed and all its links are back where they were.
	ErrRolledBack = errors.New("failed and rolled back")
	// ErrUnverified: what was asked for is done, something after that is not.
	ErrUnverified = errors.New("not fully verified")
	// ErrLocked: another process is at work on the same.
	ErrLocked = errors.New("locked")
	// ErrInterrupted: a signal ended the work early.
	ErrInterrupted = errors.New("interrupted")
)

// Status is the exit status that an error stands for. What happened to the links
// outranks why: a deploy that was interrupted after it went live is ErrInterrupted,
// one that was rolled back is ErrRolledBack.
func Status(err error) int {
	var own interface{ ExitStatus() int }
	switch {
	case err == nil:
		return Done
	case errors.As(err, &own): // the contract of monitoring plugins
		return own.ExitStatus()
	case errors.Is(err, ErrRolledBack):
		return RolledBack
	case errors.Is(err, ErrInterrupted):
		return Interrupted
	case errors.Is(err, ErrUnverified) && !errors.Is(err, context.Canceled):
		return Unverified
	case errors.Is(err, ErrLocked):
		return Locked
	case errors.Is(err, ErrUsage):
		return Usage
	case errors.Is(err, context.Canceled):
		return Interrupted
	}
	return Failed
}

// classified gives an error one of the kinds above without changing its text.
type classified struct {
	error
	kind error
}

func (c classified) Unwrap() []error { return []error{c.error, c.kind} }

// As gives an error one of the kinds above without changing its text.
func As(kind, err error) error {
	if err == nil {
		return nil
	}
	return classified{error: err, kind: kind}
}

// printed is an error that its command has printed as part of a result.
type printed struct{ error }

func (p printed) Unwrap() error { return p.error }
func (p printed) Printed() bool { return true }

// Printed marks an error that a JSON document has told already.
func Printed(err error) error {
	if err == nil {
		return nil
	}
	return printed{err}
}

// IsPrinted tells whether an error was told already, as part of a result.
func IsPrinted(err error) bool {
	var told interface{ Printed() bool }
	return errors.As(err, &told) && told.Printed()
}

// Usagef is an ErrUsage.
func Usagef(format string, args ...any) error { return As(ErrUsage, fmt.Errorf(format, args...)) }

// Failure is how a JSON document tells an error.
type Failure struct {
	Message string   `json:"message"` // what failed, on what, and why
	Hints   []string `json:"hints"`   // what to do about it
}

// Document is what a command prints as JSON that fails before it has a result of its own.
type Document struct {
	Exit  int      `json:"exit"` // the exit status
	Error *Failure `json:"error"`
}

// FailureOf is nil where nothing failed.
func FailureOf(err error) *Failure {
	if err == nil {
		return nil
	}
	return &Failure{Message: err.Error(), Hints: append([]string{}, hint.Of(err)...)}
}
