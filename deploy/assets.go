package deploy

import (
	"context"
	"errors"

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
		carried, err := r.store.CarryAssets(ctx, r.App.Assets, moves.Meeting(plan))
		if ctx.Err() != nil {
			return "", errors.Join(err, ctx.Err())
		}
		if err != nil {
			r.report.Warn("not all assets were carried over, so that pages of one release may miss theirs in another: " + err.Error())
		}
		return ui.PluralOrNone(carried, "file") + " carried over", nil
	}
}
