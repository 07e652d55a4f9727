package health

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"relink/deploy"
	"relink/deploy/release"
)

// readApps looks at links, releases and the state of deploys.
func (g *gathering) readApps(ctx context.Context) {
	for _, a := range g.Apps {
		g.facts.Apps = append(g.facts.Apps, g.readApp(ctx, a))
	}
	g.facts.FileSystems = g.fileSystems()
}

func (g *gathering) readApp(ctx context.Context, a Application) App {
	app := App{Name: a.Name, Pools: a.Pools, Releases: a.Releases}
	store, err := release.Open(a.Releases)
	if err != nil {
		app.ReleaseErr = err
	} else {
		app.Releases = store.Dir()
	}
	known := map[string]release.Release{}
	for _, instance := range a.Instances {
		app.Instances = append(app.Instances, readInstance(a, instance, store, known))
	}
	app.readDeploys(ctx, a)
	if app.ReleaseErr == nil && app.Locked == nil && !g.Cheap { // a deploy that runs has releases of its own in the making
		app.Prunable, app.ReleaseErr = prunable(ctx, a)
	}
	return app
}

func readInstance(a Application, configured deploy.Instance, store *release.Store, known map[string]release.Release) Instance {
	i := Instance{Name: configured.Name, Link: configured.Link}
	state, err := deploy.ReadLink(configured.Link)
	i.Kind, i.Literal, i.Real, i.Err = state.Kind, state.Literal, state.Real, err
	if err != nil || state.Real == "" {
		return i
	}
	if info, err := os.Lstat(state.Place()); err == nil {
		i.Changed = info.ModTime()
	}
	i.Release = i.Real
	if store != nil {
		i.readRelease(store, known)
	}
	_, i.Docroot = os.Stat(filepath.Join(state.Place(), a.Docroot))
	return i
}

// readRelease reads each release once, however many instances are on it.
func (i *Instance) readRelease(store *release.Store, known map[string]release.Release) {
	below, inside := strings.CutPrefix(i.Real, store.Dir()+string(filepath.Separator))
	if !inside {
		return
	}
	i.Inside = true
	i.Release, _, _ = strings.Cut(below, string(filepath.Separator))
	one, read := known[i.Release]
	if !read {
		var err error
		one, err = store.Get(i.Release)
		one.Problem = cmp.Or(one.Problem, err)
		known[i.Release] = one
	}
	i.Known = one
}

var errNotAsked = errors.New("the caches are asked elsewhere")

// readDeploys reads what is under way and what ended last. The instances are
// left out: one link that cannot be read must not hide the journal.
func (app *App) readDeploys(ctx context.Context, a Application) {
	bare := a.App
	bare.Instances = nil
	status, err := deploy.ReadStatus(ctx, bare, func(context.Context) (deploy.Caches, error) { return nil, errNotAsked })
	app.Pending, app.Locked = status.Pending, status.Locked
	last, historyErr := lastEvent(filepath.Join(a.State, a.Name+".history.jsonl"))
	app.Last, app.DeployErr = last, cmp.Or(err, historyErr)
}

// maxTail is room for the last line of a history: one move is 500 bytes, and an
// application has some thousands of instances at most.
const maxTail = 4 << 20

// lastEvent is nil before the first deploy. A line that a crash cut short is
// passed over.
func lastEvent(path string) (*deploy.Event, error) {
	text, err := tail(path, maxTail)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	lines := bytes.Split(text, []byte("\n"))
	for n := len(lines) - 1; n >= 0; n-- {
		var event deploy.Event
		if json.Unmarshal(lines[n], &event) == nil && event.Operation != "" {
			return &event, nil
		}
	}
	return nil, nil
}

func tail(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-most)
	text := make([]byte, info.Size()-from)
	n, err := file.ReadAt(text, from)
	if n == len(text) {
		err = nil
	}
	return text[:n], err
}

// prunable asks the deploy's own rule, which knows every link that keeps a
// release alive.
func prunable(ctx context.Context, a Application) ([]deploy.PrunedRelease, error) {
	result, err := deploy.Prune(ctx, deploy.Options{App: a.App, DryRun: true}, deploy.Deps{})
	return result.Removed, err
}
