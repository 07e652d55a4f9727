package gather

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/fleet/store"
	"relink/health"
	"relink/internal/config"
	"relink/internal/pace"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

// Follower is told by etcd what all hosts of a fleet say, as soon as they say it.
type Follower struct {
	// News holds one where there is something new to show.
	News chan struct{}

	settings config.Fleet
	log      zerolog.Logger
	met      chan struct{} // closed once etcd has told, or is known to be away
	once     sync.Once

	mu   sync.Mutex
	last health.Fleet
}

// NewFollower follows nothing before Run.
func NewFollower(f config.Fleet, log zerolog.Logger) *Follower {
	return &Follower{News: make(chan struct{}, 1), settings: f, log: log, met: make(chan struct{}), last: health.Fleet{Host: f.Host}}
}

// pause is between two tries to reach etcd.
const pause = 2 * time.Second

// Run follows until ctx ends, which is no error.
func (w *Follower) Run(ctx context.Context) error {
	return store.Again(ctx, pause, w.lost, w.follow)
}

// follow opens the store anew each time: the certificate may come later than this service.
func (w *Follower) follow(ctx context.Context) (err error) {
	s, err := store.Open(ctx, w.settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return s.Follow(ctx, store.Everything, func(v store.View) { w.tell(*fleetOf(w.settings.Host, v)) })
	})
	group.Go(func() error { return w.ask(ctx, s) })
	return group.Wait()
}

// ask finds out that etcd is away: who follows it only hears nothing then.
func (w *Follower) ask(ctx context.Context, s *store.Store) error {
	for pace.Wait(ctx, w.settings.Lease) == nil {
		if _, err := s.Steward(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// lost keeps what was told last.
func (w *Follower) lost(err error) {
	now := *w.Last()
	if now.Err == nil {
		w.log.Warn().Err(err).Msg("the fleet cannot be asked")
	}
	now.Err = err
	w.tell(now)
}

func (w *Follower) tell(now health.Fleet) {
	w.mu.Lock()
	same := sameFleet(&w.last, &now)
	w.last = now
	w.mu.Unlock()
	w.once.Do(func() { close(w.met) })
	if same {
		return
	}
	select {
	case w.News <- struct{}{}:
	default: // whoever reads it finds the newest
	}
}

// Facts waits for the first word, as long as ctx.
func (w *Follower) Facts(ctx context.Context) *health.Fleet {
	select {
	case <-w.met:
		return w.Last()
	case <-ctx.Done():
		return &health.Fleet{Host: w.settings.Host, Err: store.ErrAway}
	}
}

// Last is what was told last.
func (w *Follower) Last() *health.Fleet {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.last
	return &now
}

// sameFleet tells whether the same is to be shown: what is free on a disk changes all the time.
func sameFleet(a, b *health.Fleet) bool {
	return a.Steward == b.Steward && (a.Err == nil) == (b.Err == nil) && a.Time.IsZero() == b.Time.IsZero() && slices.EqualFunc(a.Apps, b.Apps, sameOverview)
}

func sameOverview(a, b fleet.Overview) bool {
	return a.App == b.App && reflect.DeepEqual(a.Rollout, b.Rollout) && reflect.DeepEqual(a.Paused, b.Paused) && slices.EqualFunc(a.Hosts, b.Hosts, func(a, b fleet.Standing) bool {
		a.On.FreeBytes = b.On.FreeBytes
		return reflect.DeepEqual(a, b)
	})
}
