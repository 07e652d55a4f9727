// Package propose writes a first configuration from what the running web servers
// and PHP-FPM masters serve.
package propose

import (
	"context"
	"fmt"
	"slices"

	"relink/php/fpm"
	"relink/php/webserver"
)

// Found is what runs on this machine.
type Found struct {
	Sites []webserver.Site
	Pools []Pool
	Notes []string // what could not be read, and why
}

// Pool is a pool of a running PHP-FPM master.
type Pool struct {
	Name       string
	Address    string
	StatusPath string // "" where its configuration has none
}

// Look asks the running servers for their configuration. Each web server has 20 s and may
// print 32 MiB, each FPM 20 s and 16 MiB.
func Look(ctx context.Context) (Found, error) {
	var found Found
	var err error
	if found.Sites, found.Notes, err = webserver.Discover(ctx); err != nil {
		return Found{}, fmt.Errorf("look for web servers: %w", err)
	}
	pools, err := fpm.Pools(ctx)
	if ctx.Err() != nil {
		return Found{}, ctx.Err()
	}
	if err != nil {
		found.Notes = append(found.Notes, fmt.Sprintf("PHP-FPM: %v", err))
	}
	foreign, err := fpm.Foreign(ctx)
	if err != nil {
		return Found{}, err
	}
	found.Notes = append(found.Notes, foreign...)
	for _, p := range pools {
		found.Pools = append(found.Pools, Pool{Name: p.Name, Address: p.Address.String(), StatusPath: p.StatusPath})
	}
	return found, nil
}

// choosePools keeps the pools that the applications use, under the addresses
// that PHP-FPM gives them. Where no site tells its pool, all may be meant.
func (d *Draft) choosePools(running []Pool) {
	for i := range d.Apps {
		app := &d.Apps[i]
		for j, address := range app.Pools {
			app.Pools[j] = d.pool(address, running)
		}
		slices.Sort(app.Pools)
		app.Pools = slices.Compact(app.Pools)
	}
	php := slices.ContainsFunc(d.Apps, func(a App) bool { return a.ModPHP })
	if len(d.Pools) == 0 && !php {
		d.Pools = running
	}
}

// pool lists a pool by its address, once, and gives the address it has there.
func (d *Draft) pool(address string, running []Pool) string {
	same := func(p Pool) bool { return webserver.SamePool(p.Address, address) }
	pool := Pool{Address: address}
	if i := slices.IndexFunc(running, same); i >= 0 {
		pool = running[i]
	} else {
		d.Notes = append(d.Notes, "no running PHP-FPM has the pool "+address+" that the web server uses")
	}
	if !slices.ContainsFunc(d.Pools, same) {
		d.Pools = append(d.Pools, pool)
	}
	return pool.Address
}
