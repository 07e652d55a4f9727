package outcome

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"relink/internal/ui"
	"relink/opcache"
)

const failuresShown = 5 // of the scripts that could not be warmed

// Text is the report for people: a short table. A failure is not part of
// it, for it goes to stderr with its hints.
func (r Report) Text(width int) string {
	if r.DryRun {
		return r.dryText()
	}
	table := ui.NewTable(width, string(r.Operation), r.Release)
	for _, row := range r.rows() {
		if row[1] != "" {
			table.Row(row[0], row[1])
		}
	}
	return table.String()
}

func (r Report) dryText() string {
	lines := []string{"Nothing was changed. This would happen:"}
	for i, line := range r.Would {
		lines = append(lines, fmt.Sprintf("%3d. %s", i+1, line))
	}
	for _, warning := range r.Warnings {
		lines = append(lines, "warning: "+warning)
	}
	return strings.Join(lines, "\n") + "\n"
}

func (r Report) rows() [][2]string {
	return [][2]string{
		{"before", r.Previous},
		{"set-up", string(r.SetUp)},
		{"instances", r.instancesText()},
		{"staying", when(len(r.Staying) > 0, "%d on the old release: %s", len(r.Staying), ui.FirstFew(r.Staying))},
		{"cut-over", when(r.CutoverMS != 0, "%s", ui.Duration(ui.FromMilliseconds(r.CutoverMS)))},
		{"workers", r.workersText()},
		{"front door", r.frontText()},
		{"warmed", r.warmText()},
		{"invalidated", when(r.Sweep.Pools != 0, "%d at the cut-over, %d that had come back, %d retired", r.Invalidated, r.Regained, r.Retired)},
		{"apcu", apcuText(r.APCu)},
		{"memory", r.memoryText()},
		{"saved", when(r.SavedBytes != 0, "%s by sharing: (%d instances - 1) x %s in OPcache", ui.Bytes(r.SavedBytes), r.SharedBy, ui.Bytes(r.LiveBytes))},
		{"restart", when(len(r.Restart.Reasons) > 0, "%s: %s", r.Restart.Action, strings.Join(r.Restart.Reasons, "; "))},
		{"steps", r.stepsText()},
		{"pruned", strings.Join(r.Pruned, ", ")},
		{"file cache", fileCacheText(r.FileCache)},
		{"recovered", strings.Join(r.Recovered, "\n")},
		{"warnings", strings.Join(r.Warnings, "\n")},
	}
}

// when is the text of a row that is shown only then.
func when(shown bool, format string, args ...any) string {
	if !shown {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func (r Report) instancesText() string {
	moved, stay := 0, 0
	for _, instance := range r.Instances {
		switch {
		case instance.Stays:
			stay++
		case instance.From != instance.To:
			moved++
		}
	}
	if len(r.Instances) == 0 {
		return ""
	}
	text := fmt.Sprintf("%d moved", moved)
	if there := len(r.Instances) - moved - stay; there > 0 {
		text += fmt.Sprintf(", %d were there already", there)
	}
	if stay > 0 {
		text += fmt.Sprintf(", %d stay on their release, under a new path", stay)
	}
	return text
}

func (r Report) frontText() string {
	if len(r.FrontDoor) == 0 {
		return ""
	}
	served, asked := map[string]int{}, 0
	for _, one := range r.FrontDoor {
		if one.Error == "" {
			served[one.SAPI]++
			asked++
		}
	}
	text := fmt.Sprintf("%d of %s", asked, ui.Plural(len(r.FrontDoor), "instance"))
	for _, sapi := range slices.Sorted(maps.Keys(served)) {
		text += fmt.Sprintf(", %d by %s", served[sapi], sapi)
	}
	return text
}

func (r Report) workersText() string {
	s := r.Sweep
	if s.Pools == 0 {
		return ""
	}
	text := fmt.Sprintf("%s of %s swept", ui.Plural(s.Workers, "worker"), ui.Plural(s.Pools, "pool"))
	if len(s.Stale) > 0 {
		text += ", stale: " + opcache.DescribeWorkers(s.Stale)
	}
	if len(s.Unproven) > 0 {
		text += ", not proven: " + strings.Join(s.Unproven, ", ")
	}
	return text
}

func (r Report) warmText() string {
	switch {
	case r.Warm.Skipped != "":
		return "nothing: " + r.Warm.Skipped
	case r.Warm.Scripts == 0 && len(r.Warm.Failed) == 0:
		return ""
	}
	lines := []string{fmt.Sprintf("%s, %d failed", ui.Plural(r.Warm.Scripts, "script"), len(r.Warm.Failed))}
	if r.Warm.Absent > 0 {
		lines[0] += fmt.Sprintf(", %d not part of the new release", r.Warm.Absent)
	}
	for i, failed := range r.Warm.Failed {
		if i == failuresShown {
			lines = append(lines, fmt.Sprintf("and %d more", len(r.Warm.Failed)-failuresShown))
			break
		}
		lines = append(lines, failed.Path+": "+failed.Reason)
	}
	return strings.Join(lines, "\n")
}

func (r Report) memoryText() string {
	before, after := r.Memory.Before, r.Memory.After
	if before == nil || after == nil {
		return ""
	}
	return fmt.Sprintf("%s used before, %s after; %s free, %s wasted",
		ui.Bytes(before.Used), ui.Bytes(after.Used), ui.Bytes(after.Free), ui.Bytes(after.Wasted))
}

// stepsText leaves out the steps that had nothing to do.
func (r Report) stepsText() string {
	var parts []string
	for _, step := range r.Steps {
		if took := ui.FromMilliseconds(step.MS); took >= leastShown {
			parts = append(parts, step.Name+" "+ui.Duration(took))
		}
	}
	return strings.Join(parts, ", ")
}

// leastShown is the shortest time that ui.Duration does not round to nothing.
const leastShown = 50 * time.Microsecond
