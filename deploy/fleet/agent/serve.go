package agent

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"relink/deploy/fleet/ca"
	"relink/deploy/fleet/depot"
)

// serves tells whether others fetch releases from this host.
func (a *agent) serves() bool { return a.Depot != nil && a.Fleet.Serve != "" }

// serve hands out releases, where the configuration says so. No port is opened else.
func (a *agent) serve(ctx context.Context) error {
	if !a.serves() {
		return nil
	}
	if _, err := ca.Folder(a.Fleet.Dir).Host(); err != nil {
		return fmt.Errorf("fleet.serve: %w", err)
	}
	listener, err := net.Listen("tcp", a.Fleet.Serve)
	if err != nil {
		return fmt.Errorf("fleet.serve: %w", err)
	}
	return a.Depot.Serve(ctx, listener, a.Log)
}

// tidyEvery is how often what is not wanted any more is looked for in the depot.
const tidyEvery = 5 * time.Minute

// tidy keeps the depot small. While it is not known what is wanted, nothing goes.
func (a *agent) tidy(ctx context.Context) error {
	for a.Depot != nil {
		if wanted, known := a.wantedLists(); known {
			if err := a.Depot.Prune(ctx, wanted); err != nil && ctx.Err() == nil {
				a.Log.Warn().Err(err).Msg("the depot was not tidied")
			}
		}
		select {
		case <-time.After(tidyEvery):
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// wantedLists are what some host may have to fetch.
func (a *agent) wantedLists() (lists []string, known bool) {
	for _, p := range a.parts {
		at, known, _ := p.now()
		if !known {
			return nil, false
		}
		targets := append(slices.Collect(maps.Values(at.Wanted.Hosts)), at.Wanted.All)
		if at.Rollout != nil {
			targets = append(targets, at.Rollout.Target)
		}
		for _, to := range targets {
			lists = append(lists, to.List)
		}
	}
	return lists, true
}

// having are the other hosts that are there and have all of what a list names.
func (a *agent) having(ctx context.Context, list string) (peers []depot.Peer, err error) {
	view, err := a.store.View(ctx)
	for name, h := range view.Hosts {
		if name != a.Host && h.Serves != "" && slices.Contains(h.Lists, list) {
			peers = append(peers, depot.Peer{Name: name, Address: h.Serves})
		}
	}
	return peers, err
}
