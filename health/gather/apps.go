package gather

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"

	"relink/deploy"
	"relink/deploy/apps"
	"relink/deploy/journal"
	"relink/deploy/release"
	"relink/deploy/status"
	"relink/health"
	"relink/internal/config"
	"relink/internal/links"
)

// readApp looks at links, releases and the state of deploys.
func (g *gatherer) readApp(ctx context.Context, a apps.App) health.App {
	app := health.App{Name: a.Name, Pools: a.Pools, Releases: a.Releases}
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
	app.InUse = a.InUse() // of a link that cannot be read its instance tells
	readDeploys(ctx, a, &app)
	if app.ReleaseErr == nil && app.Locked == nil && !g.Cheap { // a deploy that runs has releases of its own in the making
		// The deploy's own rule knows every link that keeps a release alive.
		result, err := deploy.Prune(ctx, deploy.Options{App: a, DryRun: true}, deploy.Deps{})
		app.Prunable, app.ReleaseErr = result.Removed, err
	}
	return app
}

func readInstance(a apps.App, configured config.Instance, store *release.Store, known map[string]release.Release) health.Instance {
	i := health.Instance{Name: configured.Name, Link: configured.Link}
	state := links.Read(configured.Link)
	i.Kind, i.Literal, i.Real, i.Err = state.Kind, state.Literal, state.Real, state.Err
	if state.Kind == links.Blocked || state.Kind == links.NoParent || state.Kind == links.Unreadable {
		i.Fixed = state.Usable()
	}
	if state.Real == "" {
		return i
	}
	if info, err := os.Lstat(state.Place()); err == nil {
		i.Changed = info.ModTime()
	}
	i.Release = i.Real
	if store != nil {
		readRelease(&i, store, known)
	}
	_, i.Docroot = os.Stat(filepath.Join(state.Place(), a.Docroot))
	return i
}

// readRelease reads each release once, however many instances are on it.
func readRelease(i *health.Instance, store *release.Store, known map[string]release.Release) {
	if i.Release = links.Release(i.Real, store.Dir()); filepath.IsAbs(i.Release) {
		return
	}
	i.Inside = true
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
func readDeploys(ctx context.Context, a apps.App, app *health.App) {
	bare := a
	bare.Instances = nil
	status, err := status.Read(ctx, bare, func(context.Context) (status.Figures, error) { return nil, errNotAsked }, nil)
	app.Pending, app.Locked = status.Pending, status.Locked
	last, historyErr := journal.Last(journal.HistoryFile(a.State, a.Name), 1)
	if len(last) > 0 {
		app.Last = &last[0]
	}
	app.DeployErr = cmp.Or(err, historyErr)
}
