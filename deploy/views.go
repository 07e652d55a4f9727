package deploy

import (
	"errors"
	"fmt"

	"relink/deploy/front"
	"relink/deploy/moves"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/opcache"
)

// fitViews has the links lead also the pools that see other paths. Where the web server
// sends real paths PHP follows no link.
func (r *run) fitViews(plan moves.Plan, found server) error {
	if found.caches == nil {
		return nil
	}
	unseen := plan.Fit(found.caches.Views())
	if len(unseen) == 0 || r.App.Map != "" || found.addressing == opcache.Resolved {
		return nil
	}
	return r.unlessForced(hint.With(errors.Join(unseen...), "let the folder of the links and the releases folder lie to each other in the chroot or container as they do here (two mounts below one folder will do), and correct path_map; or have the web server send real paths; --force goes on"), unseen[0].Error())
}

// refuseStrangePaths: where a pool's path_map is wrong or missing, every path that
// it is asked about is one that it does not know, and what is invalidated is
// nothing at all. The live release tells before anything moves.
func (r *run) refuseStrangePaths(found server) error {
	if found.caches == nil {
		return nil
	}
	for _, s := range found.sights {
		if s.Err != nil || front.Ours(r.App, found.caches.ToHost(s.Answer), found.states) {
			continue
		}
		err := r.strangePath(s, found.caches.ToHost(s.Answer), found.states, "")
		if err := r.unlessForced(err, err.Error()); err != nil {
			return err
		}
	}
	return nil
}

// strangePath names the script as PHP does, and as the path_map makes it.
func (r *run) strangePath(s front.Sight, file string, states []links.State, to string) error {
	made := ", which is no path of a release here"
	if file != s.Answer.File {
		made = fmt.Sprintf(", which path_map makes %s: no path of a release here", file)
	}
	return hint.With(fmt.Errorf("%w: %s is served by %s from %s%s", ErrFrontDoor, s.Name, s.By(), s.Answer.File, made),
		"if that PHP runs in a chroot or a container, tell how its pool sees the releases: path_map: [{host: %s, pool: %s}]", r.App.Releases, front.SeenReleases(r.App, s.Answer.File, states, to))
}
