package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"relink/deploy/release"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
)

// ErrPinned: persistent connections keep workers from everybody but the web server,
// and no probe leads to them either, so that they cannot be made to see the new links.
var ErrPinned = errors.New("workers are pinned by persistent connections")

// ErrThreads: threads of Apache cannot be made to see the new links.
var ErrThreads = errors.New("threads cannot be reached")

// preflight finds what is wrong before anything is made or moved.
func (r *run) preflight(ctx context.Context) (string, error) {
	if err := r.readLinks(); err != nil {
		return "", err
	}
	if err := r.connect(ctx); err != nil {
		return "", err
	}
	if err := r.refuseThreads(); err != nil {
		return "", err
	}
	if err := r.refuseStrangeCaches(); err != nil {
		return "", err
	}
	if err := r.refuseStrangePaths(); err != nil {
		return "", err
	}
	if err := r.findAddressing(ctx); err != nil {
		return "", err
	}
	if err := r.refusePinned(ctx); err != nil {
		return "", err
	}
	summary := ui.Plural(len(r.Instances), "instance")
	if r.addressing != "" {
		summary += ", " + string(r.addressing)
	}
	return summary, nil
}

// readLinks names every link that cannot be moved, not only the first.
func (r *run) readLinks() error {
	states, err := readLinks(r.Instances)
	if err != nil {
		return err
	}
	var refused []error
	for i, state := range states {
		if err := state.Usable(); err != nil {
			refused = append(refused, fmt.Errorf("instance %s: %w", r.Instances[i].Name, err))
		}
	}
	r.states = states
	// Where the links will go is not known yet; that no two are the same can be.
	r.plan, err = PlanMoves(r.Instances, states, make([]Destination, len(states)), r.App.realReleases())
	r.report.Previous = r.plan.Previous()
	return errors.Join(append(refused, err)...)
}

// connect reaches all pools, once; with ResetNever none is needed.
func (r *run) connect(ctx context.Context) error {
	if r.caches != nil || r.Reset == ResetNever {
		return nil
	}
	web, err := r.knock(ctx)
	if err != nil {
		return err
	}
	caches, err := r.Connect(ctx, web)
	if errors.Is(err, opcache.ErrNoPool) && r.fresh() {
		return nil
	}
	if err != nil {
		return hint.With(err, "start the pool, correct `pools` in the configuration, or move the links alone with --reset never")
	}
	r.caches = caches
	return nil
}

// fresh tells whether no instance has a link yet: nothing can be stale of them,
// and the PHP that will serve them (mod_php) may be none that is known before.
func (r *run) fresh() bool {
	return len(r.states) > 0 && !slices.ContainsFunc(r.states, func(s links.State) bool { return s.Kind != links.Missing })
}

// findAddressing asks the pools what the front door has not told.
func (r *run) findAddressing(ctx context.Context) (err error) {
	if r.addressing == "" && r.caches != nil {
		r.addressing, err = r.caches.Addressing(ctx)
	}
	r.report.SetUp = r.addressing
	return err
}

func (r *run) refusePinned(ctx context.Context) error {
	if r.caches == nil || r.addressing == opcache.Resolved { // nobody has to be reached
		return nil
	}
	pinned, err := r.caches.Pinned(ctx)
	if err != nil || len(pinned) == 0 {
		return err
	}
	r.pinned = pinned
	text := fmt.Sprintf("%d of the workers can be reached neither by FastCGI nor through %s: %s", len(pinned), r.frontDoor(), describeWorkers(pinned))
	if !r.Force {
		return hint.With(fmt.Errorf("%w: %s", ErrPinned, text),
			"see that the probe of a site that they serve answers (relink config check --probe); or take enablereuse=on out of Apache's proxy definition (nginx: fastcgi_keep_conn off); or go on with --force: what these workers serve then stays old until they end")
	}
	r.report.warn(text + "; what they serve stays old until they end")
	return nil
}

// frontDoor says which ways through the web server were there to try.
func (r *run) frontDoor() string {
	answered := 0
	for _, s := range r.sights {
		if s.Err == nil {
			answered++
		}
	}
	return fmt.Sprintf("the web server (%d of %s answered through its probe)", answered, ui.Plural(len(r.App.Instances), "instance"))
}

// describeWorkers names the workers, and what each is doing where that is known.
func describeWorkers(workers []opcache.Worker) string {
	const most = 5
	var parts []string
	for i, w := range workers {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(workers)-most))
			break
		}
		parts = append(parts, describeWorker(w))
	}
	return strings.Join(parts, ", ")
}

func describeWorker(w opcache.Worker) string {
	text := fmt.Sprintf("pid %d of %s", w.PID, w.Pool)
	switch {
	case w.Request != "" && w.Busy > 0:
		text += fmt.Sprintf(" (%s, for %s)", w.Request, w.Busy.Round(100*time.Millisecond))
	case w.Request != "":
		text += " (" + w.Request + ")"
	}
	return text
}

// resolve finds out what the ref means, and whether it fits.
func (r *run) resolve(ctx context.Context) (string, error) {
	ctx, cancel := r.fetchTime(ctx)
	defer cancel()
	resolved, err := r.Source.Resolve(ctx, r.Ref)
	if err != nil {
		return "", err
	}
	r.resolved = resolved
	r.report.Commit = resolved.Commit
	r.report.Warnings = append(r.report.Warnings, resolved.Notes...)
	if err := release.SpaceFor(r.store.Dir(), resolved.Bytes+r.App.MinFree, resolved.Inodes); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %s", resolved.Label, ui.Bytes(resolved.Bytes)), nil
}

func (r *run) fetchTime(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.FetchTimeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, r.FetchTimeout, fmt.Errorf("timeouts.fetch of %s has passed", r.FetchTimeout))
}
