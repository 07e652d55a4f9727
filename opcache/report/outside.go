package report

import (
	"cmp"
	"slices"
	"strings"
)

// outsideGroups is how many folders the scripts of no release are summed by, at
// most: few enough to read, enough to tell applications apart.
const outsideGroups = 12

// group is a run of entries, sorted by path, that lie below one folder.
type group struct {
	folder  string
	entries []*entry
}

// outsideFolders sums the scripts of no release by folder. The folders are
// found by taking apart the largest one again and again, as long as there are
// not too many: so /usr/share/php stays whole next to five sites below /var/www.
func (b *builder) outsideFolders() []FolderReport {
	var all []*entry
	for i := range b.report.entries {
		if b.report.entries[i].release == nil {
			all = append(all, &b.report.entries[i])
		}
	}
	slices.SortFunc(all, func(x, y *entry) int { return strings.Compare(x.script.Path, y.script.Path) })
	out := []FolderReport{}
	for _, g := range splitFolders(all, outsideGroups) {
		var sum holding
		for _, e := range g.entries {
			sum.add(e)
		}
		out = append(out, FolderReport{Folder: g.folder, Holding: sum.report()})
	}
	slices.SortStableFunc(out, func(x, y FolderReport) int {
		return cmp.Compare(y.Size(), x.Size())
	})
	return out
}

func splitFolders(all []*entry, most int) []group {
	if len(all) == 0 {
		return nil
	}
	groups := []group{{commonFolder(all), all}}
	for final := 0; final < len(groups); {
		slices.SortStableFunc(groups[final:], func(x, y group) int { return cmp.Compare(y.bytes(), x.bytes()) })
		parts := groups[final].split()
		if len(parts) < 2 || len(groups)-1+len(parts) > most {
			final++
			continue
		}
		groups = append(slices.Delete(groups, final, final+1), parts...)
	}
	return groups
}

// split takes a folder apart. One that holds scripts itself stays whole: its
// files belong together with what lies below.
func (g group) split() []group {
	var parts []group
	cut := len(strings.TrimSuffix(g.folder, "/")) + 1
	for start := 0; start < len(g.entries); {
		path := g.entries[start].script.Path
		name, _, below := strings.Cut(path[min(cut, len(path)):], "/")
		if !below {
			return nil
		}
		end := start + 1
		for end < len(g.entries) && strings.HasPrefix(g.entries[end].script.Path, path[:cut+len(name)+1]) {
			end++
		}
		parts = append(parts, group{commonFolder(g.entries[start:end]), g.entries[start:end]})
		start = end
	}
	return parts
}

// commonFolder is the deepest folder that holds all of the sorted entries.
func commonFolder(sorted []*entry) string {
	folder := parent(sorted[0].script.Path)
	last := sorted[len(sorted)-1].script.Path
	for folder != "/" && !strings.HasPrefix(last, folder+"/") {
		folder = parent(folder)
	}
	return folder
}

func (g group) bytes() int64 {
	var sum int64
	for _, e := range g.entries {
		sum += e.script.Memory
	}
	return sum
}
