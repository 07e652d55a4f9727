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
	items := r.topScripts
	if folders {
		top.Of, items = "folders", r.topFolders
	}
	for _, item := range largest(items(), by, n) {
		top.Rows = append(top.Rows, r.topRow(item))
	}
	return top
}

func (r *Report) topRow(item *topItem) TopRow {
	row := TopRow{Master: r.Masters[item.master].Name, Path: item.path, Holding: item.report()}
	if item.release != nil {
		row.App, row.Release = r.apps[item.release.app].Name, item.release.id
	}
	return row
}

func (r *Report) topScripts() []*topItem {
	items := make([]topItem, len(r.entries))
	out := make([]*topItem, len(r.entries))
	for i := range r.entries {
		e := &r.entries[i]
		items[i] = topItem{path: e.script.Path, release: e.release, master: e.master}
		items[i].add(e)
		out[i] = &items[i]
	}
	return out
}

func (r *Report) topFolders() []*topItem {
	type key struct {
		master int
		folder string
	}
	found := map[key]*topItem{}
	var out []*topItem
	for i := range r.entries {
		e := &r.entries[i]
		folder := topFolder(e)
		item := found[key{e.master, folder}]
		if item == nil {
			item = &topItem{path: folder, release: e.release, master: e.master}
			found[key{e.master, folder}] = item
			out = append(out, item)
		}
		item.add(e)
	}
	return out
}

// topFolder is the folder of a script, cut at topDepth below its release or the root.
func topFolder(e *entry) string {
	base, folder := "", parent(e.script.Path)
	if e.release != nil {
		base = e.release.folder
	}
	end := len(base)
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
		return h.hits
	case ByNever:
		return h.neverBytes
	}
	return h.liveBytes + h.deadBytes
}

// largest leaves out what has nothing of what is asked for.
func largest(items []*topItem, by Order, n int) []*topItem {
	items = slices.DeleteFunc(items, func(item *topItem) bool { return by.value(&item.holding) == 0 })
	slices.SortFunc(items, func(x, y *topItem) int {
		return cmp.Or(cmp.Compare(by.value(&y.holding), by.value(&x.holding)), strings.Compare(x.path, y.path), x.master-y.master)
	})
	return items[:min(n, len(items))]
}
