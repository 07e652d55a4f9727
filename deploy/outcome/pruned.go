package outcome

import (
	"fmt"
	"io"
	"relink/deploy/release"
	"relink/internal/ui"
)

// Pruned is what "relink prune" removed, or would remove.
type Pruned struct {
	App     string          `json:"app"`
	DryRun  bool            `json:"dry_run"`
	Removed []PrunedRelease `json:"removed"`
	Exit    int             `json:"exit"`
}

// PrunedRelease is a release that is gone, or would be.
type PrunedRelease struct {
	Release string `json:"release"`
	Bytes   int64  `json:"bytes"` // sum of its files' sizes
}

// Text writes the result for people.
func (p Pruned) Text(w io.Writer, _ int) error {
	verb := "removed"
	if p.DryRun {
		verb = "would remove"
	}
	if len(p.Removed) == 0 {
		_, err := fmt.Fprintln(w, "There is nothing to remove.")
		return err
	}
	for _, one := range p.Removed {
		if _, err := fmt.Fprintf(w, "%s %s, %s\n", verb, one.Release, ui.Bytes(one.Bytes)); err != nil {
			return err
		}
	}
	return nil
}

func PrunedOf(releases []release.Release) []PrunedRelease {
	all := make([]PrunedRelease, len(releases))
	for i, one := range releases {
		all[i] = PrunedRelease{one.ID, one.Bytes}
	}
	return all
}
