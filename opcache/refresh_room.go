package opcache

import (
	"context"
)

// makeRoom restarts the caches that cannot hold To beside From, with what was hot
// of From warm in To. The links have moved already: until then the keys of From
// serve, as long as it takes to be quiet.
func (r *refreshing) makeRoom(ctx context.Context, cut *Switch) error {
	places, err := cut.Room(ctx, nil, r.Restart.Method)
	if err != nil {
		return err
	}
	var orders []Order
	for _, place := range places {
		if place.Room == RoomAfter || place.Room == RoomInstead {
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
	r.result.Renewed, err = r.Ledger.Carry(ctx, r.caches, orders, o)
	if err == nil {
		_, err = cut.Room(ctx, nil, r.Restart.Method)
	}
	return err
}
