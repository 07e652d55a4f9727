package opcache

import (
	"context"
	"slices"

	"relink/internal/hint"
	"relink/php"
)

// Setup is what the configuration says of a server that concerns its caches.
type Setup struct {
	State      string // folder for what has to be remembered
	Apps       []App
	Pools      []php.Pool // none: those of the FPM masters that run
	Options    Options
	Thresholds Thresholds
	Method     Method
	Restart    RestartOptions // how this server is restarted
}

// App is an application as its caches see it. Paths are absolute.
type App struct {
	Name     string
	Releases string // folder of the releases
	Docroot  string // what the web server serves, relative to a link
	Sites    []Site
	Pools    []string // addresses of those that serve it; none: all
}

// Site is a link that leads into a release.
type Site struct{ Name, Path string }

// ServedBy gives the pools that serve an application; nil means any.
func (s Setup) ServedBy(ctx context.Context, app *App) ([]php.Pool, error) {
	if len(s.Pools) == 0 {
		return php.DiscoverPools(ctx)
	}
	return s.configured(app), nil
}

func (s Setup) configured(app *App) []php.Pool {
	if app == nil || len(app.Pools) == 0 {
		return s.Pools
	}
	return slices.DeleteFunc(slices.Clone(s.Pools), func(p php.Pool) bool { return !slices.Contains(app.Pools, p.Address.String()) })
}

// Web are PHPs that only their web server leads to.
type Web struct {
	Pools []php.Pool
	Alone bool // nothing else serves the application
}

// Connect reaches the pools that serve an application; nil means all pools.
func (s Setup) Connect(ctx context.Context, app *App, web Web) (*Caches, error) {
	var pools []php.Pool
	if !web.Alone {
		var err error
		if pools, err = s.ServedBy(ctx, app); err != nil {
			return nil, err
		}
	}
	pools = slices.Concat(pools, web.Pools)
	o := s.Options
	if app != nil {
		o.Docroot = app.Docroot
	}
	caches, err := Connect(ctx, pools, o)
	if err != nil && len(s.Pools) == 0 {
		err = hint.With(err, "no pool is configured, so that those of the running FPM masters are taken: name yours under `pools:`")
	}
	return caches, err
}

// Glance is Connect for those who must not write anything: nil where the agent
// would have to be installed for one of the pools.
func (s Setup) Glance(ctx context.Context, app *App) (*Caches, error) {
	pools, err := s.ServedBy(ctx, app)
	if err != nil || slices.ContainsFunc(pools, func(p php.Pool) bool { return !php.AgentInstalled(p.AgentDir) }) {
		return nil, err
	}
	return s.Connect(ctx, app, Web{})
}

// sites lists every link that is configured.
func (s Setup) sites() []Site {
	var all []Site
	for _, app := range s.Apps {
		all = append(all, app.Sites...)
	}
	return all
}

// App gives the application of that name; nil if there is none.
func (s Setup) App(name string) *App {
	for i := range s.Apps {
		if s.Apps[i].Name == name {
			return &s.Apps[i]
		}
	}
	return nil
}
