package report

import (
	"cmp"
	"slices"
	"strings"
)

// topDepth is how many folders below a release make one row of a top list:
// vendor/symfony/console is one library.
const topDepth = 3

// topItem is one script or folder of one master.
type topItem struct {
	path    string
	release *release
	master  int
	holding
}

func (r *Report) top(by Order, folders bool, n int) *TopReport {
	top := &TopReport{By: by, Of: "scripts", Rows: []TopRow{}}
	pathOf := func(e *entry) string { return e.script.Path }
	if folders {
		top.Of, pathOf = "folders", topFolder
	}
	for _, item := range largest(r.topItems(pathOf), by, n) {
		row := TopRow{Master: r.Masters[item.master].Name, Path: item.path, Holding: item.report()}
		if item.release != nil {
			row.App, row.Release = r.apps[item.release.app].Name, item.release.id
		}
		top.Rows = append(top.Rows, row)
	}
	return top
}

// topItems adds up the scripts of each master that have the same path there.
func (r *Report) topItems(pathOf func(*entry) string) []*topItem {
	type key struct {
		master int
		path   string
	}
	found := map[key]*topItem{}
	var out []*topItem
	for i := range r.entries {
		e := &r.entries[i]
		at := key{e.master, pathOf(e)}
		item := found[at]
		if item == nil {
			item = &topItem{path: at.path, release: e.release, master: e.master}
			found[at] = item
			out = append(out, item)
		}
		item.add(e)
	}
	return out
}

// topFolder is the folder of a script, cut at topDepth below its release or the root.
func topFolder(e *entry) string {
	folder, end := parent(e.script.Path), 0
	if e.release != nil {
		end = len(e.release.folder)
	}
	for range topDepth {
		if end >= len(folder) {
			return folder
		}
		next := strings.IndexByte(folder[end+1:], '/')
		if next < 0 {
			return folder
		}
		end += 1 + next
	}
	return folder[:end]
}

func (o Order) value(h *holding) int64 {
	switch o {
	case ByHits:
		return h.Hits
	case ByNever:
		return h.NeverBytes
	}
	return h.Size()
}

// largest leaves out what has nothing of what is asked for.
func largest(items []*topItem, by Order, n int) []*topItem {
	items = slices.DeleteFunc(items, func(item *topItem) bool { return by.value(&item.holding) == 0 })
	slices.SortFunc(items, func(x, y *topItem) int {
		return cmp.Or(cmp.Compare(by.value(&y.holding), by.value(&x.holding)), strings.Compare(x.path, y.path), x.master-y.master)
	})
	return items[:min(n, len(items))]
}
