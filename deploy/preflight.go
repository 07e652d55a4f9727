package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"relink/deploy/apps"
	"relink/deploy/front"
	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/release"
	"relink/deploy/source"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/trust"
	"relink/internal/ui"
	"relink/opcache"
)

// ErrThreads: threads of Apache cannot be made to see the new links.
var ErrThreads = errors.New("threads cannot be reached")

// preflight finds what is wrong before anything is made or moved. A recovery has
// reached the pools already, if there was one.
func (r *run) preflight(reached server) step[server] {
	return func(ctx context.Context) (found server, summary string, err error) {
		states, err := r.linkStates()
		if err != nil {
			return found, "", err
		}
		if found = reached; found.caches == nil || r.Reset == journal.ResetNever {
			if found, err = r.connect(ctx, states); err != nil {
				return found, "", err
			}
		}
		found.states = states
		for _, refuse := range []func(server) error{r.refuseThreads, r.refuseStrangeCaches, r.refuseStrangePaths} {
			if err := refuse(found); err != nil {
				return found, "", err
			}
		}
		if found.addressing, err = r.addressing(ctx, found); err != nil {
			return found, "", err
		}
		if found.pinned, err = r.findPinned(ctx, found); err != nil {
			return found, "", err
		}
		return found, ui.Joined(", ", ui.Plural(len(r.Instances), "instance"), string(found.addressing)), nil
	}
}

// linkStates names every link that cannot be moved, not only the first.
func (r *run) linkStates() ([]links.State, error) {
	states := apps.ReadLinks(r.Instances)
	var refused []error
	trusted := map[string]error{}            // of the links' folders
	goals := make([]moves.Goal, len(states)) // where the links will go is not known yet; that no two are the same can be
	for i, now := range moves.TargetsOf(states, r.App.RealReleases()) {
		goals[i] = moves.Goal{Instance: r.Instances[i], State: states[i], Now: now, Chosen: true}
		folder := filepath.Dir(states[i].Path)
		if _, asked := trusted[folder]; !asked {
			trusted[folder] = trust.CheckWayForRoot(folder)
		}
		if err := cmp.Or(states[i].Usable(), trusted[folder]); err != nil {
			refused = append(refused, fmt.Errorf("instance %s: %w", r.Instances[i].Name, err))
		}
	}
	plan, err := moves.New(goals)
	r.report.Previous = plan.Previous()
	return states, errors.Join(append(refused, err)...)
}

// connect reaches all pools; with ResetNever none is needed.
func (r *run) connect(ctx context.Context, states []links.State) (server, error) {
	if r.Reset == journal.ResetNever {
		return server{}, nil
	}
	found, web, err := r.knock(ctx)
	if err != nil {
		return found, err
	}
	caches, err := r.Connect(ctx, web)
	if errors.Is(err, opcache.ErrNoPool) && links.NoneYet(states) { // the PHP that will serve them (mod_php) may be none that is known before
		return found, nil
	}
	if err != nil {
		return found, hint.Unless(err, "start the pool, or correct `pools` in the configuration")
	}
	found.caches = caches
	return found, nil
}

// addressing asks the pools what the front door has not told.
func (r *run) addressing(ctx context.Context, found server) (addressing opcache.Addressing, err error) {
	if addressing = found.addressing; addressing == "" && found.caches != nil {
		addressing, err = found.caches.Addressing(ctx)
	}
	r.report.SetUp = addressing
	return addressing, err
}

// findPinned are the workers that stay old, if that is accepted. Of new links none has
// anything old.
func (r *run) findPinned(ctx context.Context, found server) ([]opcache.Worker, error) {
	if !found.followed() || links.NoneYet(found.states) {
		return nil, nil
	}
	pinned, err := found.caches.Pinned(ctx)
	if err != nil || len(pinned) == 0 {
		return nil, err
	}
	text := fmt.Sprintf("%d of the workers can be reached neither by FastCGI nor through %s: %s", len(pinned), r.frontDoor(found), opcache.DescribeWorkers(pinned))
	refused := hint.With(fmt.Errorf("%w: %s", opcache.ErrPinned, text),
		"see that the probe of a site that they serve answers (relink config check --probe); or take enablereuse=on out of Apache's proxy definition (nginx: fastcgi_keep_conn off); or go on with --force: what these workers serve then stays old until they end")
	return pinned, r.unlessForced(refused, text+"; what they serve stays old until they end")
}

// unlessForced refuses or, with --force, warns.
func (r *run) unlessForced(refused error, warning string) error {
	if !r.Force {
		return refused
	}
	r.report.Warn(warning)
	return nil
}

// followed tells whether PHP has to be reached for the links to be followed.
func (s server) followed() bool { return s.caches != nil && s.addressing != opcache.Resolved }

// frontDoor says which ways through the web server were there to try.
func (r *run) frontDoor(found server) string {
	answered := 0
	for _, s := range found.sights {
		if s.Err == nil {
			answered++
		}
	}
	return fmt.Sprintf("the web server (%d of %s answered through its probe)", answered, ui.Plural(len(r.App.Instances), "instance"))
}

// resolve finds out what the ref means, and whether it fits.
func (r *run) resolve(ctx context.Context) (resolved source.Resolved, summary string, err error) {
	ctx, cancel := r.fetchTime(ctx)
	defer cancel()
	err = r.gently(ctx, func(ctx context.Context) error {
		resolved, err = r.Source.Resolve(ctx, r.Ref)
		return err
	})
	if err != nil {
		return resolved, "", err
	}
	r.report.Commit = resolved.Commit
	r.report.Warnings = append(r.report.Warnings, resolved.Notes...)
	err = release.SpaceFor(r.store.Dir(), resolved.Bytes+r.App.MinFree, resolved.Inodes)
	return resolved, fmt.Sprintf("%s, %s", resolved.Label, ui.Bytes(resolved.Bytes)), err
}

func (r *run) fetchTime(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.FetchTimeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, r.FetchTimeout, fmt.Errorf("timeouts.fetch of %s has passed", r.FetchTimeout))
}

// refuseThreads: where PHP runs in threads of Apache (a thread-safe build in the
// event or worker MPM) each thread has a realpath cache of its own, and nobody can
// tell which of them a call has reached.
func (r *run) refuseThreads(found server) error {
	if !found.followed() {
		return nil
	}
	threaded := found.caches.Threaded()
	if len(threaded) == 0 {
		return nil
	}
	text := "PHP runs in threads of Apache, which cannot be reached one by one: " + ui.FirstFew(threaded)
	return r.unlessForced(hint.With(fmt.Errorf("%w: %s", ErrThreads, text),
		"let Apache run PHP in processes (a2dismod mpm_event, a2enmod mpm_prefork), or use PHP-FPM, or have Apache send real paths (relink apache); --force goes on, and pages may stay old until Apache is restarted"),
		text+"; what they serve may stay old until Apache is restarted")
}

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
