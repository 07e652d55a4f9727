package php

import (
	"context"
	"time"
)

// InvalidateResult tells what Invalidate did with files[:Next].
type InvalidateResult struct {
	Invalidated int   `json:"invalidated"` // those that were live
	Failed      paths `json:"failed"`      // those that are still served; PHP 7.4 cannot invalidate a deleted file
	Next        int   `json:"next"`        // the first file not reached when the budget ran out; len(files) if all were
}

// Invalidate marks scripts, by real path, as no longer to be served. Their memory
// counts as wasted until OPcache restarts. It stops once budget is used up, after
// one file at least; 0 means no budget.
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
// folders, whatever keys lead to it: a script in a phar archive there, too.
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
