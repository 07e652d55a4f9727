package webserver

import (
	"context"
)

func (s server) nginxSites(ctx context.Context) ([]Site, []string, error) { return nil, nil, nil }
