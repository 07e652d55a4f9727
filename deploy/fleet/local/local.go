// Package local has the agent of a fleet deploy this host's applications, by the very code
// of "relink deploy".
package local

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"

	"relink/deploy"
	"relink/deploy/apps"
	"relink/deploy/fleet"
	"relink/deploy/fleet/agent"
	"relink/deploy/fleet/depot"
	"relink/deploy/fleet/store"
	"relink/deploy/front"
	"relink/deploy/journal"
	"relink/deploy/release"
	"relink/deploy/rendezvous"
	"relink/deploy/source"
	"relink/internal/pace"
	"relink/php/probe"
)

// Open gives what a deploy of all instances of one application needs.
type Open func() (deploy.Options, deploy.Deps, error)

// Application is one for the agent. What hosts fetch from each other lies in the depot.
func Application(name string, open Open, d *depot.Depot) agent.Application {
	l := local{open, d}
	return agent.Application{Name: name, Recover: l.recover, Standing: l.standing, Bring: l.bring, DigestOf: l.digestOf, ContentsOf: l.contentsOf}
}

type local struct {
	open  Open
	depot *depot.Depot
}

func (l local) recover(ctx context.Context) error {
	o, d, err := l.open()
	if err == nil {
		_, err = deploy.Recover(ctx, o, d)
	}
	return err
}

// standing reads the digest of what is live where nobody has yet.
func (l local) standing(ctx context.Context) (on fleet.AppOn, err error) {
	o, _, err := l.open()
	if err != nil {
		return on, err
	}
	on.Instances = len(o.App.Instances)
	setUp, err := journal.LastSetUp(o.App)
	if err != nil {
		return on, err
	}
	on.SetUp = string(setUp)
	free, err := release.FreeSpace(o.App.Releases)
	if err != nil {
		return on, err
	}
	on.FreeBytes = free.Bytes
	linked := slices.Compact(slices.Sorted(slices.Values(o.App.LinkedReleases())))
	if len(linked) != 1 || linked[0] == "" {
		return on, nil // on nothing, or not on one
	}
	releases, err := release.Open(o.App.Releases)
	if err != nil {
		return on, err
	}
	live, err := releases.Get(linked[0])
	if errors.Is(err, release.ErrNotFound) {
		return on, nil
	}
	if err == nil {
		on.Release, on.Commit = live.ID, live.Commit
		on.Digest, err = known(o.App, live, func() (string, error) { return digest(ctx, o.App, live) })
	}
	return on, err
}

// bring goes back to what is here still, else deploys.
func (l local) bring(ctx context.Context, to fleet.Target, others rendezvous.Others) error {
	o, d, err := l.open()
	if err != nil {
		return err
	}
	d.Others, d.Source = others, l.source(d.Source, to)
	o.Ref = cmp.Or(to.Ref, to.Commit)
	if o.To, err = here(o.App, to.Digest); err != nil {
		return err
	}
	if o.To != "" {
		_, err = deploy.Rollback(ctx, o, d)
	} else {
		_, err = deploy.Run(ctx, o, d)
	}
	return err
}

// source is where a target comes from: other hosts of the fleet, or the application's own.
func (l local) source(own source.Source, to fleet.Target) source.Source {
	if to.List != "" {
		return &depot.Source{Depot: l.depot, ID: to.List, Ref: to.Ref}
	}
	return pinned{own, to}
}

// here is a release of that content which can be gone back to; "" for none.
func here(app apps.App, wanted string) (id string, err error) {
	if wanted == "" {
		return "", nil
	}
	digests, err := readDigests(app)
	if err != nil {
		return "", err
	}
	releases, err := release.Open(app.Releases)
	if err != nil {
		return "", err
	}
	all, err := releases.List()
	for _, r := range all {
		if r.Sealed && r.Bad == nil && digests[r.Content()] == wanted {
			return r.ID, nil
		}
	}
	return "", err
}

func (l local) digestOf(ctx context.Context, r release.Release) (string, error) {
	if r.ID == "" {
		return "", errors.New("the deploy has prepared no release")
	}
	o, _, err := l.open()
	if err != nil {
		return "", err
	}
	return known(o.App, r, func() (string, error) { return digest(ctx, o.App, r) })
}

// errLong: the list does not fit under one key of etcd.
var errLong = errors.New("too many files to tell where the contents differ")

func (l local) contentsOf(ctx context.Context, r release.Release) ([]byte, error) {
	o, _, err := l.open()
	if err != nil {
		return nil, err
	}
	without, err := ownEntries(o.App)
	if err != nil {
		return nil, err
	}
	releases, err := release.Open(o.App.Releases)
	if err != nil {
		return nil, err
	}
	list := fleet.NewList()
	if err := releases.Contents(ctx, r, without, list.Add); err != nil {
		return nil, err
	}
	if text := list.Bytes(); len(text) <= store.MostShown {
		return text, nil
	}
	return nil, errLong
}

// digest leaves out what is this host's own: the shared entries, which lead to its folders,
// and the probe, whose name only this host knows.
func digest(ctx context.Context, app apps.App, r release.Release) (sum string, err error) {
	without, err := ownEntries(app)
	if err != nil {
		return "", err
	}
	releases, err := release.Open(app.Releases)
	if err != nil {
		return "", err
	}
	err = pace.Gently(ctx, func(ctx context.Context) error {
		sum, err = releases.Digest(ctx, r, without)
		return err
	})
	return sum, err
}

func ownEntries(app apps.App) ([]string, error) {
	own := slices.Clone(app.Shared)
	for i, name := range own {
		own[i] = path.Clean(name)
	}
	if !front.Probed(app) {
		return own, nil
	}
	secret, err := probe.EnsureSecret(app.State)
	return append(own, path.Join(app.LinkTarget, app.Docroot, secret.Name(app.Name))), err
}

// pinned finds the very commit that the fleet is on, whatever has become of the name that
// it was asked for by.
type pinned struct {
	source.Source
	to fleet.Target
}

func (p pinned) Resolve(ctx context.Context, ref string) (source.Resolved, error) {
	found, err := p.Source.Resolve(ctx, ref)
	if p.to.Commit == "" || err == nil && found.Commit == p.to.Commit {
		return found, err
	}
	return p.Source.Resolve(ctx, p.to.Commit)
}
