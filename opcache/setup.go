package opcache

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"relink/fcgi"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/php"
	"relink/php/fpm"
)

// Setup is what the configuration says of a server that concerns its caches.
type Setup struct {
	State   string // folder for what has to be remembered
	Apps    []App
	Pools   []php.Pool // none: those of the FPM masters that run
	NoFPM   bool       // those that run are nobody's concern
	Options Options
}

// App is an application as its caches see it. An instance without the URL of a probe,
// or with one that is off, is not asked.
type App struct {
	config.App
	Known    func() ([]string, error) // links that were moved once, whoever they belong to now; nil: none
	AgentDir string                   // where the PHP inside of its sites' web servers finds the agent; "" is the default
}

// InUse is what the application's links lead to.
func (a App) InUse() links.InUse {
	named := make([]string, len(a.Instances))
	for i, site := range a.Instances {
		named[i] = site.Link
	}
	var known []string
	if a.Known != nil {
		known, _ = a.Known()
	}
	return links.Find(a.Releases, named, known)
}

// FPM gives the pools of PHP-FPM that serve an application; nil means any.
func (s Setup) FPM(ctx context.Context, app *App) ([]php.Pool, error) {
	switch {
	case len(s.Pools) > 0:
		return s.Configured(app), nil
	case s.NoFPM:
		return nil, nil
	}
	running, err := fpm.Pools(ctx)
	if app == nil {
		return running, err
	}
	return namedPools(app.Pools, running, err)
}

// namedPools leaves out pools that are not the application's, and what is wrong with those.
func namedPools(addresses []string, running []php.Pool, problems error) ([]php.Pool, error) {
	if len(addresses) == 0 {
		return running, problems
	}
	var found []php.Pool
	for _, address := range addresses {
		i := slices.IndexFunc(running, func(p php.Pool) bool { return p.Address.String() == address })
		if i < 0 {
			return nil, hint.With(errors.Join(fmt.Errorf("pool %s: no FPM master that runs here has it", address), problems),
				"correct the application's `pools`, or describe the pool under the configuration's own `pools:`")
		}
		found = append(found, running[i])
	}
	return found, nil
}

func (s Setup) Configured(app *App) []php.Pool {
	if app == nil || len(app.Pools) == 0 {
		return s.Pools
	}
	return slices.DeleteFunc(slices.Clone(s.Pools), func(p php.Pool) bool { return !slices.Contains(app.Pools, p.Address.String()) })
}

// Connect reaches the pools that serve an application, the web's among them; nil
// means all pools.
func (s Setup) Connect(ctx context.Context, app *App, web Web) (*Caches, error) {
	pools, err := s.pools(ctx, app, web)
	if err != nil {
		return nil, err
	}
	o := s.Options
	if app != nil {
		o.Docroot = app.Docroot
	}
	caches, err := Connect(ctx, pools, o, s.doorsOf(app, web)...)
	switch {
	case errors.Is(err, ErrNoPool) && web.Hidden != nil:
		err = hint.With(err, "with mod_php the site itself has to answer: %v", web.Hidden)
	case errors.Is(err, fcgi.ErrNotListening) && len(s.Pools) > 0:
		err = s.withOthers(ctx, err)
	case err != nil && len(s.Pools) == 0:
		err = hint.With(err, "no pool is configured, so that those of the running FPM masters are taken: name yours under `pools:`")
	}
	return caches, err
}

// withOthers adds to what a pool that nobody has where PHP-FPM listens in its place.
func (s Setup) withOthers(ctx context.Context, err error) error {
	running, _ := fpm.Pools(ctx) // none where nobody may know
	var others []string
	for _, one := range running {
		if !slices.ContainsFunc(s.Pools, func(p php.Pool) bool { return p.Address == one.Address }) {
			others = append(others, one.Address.String())
		}
	}
	if len(others) == 0 {
		return err
	}
	return hint.With(err, "PHP-FPM listens on %s here, which no pool of the configuration names: correct the address there if it is meant", ui.FirstFew(others))
}

// Reach finds the PHPs inside of web servers, and reaches them with the pools.
func (s Setup) Reach(ctx context.Context, app *App) (*Caches, error) {
	return s.Connect(ctx, app, s.Web(ctx, app))
}

// Glance is Reach for those who must not write anything: nil where the agent would
// have to be installed for one of the pools.
func (s Setup) Glance(ctx context.Context, app *App) (*Caches, error) {
	web := s.Web(ctx, app)
	pools, err := s.pools(ctx, app, web)
	if err != nil || slices.ContainsFunc(pools, func(p php.Pool) bool { return !php.AgentInstalled(p.AgentDir) }) {
		return nil, err
	}
	return s.Connect(ctx, app, web)
}

// pools leaves PHP-FPM alone where it serves nothing of the application. Where all
// caches are meant, what of it cannot be told is no failure then.
func (s Setup) pools(ctx context.Context, app *App, web Web) ([]php.Pool, error) {
	if web.Alone && app != nil {
		return web.Pools, nil
	}
	fpm, err := s.FPM(ctx, app)
	if err != nil && !web.Alone {
		return nil, err
	}
	return slices.Concat(fpm, web.Pools), nil
}

// App gives the application of that name; nil if there is none.
func (s Setup) App(name string) *App {
	i := slices.IndexFunc(s.Apps, func(a App) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Apps[i]
}
