package deploy

import (
	"errors"

	"relink/deploy/front"
	"relink/deploy/moves"
	"relink/internal/hint"
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
		err := front.StrangePath(r.App, s, found.caches.ToHost(s.Answer), found.states, "")
		if err := r.unlessForced(err, err.Error()); err != nil {
			return err
		}
	}
	return nil
}
