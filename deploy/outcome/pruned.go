package outcome

import (
	"fmt"

	"relink/deploy/release"
	"relink/internal/exit"
	"relink/internal/ui"
	"relink/opcache/filecache"
)

// Pruned is what "relink prune" removed, or would remove.
type Pruned struct {
	App     string          `json:"app"`
	DryRun  bool            `json:"dry_run"` // nothing was removed
	Removed []PrunedRelease `json:"removed"`
	// FileCache is what was removed of opcache.file_cache, or left; nil: nothing.
	FileCache *filecache.Cleaned `json:"file_cache,omitempty"`
	Warnings  []string           `json:"warnings"` // what went otherwise than asked for, without failing
	Exit      int                `json:"exit"`
}

// PrunedRelease is a release that is gone, or would be.
type PrunedRelease struct {
	Release string `json:"release"` // its id
	Bytes   int64  `json:"bytes"`   // sum of its files' sizes
}

// Text is the result for people.
func (p Pruned) Text(int) string {
	verb, lines := "removed", ""
	if len(p.Removed) == 0 {
		lines = "There is nothing to remove.\n"
	}
	if p.DryRun {
		verb = "would remove"
	}
	for _, one := range p.Removed {
		lines += fmt.Sprintf("%s %s, %s\n", verb, one.Release, ui.Bytes(one.Bytes))
	}
	if p.FileCache != nil {
		lines += "file cache: " + fileCacheText(p.FileCache) + "\n"
	}
	for _, one := range p.Warnings {
		lines += "warning: " + one + "\n"
	}
	return lines
}

// PrunedBy is what an operation of that report has removed.
func PrunedBy(r Report, releases []release.Release, err error) Pruned {
	p := Pruned{App: r.App, DryRun: r.DryRun, Removed: make([]PrunedRelease, len(releases)), FileCache: r.FileCache, Warnings: r.Warnings, Exit: exit.Status(err)}
	for i, one := range releases {
		p.Removed[i] = PrunedRelease{one.ID, one.Bytes}
	}
	return p
}
