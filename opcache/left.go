package opcache

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"relink/internal/durable"
)

// left is a release folder that all known links have left. OPcache keeps the
// keys of links that led to it, and each leads there again once somebody
// compiles its script (see Switch.Invalidate): a folder that serves again under
// the same path has to be looked after.
type left struct {
	Folder string    `json:"folder"`
	Time   time.Time `json:"time"`
	Links  []Site    `json:"links"` // that were on it
}

const (
	leftFile = "left.json"
	leftMost = 200 // folders that are remembered
)

// readLeft gives what is remembered. What cannot be read is forgotten: dead
// scripts in the cache tell of the same.
func readLeft(state string) []left {
	text, err := os.ReadFile(filepath.Join(state, leftFile))
	if err != nil {
		return nil
	}
	var all []left
	if json.Unmarshal(text, &all) != nil {
		return nil
	}
	return all
}

// rememberLeft notes that links have left a folder, and that another is in use
// again; what was left before every cache was emptied is forgotten.
func rememberLeft(state string, now left, used string, usages []Usage) error {
	all := slices.DeleteFunc(readLeft(state), func(one left) bool {
		return one.Folder == now.Folder || one.Folder == used || emptiedSince(usages, one.Time)
	})
	if now.Folder != "" {
		all = append(all, now)
	}
	text, err := json.MarshalIndent(all[max(0, len(all)-leftMost):], "", "  ")
	if err == nil {
		err = os.MkdirAll(state, 0o755)
	}
	if err == nil {
		err = durable.WriteFile(filepath.Join(state, leftFile), append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("remember that %s was left: %w", now.Folder, err)
	}
	return nil
}

func emptiedSince(usages []Usage, then time.Time) bool {
	return len(usages) > 0 && !slices.ContainsFunc(usages, func(u Usage) bool { return !u.Started.After(then) })
}

// returned tells whether a folder was in use before in the life of these caches
// and was left: it is remembered, or dead scripts of it are still listed.
func (c *Caches) returned(ctx context.Context, state, folder string) (past left, yes bool, err error) {
	usages, err := c.Usage(ctx)
	if err != nil {
		return past, false, err
	}
	for _, one := range readLeft(state) {
		if one.Folder == folder && !emptiedSince(usages, one.Time) {
			return one, true, nil
		}
	}
	held, err := c.Footprints(ctx, []string{folder})
	return left{Folder: folder}, held[folder].DeadScripts > 0, err
}
