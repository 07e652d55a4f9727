package caches

import (
	"context"
	"relink/opcache"
	"relink/opcache/restart"
)

// makeRoom restarts the caches that cannot hold To beside From, with what was hot
// of From warm in To. The links have moved already: until then the keys of From
// serve, as long as it takes to be quiet. A signal ends only that wait.
func (r *refreshRun) makeRoom(ctx context.Context, cut *opcache.Switch) error {
	places, err := restart.CheckFit(context.WithoutCancel(ctx), cut, nil, r.Restart.Method)
	if err != nil {
		return err
	}
	var orders []restart.Order
	for _, place := range places {
		if place.Fit == restart.FitsAfterRestart || place.Fit == restart.FitsAfterSwitch {
			orders = append(orders, place.Order())
			r.result.Notes = append(r.result.Notes, place.Texts()...)
		}
	}
	if len(orders) == 0 {
		return nil
	}
	o := r.Restart
	if len(r.result.Staying) == 0 {
		o.Unused, o.Moved = []string{r.From}, map[string]string{r.From: r.To}
	}
	r.result.Renewed, err = r.Ledger.Run(ctx, r.caches, orders, o)
	switch {
	case err != nil && len(r.result.Renewed.Masters) > 0:
		return err // it has begun, and failed
	case err != nil: // a slow site is better than an old one
		r.result.Notes = append(r.result.Notes, "the cache was not restarted: "+err.Error())
		return nil
	case len(r.result.Renewed.Masters) == 0: // pending
		return nil
	}
	_, err = restart.CheckFit(context.WithoutCancel(ctx), cut, nil, r.Restart.Method) // for the warm
	return err
}
