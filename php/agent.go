// Package php runs relink's agent, one small PHP file, inside PHP's workers, by
// FastCGI or through the web server, and finds the FPM masters and pools that run
// on this machine.
package php

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"relink/fcgi"
	"relink/internal/envelope"
	"relink/php/probe"
)

// Agent calls the agent in one pool. It holds no connection; its methods may be
// called at the same time, and each call occupies one worker. Of an answer they read
// mostAnswer at most: past it the connection is ended, and the error names the
// operation, the pool and the bound (fcgi.ErrTooLarge).
type Agent struct {
	pool   Pool
	script string      // as the pool sees it
	door   *probe.Door // the way through the web server; nil: by FastCGI
	detour *detour     // what is tried where FastCGI brings no answer; nil: nothing
}

// operation is one that the agent's table OPERATIONS lists (agent.php).
type operation string

const (
	opPing            operation = "ping"
	opSweep           operation = "sweep"
	opSiblings        operation = "siblings"
	opConfiguration   operation = "configuration"
	opStatus          operation = "status"
	opScripts         operation = "scripts"
	opHoldings        operation = "holdings"
	opInvalidateBelow operation = "invalidate-below"
	opInvalidate      operation = "invalidate"
	opCompile         operation = "compile"
	opReset           operation = "reset"
	opAPCu            operation = "apcu"
)

// mostAnswer bounds the answer of an operation in bytes, header and noise included. A
// sweep asks 32 workers at a time, and its answer is some 300 bytes. What lists scripts
// takes some 400 bytes for each: room for 150,000.
func mostAnswer(op operation) int64 {
	switch op {
	case opScripts, opHoldings:
		return fcgi.DefaultLimit
	case opInvalidate, opInvalidateBelow, opCompile: // as many paths as a request's body holds
		return 4 << 20
	}
	return 1 << 20
}

// Worker is the PHP process that answered a call.
type Worker struct {
	PID        int    `json:"pid"`    // in the pool's PID namespace
	ParentPID  int    `json:"parent"` // the FPM master; 0 without the posix extension
	PHPVersion string `json:"php"`
	SAPI       string `json:"sapi"`
	// RealpathCache is the size in bytes of the worker's realpath cache at the end of the call.
	RealpathCache int64 `json:"realpath_cache"`
	// Root is the inode of the worker's root folder with opcache.validate_root: then
	// OPcache's keys are those of workers with the same root only. "" without that
	// setting, UnknownRoot where the pool may not look at its root (open_basedir).
	Root string `json:"root"`
}

// UnknownRoot is a root that may be the same as any other, or not.
const UnknownRoot = "?"

// NewAgent installs the agent under the pool's AgentDir if it is not there yet.
// It does not talk to the pool. What it reads is bounded as by InstallAgent.
func NewAgent(pool Pool) (*Agent, error) {
	if pool.AgentDir == "" {
		pool.AgentDir = DefaultAgentDir
	}
	file, err := InstallAgent(pool.AgentDir)
	if err != nil {
		return nil, fmt.Errorf("pool %s: %w", pool, err)
	}
	agent := &Agent{pool: pool, script: pool.PathMap.ToPool(file)}
	if pool.Address == (fcgi.Address{}) {
		agent.door = pool.Door
	}
	return agent, nil
}

// Pool returns the pool that the agent calls.
func (a *Agent) Pool() Pool { return a.pool }

// Ping proves that the agent runs in the pool. It asks nothing of OPcache. An answer of
// more than 1 MiB is fcgi.ErrTooLarge.
func (a *Agent) Ping(ctx context.Context) (Worker, error) {
	return a.call(ctx, opPing, nil, nil)
}

// call runs one operation and decodes its result into out. Where the operation
// was cut short by a fatal error, out holds what was done so far and the error
// is not nil. More than mostAnswer(op) ends the connection, with fcgi.ErrTooLarge.
func (a *Agent) call(ctx context.Context, op operation, in, out any) (worker Worker, err error) {
	var body, payload []byte
	if in != nil {
		body, err = json.Marshal(in)
	}
	if err == nil {
		payload, err = a.way()(ctx, op, envelope.NewNonce(), body)
	}
	if err == nil {
		worker, err = decode(payload, out)
	}
	if err != nil {
		err = a.failed(op, err)
	}
	return worker, err
}

// failed says which operation failed, and where.
func (a *Agent) failed(op operation, err error) error {
	if a.door != nil && a.pool.Address != (fcgi.Address{}) {
		return fmt.Errorf("%s in pool %s through %s: %w", op, a.pool, a.door, err)
	}
	return fmt.Errorf("%s in pool %s: %w", op, a.pool, err)
}

// way is how the agent is called.
func (a *Agent) way() func(ctx context.Context, op operation, nonce string, body []byte) ([]byte, error) {
	switch {
	case a.door != nil:
		return a.throughDoor
	case a.detour != nil:
		return a.byDetour
	}
	return a.byFastCGI
}

func (a *Agent) byFastCGI(ctx context.Context, op operation, nonce string, body []byte) ([]byte, error) {
	response, err := fcgi.Call(ctx, a.pool.Address, fcgi.Request{Script: a.script, Body: body, Limit: mostAnswer(op),
		Params: map[string]string{"RELINK_OP": string(op), "RELINK_NONCE": nonce}})
	if err != nil {
		return nil, a.refused(response, err)
	}
	payload, err := envelope.Agent.Open(response.Body, nonce)
	if err != nil {
		return nil, a.refused(response, fmt.Errorf("status %d: %w", response.Status, err))
	}
	return payload, nil
}

func decode(payload []byte, out any) (Worker, error) {
	var answer struct {
		Worker Worker          `json:"worker"`
		Error  *agentError     `json:"error"`
		Result json.RawMessage `json:"result"`
	}
	err := json.Unmarshal(payload, &answer)
	if err == nil && out != nil && len(answer.Result) > 0 {
		err = json.Unmarshal(answer.Result, out)
	}
	if err != nil {
		return Worker{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if answer.Error != nil {
		return answer.Worker, answer.Error.named()
	}
	return answer.Worker, nil
}

// Strings on their way to or from the agent: any bytes, as paths are.
type (
	text  = envelope.Text
	paths = envelope.Texts
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
// be asked through the web server. An answer of more than 1 MiB is fcgi.ErrTooLarge.
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

// Sweep has the worker that answers drop its realpath cache. An answer of more than 1 MiB
// is fcgi.ErrTooLarge.
func (a *Agent) Sweep(ctx context.Context) (Worker, error) {
	return a.call(ctx, opSweep, nil, nil)
}

// SweepAndHold is Sweep by a worker that takes its time to answer, so that calls
// which are made at the same time reach different ones: a web server that keeps
// connections to its workers hands a request to the one that was used last. An answer of
// more than 1 MiB is fcgi.ErrTooLarge.
func (a *Agent) SweepAndHold(ctx context.Context, hold time.Duration) (Worker, error) {
	return a.call(ctx, opSweep, map[string]int64{"hold": hold.Microseconds()}, nil)
}
