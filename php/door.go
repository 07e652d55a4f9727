package php

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync/atomic"
	"time"

	"relink/fcgi"
	"relink/internal/envelope"
	"relink/internal/hedge"
	"relink/internal/hint"
	"relink/php/probe"
)

// ThroughDoor gives an agent that runs the same file through the web server. That
// is how workers are reached which take no FastCGI connection from elsewhere: the
// processes of mod_php, and PHP-FPM's workers that a persistent connection pins.
func (a *Agent) ThroughDoor(d probe.Door) *Agent {
	through := *a
	through.door = &d
	return &through
}

func (a *Agent) throughDoor(ctx context.Context, op operation, nonce string, body []byte) ([]byte, error) {
	response, status, err := a.door.Call(ctx, string(op), nonce, path.Base(a.script), body, mostAnswer(op))
	if err != nil {
		return nil, a.refusedAtDoor(err)
	}
	payload, err := envelope.Agent.Open(response, nonce)
	if err != nil {
		return nil, a.refused(fcgi.Response{}, fmt.Errorf("status %d: %w", status, err))
	}
	return payload, nil
}

// refusedAtDoor names the cause for which the agent did not run by the names that
// it has in a pool.
func (a *Agent) refusedAtDoor(err error) error {
	var refused *probe.Refused
	if !errors.As(err, &refused) {
		return a.refused(fcgi.Response{}, err)
	}
	switch refused.Reason {
	case "open_basedir":
		return hint.With(fmt.Errorf("%w: %w", ErrOpenBasedir, err),
			"add %s to open_basedir of this site, or set agent_dir to a folder inside it", path.Dir(refused.File))
	case "unreadable":
		return hint.With(fmt.Errorf("%w: %w", ErrAgentUnreadable, err), "let the user of the web server's PHP read %s", refused.File)
	case "missing":
		return hint.With(fmt.Errorf("%w: %w", ErrAgentNotVisible, err),
			"set agent_dir to a folder that the PHP of this site can read, then deploy once: the probe of each release knows the agent_dir of its own deploy")
	}
	return fmt.Errorf("%w: %w", ErrAgentFailed, err)
}

// ErrNoDetour: nothing through the web server leads to the pool.
var ErrNoDetour = errors.New("no site of this machine's web server leads to the pool")

// Detour knows the ways through the web server that lead to a pool.
type Detour interface {
	// Door gives one of them, or ErrNoDetour.
	Door(ctx context.Context) (probe.Door, error)
	// Own tells whether who answered is of the pool.
	Own(ctx context.Context, w Worker) bool
}

// detourPatience is how long a call by FastCGI may take before the web server is
// asked too. A pool whose workers are all pinned never answers; one that is only
// crowded does, and what both ways do is done twice, which does no harm.
const detourPatience = 500 * time.Millisecond

type detour struct {
	Detour
	taken atomic.Bool // the last answer came by it
}

// WithDetour gives an agent that is also called through the web server where the
// pool takes no connection from anybody else.
func (a *Agent) WithDetour(d Detour) *Agent {
	with := *a
	with.detour = &detour{Detour: d}
	return &with
}

// Detoured tells whether the last answer came through the web server because
// FastCGI brought none.
func (a *Agent) Detoured() bool { return a.detour != nil && a.detour.taken.Load() }

// byDetour begins with the way that brought the last answer. A restart of the cache
// is asked for one way only: what waits in a pool's queue may be done at any time.
func (a *Agent) byDetour(ctx context.Context, op operation, nonce string, body []byte) ([]byte, error) {
	direct := func(ctx context.Context) ([]byte, error) { return a.byFastCGI(ctx, op, nonce, body) }
	around := func(ctx context.Context) ([]byte, error) { return a.around(ctx, op, nonce, body) }
	taken := a.Detoured()
	if op == opReset {
		if taken {
			return around(ctx)
		}
		return direct(ctx)
	}
	ways := hedge.Pair[[]byte]{First: direct, Second: around, Patience: detourPatience}
	if taken {
		ways.First, ways.Second, ways.AfterFailure = around, direct, true
	}
	payload, bySecond, err := ways.Ask(ctx)
	if err == nil {
		a.detour.taken.Store(taken != bySecond)
	}
	return payload, err
}

// around calls the agent through the web server, and believes only a worker of the
// pool: what the others say is of another cache.
func (a *Agent) around(ctx context.Context, op operation, nonce string, body []byte) ([]byte, error) {
	door, err := a.detour.Door(ctx)
	if err != nil {
		return nil, err
	}
	through := a.ThroughDoor(door)
	payload, err := through.throughDoor(ctx, op, nonce, body)
	if err != nil {
		return nil, err
	}
	worker, err := decode(payload, nil)
	if worker.PID == 0 && err != nil {
		return nil, err
	}
	if !a.detour.Own(ctx, worker) {
		return nil, fmt.Errorf("another pool has answered: process %d through %s", worker.PID, door)
	}
	return payload, nil
}
