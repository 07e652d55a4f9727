package php

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Outcome tells what became of a file that was to be compiled.
type Outcome int

// The outcomes. All but Failed are proven by opcache_is_script_cached.
const (
	Failed        Outcome = iota
	Compiled              // it is cached now
	AlreadyCached         // it was cached before
	TooNew                // opcache.file_update_protection would not let OPcache keep it
)

func (o Outcome) String() string {
	switch o {
	case Compiled:
		return "compiled"
	case AlreadyCached:
		return "already cached"
	case TooNew:
		return "too new"
	}
	return "failed"
}

// CompiledFile tells what became of one file.
type CompiledFile struct {
	Path    string
	Outcome Outcome
	Reason  string        // why it failed
	Wait    time.Duration // for TooNew: how long until a new request can compile it
}

// CompileResult tells what became of files[:Next].
type CompileResult struct {
	Files []CompiledFile
	Next  int // the first file not reached; len(files) if all were
}

// Compile puts scripts into the cache without running them. It stops once budget
// is used up, after one file at least; 0 means no budget. A fatal error that ends
// PHP's request counts for the file it came from, and Next is the one behind it.
//
// A file that kills the worker itself gives an error; the result then holds only
// what earlier requests did.
//
// One request also declares the functions and classes of what it compiles, so
// that a file may fail with "Cannot redeclare" that compiles in a call of its own.
func (a *Agent) Compile(ctx context.Context, files []string, budget time.Duration) (CompileResult, error) {
	var result CompileResult
	err := sliced(files, budget, func(part []string, left time.Duration) (int, error) {
		var out wireCompile
		_, err := a.call(ctx, opCompile, filesInput{part, left.Microseconds()}, &out)
		done, err := out.files(part, err)
		result.Files = append(result.Files, done...)
		result.Next += len(done)
		return len(done), err
	})
	return result, err
}

type wireCompile struct {
	Files []wireCompiled `json:"files"`
	Next  int            `json:"next"`
}

// files gives the outcomes in the order of part. Where a fatal error cut the
// request short, the last file that was begun takes the blame for it.
func (w wireCompile) files(part []string, failure error) ([]CompiledFile, error) {
	if len(w.Files) > len(part) {
		return nil, fmt.Errorf("compile: %w: %d outcomes for %d files", ErrCorrupt, len(w.Files), len(part))
	}
	var done []CompiledFile
	for i, f := range w.Files {
		done = append(done, CompiledFile{Path: part[i], Outcome: f.outcome, Reason: f.reason, Wait: f.wait})
	}
	if errors.Is(failure, ErrAgentFailed) && w.Next == len(done)+1 && len(done) < len(part) {
		return append(done, CompiledFile{Path: part[len(done)], Reason: failure.Error()}), nil
	}
	return done, failure
}

// wireCompiled is [outcome, reason, microseconds to wait].
type wireCompiled struct {
	outcome Outcome
	reason  string
	wait    time.Duration
}

var outcomes = map[string]Outcome{"failed": Failed, "compiled": Compiled, "cached": AlreadyCached, "too-new": TooNew}

func (w *wireCompiled) UnmarshalJSON(data []byte) error {
	var name string
	var reason text
	var micros int64
	if err := json.Unmarshal(data, &[]any{&name, &reason, &micros}); err != nil {
		return err
	}
	outcome, known := outcomes[name]
	if !known {
		return fmt.Errorf("outcome %q", name)
	}
	*w = wireCompiled{outcome, string(reason), time.Duration(micros) * time.Microsecond}
	return nil
}
