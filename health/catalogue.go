package health

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"relink/internal/hint"
)

// Check is one thing that can be wrong.
type Check struct {
	Name   string
	Family string
	Means  string // what it looks at, why that matters, and when it is not OK
	Bounds string // the key below health that has its bounds; "": it has none

	run func(*Facts, *Thresholds) []Result
}

// catalogue has the families, their checks, each with its bounds in brackets, and what they
// mean, a step further in each.
//
//go:embed checks.txt
var catalogue string

// runs makes the checks. What those of the family settings find, in the configuration of PHP,
// PHP-FPM and Apache, is a WARNING: it works today.
var runs = map[string]func(*Facts, *Thresholds) []Result{
	"pool":                    checkPools,
	"listen-queue":            each(fpmPools, checkQueue),
	"max-children":            each(fpmPools, checkMaxChildren),
	"slow-requests":           each(fpmPools, checkSlow),
	"opcache-on":              each(pools, checkOPcache),
	"memory":                  each(masters, checkMemory),
	"waste":                   each(masters, checkWaste),
	"keys":                    each(masters, checkKeys),
	"strings":                 each(masters, checkStrings),
	"jit":                     each(masters, checkJIT),
	"hit-rate":                each(masters, checkHitRate),
	"restarts":                each(masters, checkRestarts),
	"cache-full":              each(masters, checkFull),
	"pending-restart":         each(masters, checkPending),
	"links":                   each(apps, checkLinks),
	"mixed-releases":          each(apps, checkMixed),
	"front-door":              each(apps, quiet(checkFront)),
	"old-release":             each(apps, quiet(checkOld)),
	"stale-workers":           each(apps, checkWorkers),
	"releases":                each(apps, quiet(checkReleases)),
	"disk":                    each(fileSystems, checkDisk),
	"inodes":                  each(fileSystems, checkInodes),
	"deploy":                  each(apps, checkDeploy),
	"fleet":                   checkFleet,
	"process-control-timeout": each(fpmMasters, checkControlTimeout),
	"validate-timestamps":     each(masters, checkTimestamps),
	"revalidate-path":         each(masters, checkRevalidatePath),
	"realpath-cache":          each(masters, checkRealpathCache),
	"max-accelerated-files":   each(masters, checkAcceleratedFiles),
	"file-update-protection":  each(masters, checkUpdateProtection),
	"status-page":             each(fpmPools, checkStatusPage),
	"preload":                 each(masters, checkPreload),
	"file-cache":              each(masters, checkFileCache),
	"xdebug":                  each(masters, checkXdebug),
}

// All lists the checks, in the order in which they are made.
func All() (all []Check) {
	family := ""
	for line := range strings.Lines(catalogue) {
		text := strings.TrimSpace(line)
		switch last := len(all) - 1; {
		case !strings.HasPrefix(line, "  "):
			family = text
		case !strings.HasPrefix(line, "    "):
			name, bounds, _ := strings.Cut(text, " ")
			all = append(all, Check{Name: name, Family: family, Bounds: strings.Trim(bounds, "()"), run: runs[name]})
		default:
			all[last].Means = strings.TrimSpace(all[last].Means + " " + text)
		}
	}
	return all
}

// Names are what checks can be chosen and skipped by: those of the checks and of
// their families.
func Names() []string {
	var names, families []string
	for _, c := range All() {
		names, families = append(names, c.Name), append(families, c.Family)
	}
	return append(names, slices.Compact(families)...)
}

// ErrUnknownCheck: a name is that of neither a check nor a family.
var ErrUnknownCheck = errors.New("no such check")

// Select gives the checks of these names or families, none meaning all, without
// those to be skipped.
func Select(names, skip []string) ([]Check, error) {
	all, known := All(), Names()
	for _, name := range slices.Concat(names, skip) {
		if !slices.Contains(known, name) {
			return nil, hint.DidYouMean(fmt.Errorf("%w: %q", ErrUnknownCheck, name), name, known, 1, "one of: "+strings.Join(known[:len(all)], ", "))
		}
	}
	return slices.DeleteFunc(all, func(c Check) bool { return len(names) > 0 && !c.isOf(names) || c.isOf(skip) }), nil
}

func (c Check) isOf(names []string) bool {
	return slices.Contains(names, c.Name) || slices.Contains(names, c.Family)
}
