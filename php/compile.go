package php

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Outcome tells what became of a file that was to be compiled, in the agent's words.
type Outcome string

// The outcomes. All but Failed are proven by opcache_is_script_cached.
const (
	Failed        Outcome = "failed"
	Compiled      Outcome = "compiled" // it is cached now
	AlreadyCached Outcome = "cached"   // it was cached before
	TooNew        Outcome = "too-new"  // opcache.file_update_protection would not let OPcache keep it
)

// CompiledFile tells what became of one file.
type CompiledFile struct {
	Path    string
	Outcome Outcome
	Reason  string        // why it failed
	Wait    time.Duration // for TooNew: how long until a new request can compile it
}

// Compile puts scripts into the cache without running them, and tells what became of
// those that it reached. It stops once budget is used up, after one file at least; 0
// means no budget. A fatal error that ends PHP's request counts for the file it came
// from.
//
// A file that kills the worker itself gives an error; the result then holds only
// what earlier requests did.
//
// One request also declares the functions and classes of what it compiles, so
// that a file may fail with "Cannot redeclare" that compiles in a call of its own.
func (a *Agent) Compile(ctx context.Context, files []string, budget time.Duration) (all []CompiledFile, err error) {
	err = sliced(files, budget, func(part []string, left time.Duration) (int, error) {
		var out wireCompile
		_, err := a.call(ctx, opCompile, filesInput{part, left.Microseconds()}, &out)
		done, err := out.files(part, err)
		all = append(all, done...)
		return len(done), err
	})
	return all, err
}

type wireCompile struct {
	Files []CompiledFile `json:"files"`
	Next  int            `json:"next"`
}

// files gives the outcomes in the order of part. Where a fatal error cut the
// request short, the last file that was begun takes the blame for it.
func (w wireCompile) files(part []string, failure error) ([]CompiledFile, error) {
	done := len(w.Files)
	if done > len(part) {
		return nil, fmt.Errorf("compile: %w: %d outcomes for %d files", ErrCorrupt, done, len(part))
	}
	for i := range w.Files {
		w.Files[i].Path = part[i]
	}
	if errors.Is(failure, ErrAgentFailed) && w.Next == done+1 && done < len(part) {
		return append(w.Files, CompiledFile{Path: part[done], Outcome: Failed, Reason: failure.Error()}), nil
	}
	return w.Files, failure
}

// UnmarshalJSON reads [outcome, reason, microseconds to wait].
func (f *CompiledFile) UnmarshalJSON(data []byte) error {
	var reason text
	var micros int64
	if err := json.Unmarshal(data, &[]any{&f.Outcome, &reason, &micros}); err != nil {
		return err
	}
	if !slices.Contains([]Outcome{Failed, Compiled, AlreadyCached, TooNew}, f.Outcome) {
		return fmt.Errorf("outcome %q", f.Outcome)
	}
	f.Reason, f.Wait = string(reason), time.Duration(micros)*time.Microsecond
	return nil
}
