package php

import (
	"context"
	"time"
)

// InvalidateResult tells what Invalidate did with files[:Next].
type InvalidateResult struct {
	Invalidated int      // those that were live
	Failed      []string // those that are still served; PHP 7.4 cannot invalidate a deleted file
	Next        int      // the first file not reached when the budget ran out; len(files) if all were
}

// Invalidate marks scripts, by real path, as no longer to be served. Their memory
// counts as wasted until OPcache restarts. It stops once budget is used up, after
// one file at least; 0 means no budget.
func (a *Agent) Invalidate(ctx context.Context, files []string, budget time.Duration) (InvalidateResult, error) {
	var result InvalidateResult
	err := sliced(files, budget, func(part []string, left time.Duration) (int, error) {
		var out struct {
			Invalidated int   `json:"invalidated"`
			Failed      paths `json:"failed"`
			Next        int   `json:"next"`
		}
		_, err := a.call(ctx, "invalidate", filesInput{part, left.Microseconds()}, &out)
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
	left := budget
	for _, part := range chunk(files, maxBody, len(files)) {
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
