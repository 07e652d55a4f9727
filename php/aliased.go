package php

import (
	"context"
	"time"
)

// AliasedResult tells what InvalidateAliased did.
type AliasedResult struct {
	Invalidated []string  // real paths that were live
	Failed      []string  // real paths that are still served
	Last        time.Time // the moment after the last invalidation, by the pool's clock; zero if there was none
	Assumed     bool      // as in AliasResult
}

// InvalidateAliased invalidates, by real path, every script that OPcache serves
// through the links of these queries: first the known ones of all queries, then
// what it finds by asking as Aliases does. That is one request unless the queries
// are larger than one request should carry. With an error, the result holds what
// the requests before it did.
func (a *Agent) InvalidateAliased(ctx context.Context, qs []AliasQuery) (AliasedResult, error) {
	var result AliasedResult
	steps := knownPieces(qs)
	if anyWide(qs) {
		// To list the scripts takes a request of its own: what is known goes first.
		if err := a.dropAliased(ctx, pack(steps), &result); err != nil {
			return result, err
		}
		var err error
		if qs, err = a.withScripts(ctx, qs); err != nil {
			return result, err
		}
		steps = nil
	}
	return result, a.dropAliased(ctx, pack(append(steps, askPieces(qs)...)), &result)
}

func (a *Agent) dropAliased(ctx context.Context, batches [][]piece, result *AliasedResult) error {
	for _, batch := range batches {
		var out struct {
			Invalidated paths `json:"invalidated"`
			Failed      paths `json:"failed"`
			Last        int64 `json:"last"` // microseconds
			Assumed     bool  `json:"assumed"`
		}
		if _, err := a.call(ctx, "invalidate-aliased", aliasInput{batch}, &out); err != nil {
			return err
		}
		result.Invalidated = append(result.Invalidated, out.Invalidated...)
		result.Failed = append(result.Failed, out.Failed...)
		result.Assumed = result.Assumed || out.Assumed
		if out.Last != 0 {
			result.Last = time.UnixMicro(out.Last)
		}
	}
	return nil
}
