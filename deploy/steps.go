package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// step is one named, timed part of a deploy. It sums up in a few words what it did, or
// in none where there was nothing to do. What it has made stands in its value also
// where it fails.
type step[T any] func(context.Context) (value T, summary string, err error)

// steps takes one step after the other, and keeps what went wrong.
type steps struct {
	run *run
	all bool // every step is taken, whatever becomes of the others, until ctx ends
	err error
}

// inOrder takes steps until one fails or ctx ends; those that follow do nothing.
func (r *run) inOrder() *steps { return &steps{run: r} }

// each takes every step.
func (r *run) each() *steps { return &steps{run: r, all: true} }

// take gives the value of a step, or none where it is not taken any more.
func take[T any](ctx context.Context, s *steps, name string, do step[T]) (value T) {
	s.do(ctx, name, func(ctx context.Context) (summary string, err error) {
		value, summary, err = do(ctx)
		return summary, err
	})
	return value
}

func (s *steps) do(ctx context.Context, name string, do func(context.Context) (summary string, err error)) {
	switch {
	case s.all && ctx.Err() != nil, !s.all && s.err != nil:
		return
	case ctx.Err() != nil:
		s.err = fmt.Errorf("before %s: %w", name, ctx.Err())
		return
	}
	s.run.Reached(name)
	began := time.Now()
	summary, err := do(ctx)
	took := time.Since(began)
	s.run.report.Stepped(name, took)
	if err != nil {
		s.err = errors.Join(s.err, fmt.Errorf("%s: %w", name, err))
		return
	}
	if summary != "" {
		s.run.Screen.Step(name, summary, took)
	}
}

const (
	// steadyTime bounds the work that no signal ends. Each call in it has a bound
	// of its own, far below this one.
	steadyTime = 2 * time.Minute
	// tidyTime bounds what is cleaned up after an interrupt.
	tidyTime = 30 * time.Second
)

// uninterrupted is a context that a signal does not end: with links half moved,
// stopping is worse than finishing.
func uninterrupted(ctx context.Context, bound time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), bound)
}
