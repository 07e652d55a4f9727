package propose

import (
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/realpath"
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
	same := func(p Pool) bool { return sameSocket(p.Address, address) }
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

// sameSocket: Debian's /var/run is a link to /run, and its /run/php/php-fpm.sock
// one to the socket of the PHP that was chosen.
func sameSocket(a, b string) bool { return a == b || socket(a) == socket(b) }

func socket(address string) string {
	path, isUnix := strings.CutPrefix(address, "unix:")
	if !isUnix {
		return strings.Replace(address, "localhost", "127.0.0.1", 1)
	}
	if real, err := realpath.Of(path); err == nil {
		return real
	}
	if folder, err := realpath.Of(filepath.Dir(path)); err == nil {
		return filepath.Join(folder, filepath.Base(path))
	}
	return path
}
