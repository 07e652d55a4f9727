package php

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Script is one entry of the cache.
type Script struct {
	Path string // real path
	// Live scripts are served; the others were invalidated and only hold memory.
	Live     bool
	Hits     int64
	Memory   int64 // bytes
	LastUsed time.Time
}

// Scripts lists the cache's entries below these real folders; none given: all. An answer of
// more than 64 MiB is fcgi.ErrTooLarge.
func (a *Agent) Scripts(ctx context.Context, under []string) ([]Script, error) {
	var out wireScripts
	if _, err := a.call(ctx, opScripts, map[string]paths{"under": under}, &out); err != nil {
		return nil, err
	}
	return out.scripts()
}

// wireScripts are the columns of a table; Live has a '0' or '1' for each row.
type wireScripts struct {
	Paths  paths   `json:"paths"`
	Live   string  `json:"live"`
	Hits   []int64 `json:"hits"`
	Memory []int64 `json:"memory"`
	Used   []int64 `json:"used"`
}

func (w wireScripts) scripts() ([]Script, error) {
	n := len(w.Paths)
	if len(w.Live) != n || len(w.Hits) != n || len(w.Memory) != n || len(w.Used) != n {
		return nil, fmt.Errorf("scripts: %w: columns of different lengths", ErrCorrupt)
	}
	list := make([]Script, n)
	for i, path := range w.Paths {
		list[i] = Script{Path: path, Live: w.Live[i] == '1', Hits: w.Hits[i], Memory: w.Memory[i], LastUsed: unixTime(w.Used[i])}
	}
	return list, nil
}

// Holding is what a cache holds of one folder, or of all.
type Holding struct {
	Live, LiveBytes int64
	Dead, DeadBytes int64 // invalidated: they only hold memory
}

// Holdings adds up what the cache holds below each of these real folders, and
// of everything. It is as Scripts, without the list. An answer of more than 64 MiB is
// fcgi.ErrTooLarge.
func (a *Agent) Holdings(ctx context.Context, folders []string) (each []Holding, all Holding, err error) {
	var out struct {
		Sums [][4]int64 `json:"sums"`
	}
	if _, err := a.call(ctx, opHoldings, map[string]paths{"folders": folders}, &out); err != nil {
		return nil, Holding{}, err
	}
	if len(out.Sums) != len(folders)+1 {
		return nil, Holding{}, fmt.Errorf("holdings: %w: %d sums of %d folders", ErrCorrupt, len(out.Sums), len(folders))
	}
	for _, sum := range out.Sums {
		each = append(each, Holding{Live: sum[0], LiveBytes: sum[1], Dead: sum[2], DeadBytes: sum[3]})
	}
	return each[:len(folders)], each[len(folders)], nil
}

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
// that a file may fail with "Cannot redeclare" that compiles in a call of its own. An
// answer of more than 4 MiB to one request is fcgi.ErrTooLarge.
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

// InvalidateResult tells what Invalidate did with files[:Next].
type InvalidateResult struct {
	Invalidated int   `json:"invalidated"` // those that were live
	Failed      paths `json:"failed"`      // those that are still served; PHP 7.4 cannot invalidate a deleted file
	Next        int   `json:"next"`        // the first file not reached when the budget ran out; len(files) if all were
}

// Invalidate marks scripts, by real path, as no longer to be served. Their memory
// counts as wasted until OPcache restarts. It stops once budget is used up, after
// one file at least; 0 means no budget. An answer of more than 4 MiB to one request is
// fcgi.ErrTooLarge.
func (a *Agent) Invalidate(ctx context.Context, files []string, budget time.Duration) (InvalidateResult, error) {
	var result InvalidateResult
	err := sliced(files, budget, func(part []string, left time.Duration) (int, error) {
		var out InvalidateResult
		_, err := a.call(ctx, opInvalidate, filesInput{part, left.Microseconds()}, &out)
		result.Invalidated += out.Invalidated
		result.Failed = append(result.Failed, out.Failed...)
		result.Next += out.Next
		return out.Next, err
	})
	return result, err
}

type filesInput struct {
	Files  paths `json:"files"`
	Budget int64 `json:"budget"` // microseconds; 0: none
}

// sliced calls do for parts of files that fit into one request, until the budget
// is used up or do reaches less than its part.
func sliced(files []string, budget time.Duration, do func(part []string, left time.Duration) (reached int, err error)) error {
	start := time.Now()
	for left := budget; len(files) > 0; {
		part := files[:fitting(files)]
		files = files[len(part):]
		reached, err := do(part, left)
		if err != nil || reached < len(part) {
			return err
		}
		if budget > 0 {
			if left = budget - time.Since(start); left < time.Microsecond {
				return nil
			}
		}
	}
	return nil
}

// BelowResult tells what InvalidateBelow did.
type BelowResult struct {
	Invalidated int       `json:"invalidated"` // scripts that were live
	Failed      paths     `json:"failed"`      // scripts that are still served
	Last        time.Time `json:"-"`           // the moment after the last invalidation, by the pool's clock; zero if there was none
}

// InvalidateBelow invalidates, in one request, every live script below these real
// folders, whatever keys lead to it: a script in a phar archive there, too. An answer of
// more than 4 MiB is fcgi.ErrTooLarge.
func (a *Agent) InvalidateBelow(ctx context.Context, folders []string) (BelowResult, error) {
	var out struct {
		BelowResult
		Last int64 `json:"last"` // microseconds
	}
	_, err := a.call(ctx, opInvalidateBelow, map[string]paths{"folders": folders}, &out)
	if out.Last != 0 {
		out.BelowResult.Last = time.UnixMicro(out.Last)
	}
	return out.BelowResult, err
}

// maxBody bounds the paths of one request, in bytes, so that no post_max_size in
// practice swallows it.
const maxBody = 224 << 10

// fitting is how many of the files one request takes: one at least.
func fitting(files []string) int {
	bytes := 0
	for i, file := range files {
		if bytes += len(file) + 3; bytes > maxBody && i > 0 {
			return i
		}
	}
	return len(files)
}
