package deploy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"relink/internal/ui"
)

// step is one named, timed part of a deploy. It sums up in a few words what it did, or
// in none where there was nothing to do.
type step struct {
	name string
	do   func(context.Context) (summary string, err error)
}

// inOrder takes the steps until one fails or ctx ends.
func (r *run) inOrder(ctx context.Context, steps ...step) error {
	for _, s := range steps {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("before %s: %w", s.name, err)
		}
		if err := r.take(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// each takes every step, whatever becomes of the others, until ctx ends.
func (r *run) each(ctx context.Context, steps ...step) error {
	var failed []error
	for _, s := range steps {
		if ctx.Err() != nil {
			break
		}
		failed = append(failed, r.take(ctx, s))
	}
	return errors.Join(failed...)
}

func (r *run) take(ctx context.Context, s step) error {
	r.Reached(s.name)
	began := time.Now()
	summary, err := s.do(ctx)
	took := time.Since(began)
	r.report.stepped(s.name, took)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if summary != "" {
		r.Screen.Step(s.name, summary, took)
	}
	return nil
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

// progress shows how far the current step is, once there is something to show.
func (r *run) progress(name, unit string) (update func(done, total int), end func()) {
	var mu sync.Mutex
	var shown *ui.Progress
	update = func(done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if shown == nil && total > 0 {
			shown = r.Screen.Progress(name, unit, total)
		}
		if shown != nil {
			shown.Update(done, total)
		}
	}
	return update, func() {
		mu.Lock()
		defer mu.Unlock()
		if shown != nil {
			shown.Done()
		}
	}
}
