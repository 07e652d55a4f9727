package outcome

import (
	"fmt"

	"relink/deploy/release"
	"relink/internal/ui"
	"relink/opcache/filecache"
)

// Pruned is what "relink prune" removed, or would remove.
type Pruned struct {
	App     string          `json:"app"`
	DryRun  bool            `json:"dry_run"` // nothing was removed
	Removed []PrunedRelease `json:"removed"`
	// FileCache is what was removed of opcache.file_cache; nil: nothing.
	FileCache *filecache.Cleaned `json:"file_cache,omitempty"`
	Exit      int                `json:"exit"`
}

// PrunedRelease is a release that is gone, or would be.
type PrunedRelease struct {
	Release string `json:"release"` // its id
	Bytes   int64  `json:"bytes"`   // sum of its files' sizes
}

// Text is the result for people.
func (p Pruned) Text(int) string {
	if len(p.Removed) == 0 {
		return "There is nothing to remove.\n"
	}
	verb, lines := "removed", ""
	if p.DryRun {
		verb = "would remove"
	}
	for _, one := range p.Removed {
		lines += fmt.Sprintf("%s %s, %s\n", verb, one.Release, ui.Bytes(one.Bytes))
	}
	if p.FileCache != nil {
		lines += "file cache: " + fileCacheText(p.FileCache) + "\n"
	}
	return lines
}

func PrunedOf(releases []release.Release) []PrunedRelease {
	all := make([]PrunedRelease, len(releases))
	for i, one := range releases {
		all[i] = PrunedRelease{one.ID, one.Bytes}
	}
	return all
}
