package caches

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/deploy/journal"
	"relink/internal/bounded"
	"relink/opcache"
	"relink/opcache/report"
)

// addChanged tells how much of an application its last deploy changed.
func (s *session) addChanged(sample *report.Sample, apps []report.Application) {
	for i := range apps {
		newer, older := lastTwo(s.deployed(apps[i].Name))
		if older != "" {
			apps[i].Changed = changedBetween(sample, filepath.Join(apps[i].Releases, newer), filepath.Join(apps[i].Releases, older))
		}
	}
}

func lastTwo(deploys []journal.Event) (newer, older string) {
	for _, d := range slices.Backward(deploys) {
		switch {
		case newer == "":
			newer = d.Release
		case d.Release != newer:
			return newer, d.Release
		}
	}
	return newer, ""
}

// changedSample is how many of the scripts are compared: the share is then
// right to some percent, at the cost of some hundred reads.
const changedSample = 300

// changedBetween compares the cached scripts of a release with those of an
// earlier one; nil where one of them is gone or nothing is cached.
func changedBetween(sample *report.Sample, newer, older string) *float64 {
	if !opcache.Exists(newer) || !opcache.Exists(older) {
		return nil
	}
	var files []string
	for _, m := range sample.Masters {
		for _, script := range m.Scripts {
			if rest, below := strings.CutPrefix(script.Path, newer+"/"); below && script.Live {
				files = append(files, rest)
			}
		}
	}
	slices.Sort(files)
	files = slices.Compact(files)
	asked, changed := 0, 0
	for i := 0; i < len(files); i += max(len(files)/changedSample, 1) {
		if asked++; !sameFile(filepath.Join(newer, files[i]), filepath.Join(older, files[i])) {
			changed++
		}
	}
	if asked == 0 {
		return nil
	}
	share := opcache.Ratio(int64(changed), int64(asked))
	return &share
}

// mostScript bounds what is compared: a script of that size is taken for changed.
const mostScript = 16 << 20

// sameFile compares content only where size and time leave it open.
func sameFile(a, b string) bool {
	left, errLeft := os.Stat(a)
	right, errRight := os.Stat(b)
	switch {
	case errLeft != nil || errRight != nil || left.Size() != right.Size():
		return false
	case os.SameFile(left, right) || left.ModTime().Equal(right.ModTime()):
		return true
	}
	one, errOne := bounded.File(a, mostScript)
	two, errTwo := bounded.File(b, mostScript)
	return errOne == nil && errTwo == nil && bytes.Equal(one, two)
}
