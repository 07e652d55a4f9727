// Package serve is the service: it looks at everything again and again, keeps a
// history, finishes pending restarts, and tells it over HTTP, read only.
package serve

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"time"

	"relink/health"
	"relink/health/gather"
	"relink/health/serve/page"
	"relink/internal/config"
	"relink/internal/socket"
	"relink/internal/ui"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

// Options say what to look at, how often, and who may ask. A field has to be set
// unless it says what it means to leave it.
type Options struct {
	config.Serve // Restart is told by Maintain

	Limits  Limits
	Version string  // of relink
	Share   float64 // of one core that looking may take; looks get rarer where they cost more

	Fleet      *config.Fleet // nil: this host is by itself
	Health     gather.Deps   // Cheap, Samples and Fleet are set by the service
	Thresholds health.Thresholds
	Checks     []health.Check // none: all

	// Resume does the pending restarts whose moment is quiet; nil: they stay.
	Resume   Resume
	Maintain Maintain // nil: nothing is decided
	Notify   Notify
	Log      zerolog.Logger

	// Listening is told the address once the service listens; may be nil.
	Listening func(net.Addr)
}

// usualShare is how much of one core looking may take.
const usualShare = 0.01

// historyFolder is the history's name in the state folder.
const historyFolder = "history"

// Run serves until ctx ends, which is no error. It leaves nothing behind but the
// history and the samples in the state folder. o.Limits bound what clients may send, and
// how long they may take.
func Run(ctx context.Context, o Options) (err error) {
	allowed, err := openAccess(o.Serve)
	if err != nil {
		return err
	}
	listener, err := listen(o.Listen, allowed)
	if err != nil {
		return err
	}
	defer listener.Close()
	kept, err := openStore(filepath.Join(o.Health.State, historyFolder), o.History)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.close()) }()
	return newService(o, allowed, kept).run(ctx, listener)
}

// service is one run.
type service struct {
	Options
	access  *access
	store   *store
	metrics *figures
	history *history
	sampler *sampler
	feed    *page.Feed

	failures   int       // of restart, in a row
	maintained time.Time // when Maintain was called last
}

func newService(o Options, a *access, st *store) *service {
	s := &service{Options: o, access: a, store: st, feed: &page.Feed{}, history: newHistory(st)}
	s.sampler = newSampler(o, s.history, s.feed)
	s.metrics = newMetrics(o.Version, s.sampler, st)
	return s
}

func (s *service) run(ctx context.Context, l net.Listener) error {
	bounded := socket.Limit(l, s.Limits.Connections, 0) // a proxy in front asks for all
	s.metrics.watch(bounded)
	server := s.server()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.sampler.loop(ctx) })
	if s.sampler.fleet != nil {
		group.Go(func() error { return s.sampler.fleet.Run(ctx) })
	}
	group.Go(func() error { return s.restartLoop(ctx) })
	group.Go(func() error { return s.notifyLoop(ctx) })
	group.Go(func() error { return serveHTTP(server, bounded) })
	group.Go(func() error {
		<-ctx.Done()
		return s.stop(server)
	})
	s.Log.Info().Str("listen", l.Addr().String()).Str("interval", ui.Duration(s.Interval)).Msg("serving")
	if s.Listening != nil {
		s.Listening(l.Addr())
	}
	return s.await(ctx, group.Wait)
}

// errHangs: a look, or a restart, did not end with the service.
var errHangs = errors.New("something hangs, perhaps in a file system that does not answer: ended without it")

// await returns errHangs if the goroutines have not ended 2*Limits.Stop after ctx:
// a read from a hung file system cannot be interrupted.
func (s *service) await(ctx context.Context, wait func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(2 * s.Limits.Stop): // the answers in progress have half of it
		return errHangs
	}
}
