package php

import (
	"context"
	"time"
)

// BelowResult tells what InvalidateBelow did.
type BelowResult struct {
	Invalidated int       // scripts that were live
	Failed      []string  // scripts that are still served
	Last        time.Time // the moment after the last invalidation, by the pool's clock; zero if there was none
}

// InvalidateBelow invalidates, in one request, every live script below these real
// folders, whatever keys lead to it: a script in a phar archive there, too.
func (a *Agent) InvalidateBelow(ctx context.Context, folders []string) (BelowResult, error) {
	in := struct {
		Folders paths `json:"folders"`
	}{folders}
	var out struct {
		Invalidated int   `json:"invalidated"`
		Failed      paths `json:"failed"`
		Last        int64 `json:"last"` // microseconds
	}
	_, err := a.call(ctx, "invalidate-below", in, &out)
	result := BelowResult{Invalidated: out.Invalidated, Failed: out.Failed}
	if out.Last != 0 {
		result.Last = time.UnixMicro(out.Last)
	}
	return result, err
}
