package php

import (
	"context"
	"errors"
	"time"

	"relink/fcgi"
)

// ErrNoSiblings: FPM could not lock its scoreboard, or lists nobody.
var ErrNoSiblings = errors.New("FPM does not list its workers")

type wireSibling struct {
	PID      int    `json:"pid"`
	State    string `json:"state"`
	Start    int64  `json:"start"` // seconds
	Requests int64  `json:"requests"`
	Busy     int64  `json:"busy"` // microseconds
	Method   text   `json:"method"`
	URI      text   `json:"uri"`
}

// Siblings lists the workers of the pool whose worker answers, from the scoreboard
// that the status page is made of (fpm_get_status, PHP 7.3). Unlike that page it can
// be asked through the web server.
func (a *Agent) Siblings(ctx context.Context) ([]fcgi.Process, Worker, error) {
	var out struct {
		Workers []wireSibling `json:"workers"`
	}
	worker, err := a.call(ctx, opSiblings, nil, &out)
	if err == nil && len(out.Workers) == 0 {
		err = a.failed(opSiblings, ErrNoSiblings)
	}
	if err != nil {
		return nil, worker, err
	}
	var workers []fcgi.Process
	for _, w := range out.Workers {
		workers = append(workers, w.process())
	}
	return workers, worker, nil
}

func (w wireSibling) process() fcgi.Process {
	p := fcgi.Process{PID: w.PID, State: fcgi.State(w.State), StartTime: time.Unix(w.Start, 0), Requests: w.Requests,
		RequestDuration: max(0, time.Duration(w.Busy)*time.Microsecond)}
	if w.Method != "-" {
		p.Method, p.URI = string(w.Method), fcgi.PublicURI(string(w.URI))
	}
	return p
}

// Sweep has the worker that answers drop its realpath cache.
func (a *Agent) Sweep(ctx context.Context) (Worker, error) {
	return a.call(ctx, opSweep, nil, nil)
}

// SweepAndHold is Sweep by a worker that takes its time to answer, so that calls
// which are made at the same time reach different ones: a web server that keeps
// connections to its workers hands a request to the one that was used last.
func (a *Agent) SweepAndHold(ctx context.Context, hold time.Duration) (Worker, error) {
	return a.call(ctx, opSweep, map[string]int64{"hold": hold.Microseconds()}, nil)
}
