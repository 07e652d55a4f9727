package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"relink/deploy"
	"relink/health"
	"relink/health/serve/page"
)

const (
	// keptDeploys is how many of each application are told.
	keptDeploys = 50
	// maxTail of a history is room for that many deploys of 100 instances, or the
	// last few of thousands: one move is 500 bytes.
	maxTail = 4 << 20
)

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

func newDeploys(d health.Deps) *deploys {
	all := &deploys{}
	for _, a := range d.Apps {
		all.files = append(all.files, &historyOf{app: a.Name, path: filepath.Join(a.State, a.Name+".history.jsonl")})
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
	var text []byte
	if err == nil {
		text, err = tail(h.path)
	}
	if err != nil {
		h.err = fmt.Errorf("history of %s: %w", h.app, err)
		return
	}
	h.size, h.changed, h.err = info.Size(), info.ModTime(), nil
	h.last = lastDeploys(h.app, text)
}

// lastDeploys passes over lines that a crash, or the beginning of the tail, cut
// short.
func lastDeploys(app string, text []byte) []page.Deploy {
	var list []page.Deploy
	lines := bytes.Split(text, []byte("\n"))
	for n := len(lines) - 1; n >= 0 && len(list) < keptDeploys; n-- {
		var event deploy.Event
		if json.Unmarshal(lines[n], &event) != nil || event.Operation == "" {
			continue
		}
		one := page.DeployOf(app, event)
		one.Steps = append([]deploy.StepReport{}, one.Steps...)
		list = append(list, one)
	}
	return list
}

func tail(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-maxTail)
	text := make([]byte, info.Size()-from)
	n, err := file.ReadAt(text, from)
	if n == len(text) {
		err = nil
	}
	return text[:n], err
}
