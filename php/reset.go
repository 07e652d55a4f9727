package php

import "context"

// ResetResult tells what became of a request to restart the cache.
type ResetResult struct {
	Accepted bool // false: OPcache refused, for instance because a restart is pending already
	// Status is right after the call. opcache_reset only schedules: the restart
	// happens when no worker is inside a request, and is done when RestartPending
	// is false and Statistics.LastRestart is later than before.
	Status Status
}

// Reset asks OPcache to restart: for all pools of the master, all scripts.
func (a *Agent) Reset(ctx context.Context) (ResetResult, error) {
	var out struct {
		Accepted bool       `json:"accepted"`
		Status   wireStatus `json:"status"`
	}
	worker, err := a.call(ctx, "reset", nil, &out)
	if err != nil {
		return ResetResult{}, err
	}
	return ResetResult{Accepted: out.Accepted, Status: out.Status.status(worker)}, nil
}
