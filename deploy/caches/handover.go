package caches

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"relink/deploy"
	"relink/deploy/apps"
	"relink/deploy/command"
	"relink/deploy/outcome"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/opcache"
)

// operation is a half of a deploy whose links another tool moves.
type operation func(context.Context, deploy.Options, deploy.Deps, deploy.Caches, deploy.Handover) (outcome.Report, error)

// warm is "relink opcache warm".
func (s *session) warm(ctx context.Context, from, to string) error {
	to, err := existing(to)
	if err != nil {
		return fmt.Errorf("release to be warmed: %w", err)
	}
	if from, err = s.oldRelease(s.owner(to), from); err != nil {
		return err
	}
	return s.operate(ctx, deploy.Warm, from, to, nil)
}

// oldRelease is the one that was named, or the one that most instances are on.
func (s *session) oldRelease(app *opcache.App, named string) (string, error) {
	if named != "" {
		return existing(named)
	}
	if app != nil {
		if folder := app.InUse().MostUsed(); folder != "" {
			return folder, nil
		}
	}
	return "", hint.With(errors.New("no configured link tells which release is live"), "name it with --from")
}

// refresh is "relink opcache refresh".
func (s *session) refresh(ctx context.Context, from, to string, named []string) error {
	if from == "" || to == "" {
		return usage(errors.New("opcache refresh: give --from OLD and --to NEW"))
	}
	to, err := existing(to)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	if from, err = filepath.Abs(from); err != nil { // it need not exist any more
		return fmt.Errorf("--from: %w", err)
	}
	return s.operate(ctx, deploy.Refresh, links.RealFolder(from), to, named)
}

func (s *session) operate(ctx context.Context, do operation, from, to string, named []string) error {
	if links.Within(from, to) || links.Within(to, from) {
		return fmt.Errorf("%s and %s are not two releases", from, to)
	}
	if err := s.stateFolder(); err != nil {
		return err
	}
	app, err := s.application(from, to)
	if err != nil {
		return err
	}
	o := deploy.Options{App: app, Instances: app.Instances, Thresholds: s.setup.Thresholds, Force: s.Bool("force"), APCu: s.apcu, Command: s.Typed}
	if len(named) > 0 {
		if o.Instances, err = instances(app, named); err != nil {
			return err
		}
		o.App.Instances = slices.Concat(app.Instances, o.Instances)
	}
	caches, err := s.setup.Reach(ctx, s.owner(to))
	if err != nil {
		return err
	}
	report, err := do(ctx, o, deploy.Deps{Screen: s.Screen()}, command.Over(caches, s.setup), deploy.Handover{From: from, To: to, Named: len(named) > 0})
	return s.Show(report, err)
}

// application is the one that owns the release to, with all configured links that lead
// to one of the two. A release of nobody's is one of the folder that it lies in.
func (s *session) application(from, to string) (apps.App, error) {
	app, owner := apps.App{App: config.App{Releases: filepath.Dir(to)}, State: s.setup.State}, s.owner(to)
	if owner != nil {
		app.Name = owner.Name
		if links.Within(to, links.RealFolder(owner.Releases)) {
			app.Releases = owner.Releases
		}
	}
	for _, one := range s.apps() {
		concerns := func(link string) bool {
			return owner != nil && one.Name == owner.Name || leads(link, from) || leads(link, to)
		}
		for _, site := range one.Instances {
			if concerns(site.Link) {
				app.Instances = append(app.Instances, config.Instance{Name: site.Name, Link: site.Link})
			}
		}
		known, err := one.Known()
		if err != nil {
			return app, err
		}
		app.Known = append(app.Known, slices.DeleteFunc(known, func(link string) bool { return !concerns(link) })...)
	}
	return app, nil
}

// instances are those whose links are named, each once; a link that is not
// configured is named by its path.
func instances(app apps.App, named []string) ([]config.Instance, error) {
	var all []config.Instance
	for _, link := range named {
		path, err := filepath.Abs(link)
		if err != nil {
			return nil, err
		}
		same := func(i config.Instance) bool { return links.Place(i.Link) == links.Place(path) }
		one := config.Instance{Name: path, Link: path}
		if i := slices.IndexFunc(app.Instances, same); i >= 0 {
			one = app.Instances[i]
		}
		if !slices.ContainsFunc(all, same) {
			all = append(all, one)
		}
	}
	return all, nil
}

// owner is the application that a release belongs to: the chosen one, the one
// whose releases folder it lies in, or that has a link into it; nil for none.
func (s *session) owner(release string) *opcache.App {
	if s.chosen != nil {
		return s.chosen
	}
	for i, app := range s.setup.Apps {
		into := func(site config.Instance) bool { return leads(site.Link, release) }
		if links.Within(release, links.RealFolder(app.Releases)) || slices.ContainsFunc(app.Instances, into) {
			return &s.setup.Apps[i]
		}
	}
	return nil
}

// leads tells whether the link leads to the folder, or to one inside it.
func leads(link, folder string) bool { return links.Within(target(link), folder) }

// target is the real folder that a link leads to; "" where there is no link, or
// nothing behind it.
func target(link string) string {
	if state := links.Read(link); state.Kind == links.Good {
		return state.Real
	}
	return ""
}
