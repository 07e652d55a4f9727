package php

import (
	"context"
	"fmt"
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

// Scripts lists the cache's entries below these real folders; none given: all.
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
// of everything. It is as Scripts, without the list.
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
