package command

import (
	"context"
	"relink/deploy"
	"relink/opcache"
	"relink/opcache/restart"
)

// connected is opcache.Caches as this package uses them.
type connected struct {
	*opcache.Caches
	method  restart.Method
	restart restart.Options
}

// Over gives caches that have been reached, to be restarted as the server is set up.
func Over(caches *opcache.Caches, setup restart.Setup) deploy.Caches {
	return connected{caches, setup.Method, setup.Restart}
}

func (c connected) Observe(ctx context.Context, links []opcache.Link, addressing opcache.Addressing) (deploy.Switch, error) {
	cut, err := c.Caches.Observe(ctx, links, addressing)
	if err != nil {
		return nil, err
	}
	return observed{cut, c.method}, nil
}

// observed is opcache.Switch as this package uses it.
type observed struct {
	*opcache.Switch
	method restart.Method
}

func (o observed) Room(ctx context.Context, unused []string) ([]restart.CacheFit, error) {
	return restart.CheckFit(ctx, o.Switch, unused, o.method)
}

func (c connected) Rehearse(ctx context.Context, orders []restart.Order) error {
	return restart.CheckRestart(ctx, c.Caches, orders, c.options())
}

func (c connected) Expect(ctx context.Context, l restart.Queue, orders []restart.Order) (func() error, error) {
	return l.Add(ctx, c.Caches, orders)
}

func (c connected) Restart(ctx context.Context, l restart.Queue, orders []restart.Order, on deploy.Occasion) (restart.Outcome, error) {
	options := c.options()
	options.Unused, options.Moved, options.Switch = on.Unused, on.Moved, on.Switch
	if on.Wait > 0 {
		options.Wait = min(options.Wait, on.Wait)
	}
	return l.Run(ctx, c.Caches, orders, options)
}

func (c connected) options() restart.Options {
	options := c.restart
	options.Method = c.method
	return options
}

// Keep adds how this server is configured to be restarted.
func (c connected) Keep(ctx context.Context, u restart.Maintenance) (restart.MaintenanceResult, error) {
	u.Method, u.Restart = c.method, c.restart
	return restart.RestartIfNeeded(ctx, c.Caches, u)
}

func (c connected) Preloads(ctx context.Context, sites []opcache.Link) ([]restart.Renewal, error) {
	return restart.PreloadRenewals(ctx, c.Caches, sites)
}

func (c connected) EndWorkers(ctx context.Context, pools []string) (ended, busy int, err error) {
	return restart.EndWorkersOf(ctx, c.Caches, pools)
}

func (o observed) Renewals(ctx context.Context, sites []opcache.Link) ([]restart.Renewal, error) {
	return restart.Renewals(ctx, o.Switch, sites)
}
