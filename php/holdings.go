package php

import (
	"context"
	"fmt"
)

// Holding is what a cache holds of one folder, or of all.
type Holding struct {
	Live, LiveBytes int64
	Dead, DeadBytes int64 // invalidated: they only hold memory
}

// Holdings adds up what the cache holds below each of these real folders, and
// of everything. It is as Scripts, without the list.
func (a *Agent) Holdings(ctx context.Context, folders []string) (each []Holding, all Holding, err error) {
	in := struct {
		Folders paths `json:"folders"`
	}{folders}
	var out struct {
		Sums [][4]int64 `json:"sums"`
	}
	if _, err := a.call(ctx, "holdings", in, &out); err != nil {
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
