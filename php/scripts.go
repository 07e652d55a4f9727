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
	// Timestamp is the file's mtime when it was cached; zero where
	// opcache.validate_timestamps is 0, since OPcache does not tell it then.
	Timestamp time.Time
}

// Scripts lists the cache's entries below these real folders; none given: all.
func (a *Agent) Scripts(ctx context.Context, under []string) ([]Script, error) {
	in := struct {
		Under paths `json:"under"`
	}{under}
	var out wireScripts
	if _, err := a.call(ctx, "scripts", in, &out); err != nil {
		return nil, err
	}
	return out.scripts()
}

// wireScripts are the columns of a table; Live has a '0' or '1' for each row.
type wireScripts struct {
	Paths    paths   `json:"paths"`
	Live     string  `json:"live"`
	Hits     []int64 `json:"hits"`
	Memory   []int64 `json:"memory"`
	Used     []int64 `json:"used"`
	Modified []int64 `json:"modified"`
}

func (w wireScripts) scripts() ([]Script, error) {
	n := len(w.Paths)
	if len(w.Live) != n || len(w.Hits) != n || len(w.Memory) != n || len(w.Used) != n || len(w.Modified) != n {
		return nil, fmt.Errorf("scripts: %w: columns of different lengths", ErrCorrupt)
	}
	list := make([]Script, n)
	for i, path := range w.Paths {
		list[i] = Script{Path: path, Live: w.Live[i] == '1', Hits: w.Hits[i], Memory: w.Memory[i],
			LastUsed: unixTime(w.Used[i]), Timestamp: unixTime(w.Modified[i])}
	}
	return list, nil
}
