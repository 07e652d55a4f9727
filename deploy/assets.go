package deploy

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"relink/deploy/moves"
	"relink/internal/ui"
)

// carryAssets lets pages of the release that is left find their assets in the one
// that comes, and the other way round: a browser asks for a style sheet after the
// page that names it, and the switch may come between the two, forwards and
// backwards. It fails nothing: without it the deploy is what it always was.
func (r *run) carryAssets(plan moves.Plan) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if len(r.App.Assets) == 0 {
			return "", nil
		}
		carried, err := r.store.CarryAssets(ctx, r.App.Assets, meeting(plan))
		if ctx.Err() != nil {
			return "", errors.Join(err, ctx.Err())
		}
		if err != nil {
			r.report.Warn("not all assets were carried over, so that pages of one release may miss theirs in another: " + err.Error())
		}
		return ui.PluralOrNone(carried, "file") + " carried over", nil
	}
}

// meeting are the releases whose pages and assets are asked for around the switch:
// those that links lead to now, and those that they will lead to.
func meeting(plan moves.Plan) []string {
	var ids []string
	for _, move := range plan.Needed() {
		for _, id := range []string{move.From.Release, move.To.Release} {
			if id != "" && !filepath.IsAbs(id) {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
