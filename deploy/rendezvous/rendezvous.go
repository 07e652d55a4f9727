// Package rendezvous has a deploy cut over at the same instant as those on other hosts, and
// go back with them.
package rendezvous

import (
	"context"
	"errors"
	"fmt"
	"time"

	"relink/deploy/release"
)

// Others are the deploys of the same release on other hosts.
type Others interface {
	// Barrier ends once the release, which is prepared whole, may cut over. After an error
	// nothing moves, and what was made is removed. It ends with ctx.
	Barrier(ctx context.Context, prepared release.Release) error

	// Verdict tells that this host has cut over and is well, and ends once the release
	// stays. ErrTakenBack has it undone; after another error it stays too. It ends with ctx.
	Verdict(ctx context.Context, c CutOver) error
}

// CutOver is when this host cut over, by its own clock, and how long that took.
type CutOver struct {
	At     time.Time
	TookMS float64
}

// ErrTakenBack: the release is taken back on all hosts.
var ErrTakenBack = errors.New("taken back on all hosts")

// Barrier is the last step before the switch; there is nothing to do without others.
func Barrier(o Others, prepared release.Release) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if o == nil {
			return "", nil
		}
		return "all hosts are ready", o.Barrier(ctx, prepared)
	}
}

// Verdict is the step after the checks.
func Verdict(o Others, tookMS float64, at time.Time) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if o == nil {
			return "", nil
		}
		err := o.Verdict(ctx, CutOver{At: at, TookMS: tookMS})
		if err != nil && !errors.Is(err, ErrTakenBack) {
			err = fmt.Errorf("nobody has said whether the release stays: %w", err)
		}
		return "it stays on all hosts", err
	}
}
