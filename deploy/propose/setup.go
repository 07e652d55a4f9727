// Package propose writes a first configuration from what the running web servers
// and PHP-FPM masters serve.
package propose

import (
	"context"
	"fmt"

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

// Look asks the running servers for their configuration.
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
