package php

import (
	"context"
	"time"
)

// Sweep has the worker that answers drop its realpath cache.
func (a *Agent) Sweep(ctx context.Context) (Worker, error) {
	return a.call(ctx, "sweep", nil, nil)
}

// SweepAndHold is Sweep by a worker that takes its time to answer, so that calls
// which are made at the same time reach different ones: a web server that keeps
// connections to its workers hands a request to the one that was used last.
func (a *Agent) SweepAndHold(ctx context.Context, hold time.Duration) (Worker, error) {
	in := struct {
		Hold int64 `json:"hold"` // microseconds
	}{hold.Microseconds()}
	return a.call(ctx, "sweep", in, nil)
}
