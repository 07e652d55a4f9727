package propose

import (
	"slices"

	"relink/php/webserver"
)

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
