package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"relink/deploy/journal"
	"relink/health/gather"
	"relink/health/serve/page"
)

// keptDeploys is how many of each application are told.
const keptDeploys = 50

// deploys reads the applications' histories again when they have changed.
type deploys struct {
	mu    sync.Mutex
	files []*historyOf
}

type historyOf struct {
	app, path string
	size      int64
	changed   time.Time
	last      []page.Deploy // newest first
	err       error
}

func newDeploys(d gather.Deps) *deploys {
	all := &deploys{}
	for _, a := range d.Apps {
		all.files = append(all.files, &historyOf{app: a.Name, path: journal.HistoryFile(a.State, a.Name)})
	}
	return all
}

// newest gives the last deploys of an application, or with "" of all of them,
// newest first. It is not nil.
func (d *deploys) newest(app string, most int) ([]page.Deploy, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list, failed := []page.Deploy{}, []error{}
	for _, one := range d.files {
		if app != "" && app != one.app {
			continue
		}
		one.refresh()
		list = append(list, one.last...)
		failed = append(failed, one.err)
	}
	slices.SortStableFunc(list, func(a, b page.Deploy) int { return b.Time.Compare(a.Time) })
	return list[:min(len(list), most)], errors.Join(failed...)
}

func (d *deploys) knows(app string) bool {
	return slices.ContainsFunc(d.files, func(h *historyOf) bool { return h.app == app })
}

func (h *historyOf) refresh() {
	info, err := os.Stat(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		h.last, h.err, h.size = nil, nil, 0
		return
	}
	if err == nil && info.Size() == h.size && info.ModTime().Equal(h.changed) {
		return
	}
	var events []journal.Event
	if err == nil {
		events, err = journal.Last(h.path, keptDeploys)
	}
	if err != nil {
		h.err = fmt.Errorf("%s: %w", h.app, err)
		return
	}
	h.size, h.changed, h.err = info.Size(), info.ModTime(), nil
	h.last = make([]page.Deploy, len(events))
	for i, event := range events {
		h.last[i] = page.DeployOf(h.app, event)
	}
}
