package opcache

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"relink/fcgi"
	"relink/internal/config"
	"relink/php"
)

func TestPacing(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	warm := config.Warm{Slice: 200 * ms, Pause: 50 * ms}
	type after struct {
		took    time.Duration
		crowded bool
		rest    time.Duration // that follows
		slice   time.Duration // of the request after it
	}
	for name, c := range map[string]struct {
		config.Warm
		gently bool
		first  time.Duration
		calls  []after
	}{
		"at full speed":    {warm, false, 200 * ms, []after{{200 * ms, true, 50 * ms, 200 * ms}}},
		"nobody waits":     {warm, true, 20 * ms, []after{{20 * ms, false, 5 * ms, 40 * ms}, {40 * ms, false, 10 * ms, 80 * ms}, {80 * ms, false, 20 * ms, 160 * ms}, {160 * ms, false, 40 * ms, 200 * ms}, {200 * ms, false, 50 * ms, 200 * ms}}},
		"the server fills": {warm, true, 20 * ms, []after{{20 * ms, false, 5 * ms, 40 * ms}, {30 * ms, true, 120 * ms, 20 * ms}, {900 * ms, true, 80 * ms, 20 * ms}, {5 * ms, true, 50 * ms, 20 * ms}}},
		"short slices":     {config.Warm{Slice: 10 * ms}, true, 10 * ms, []after{{10 * ms, false, 0, 10 * ms}, {10 * ms, true, 40 * ms, 10 * ms}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := (&Caches{Options: Options{Warm: c.Warm, Gently: c.gently}}).pacing()
			if p.slice != c.first {
				t.Errorf("begins with %s, want %s", p.slice, c.first)
			}
			for i, one := range c.calls {
				if rest := p.after(one.took, one.crowded); rest != one.rest || p.slice != one.slice {
					t.Errorf("call %d: rests %s, works %s; want %s, %s", i, rest, p.slice, one.rest, one.slice)
				}
			}
		})
	}
}

// Full is for the tests of this package against real pools.
func (p *Pool) Full(ctx context.Context) bool { return p.full(ctx) }

// A pool of which all workers are taken never answers its status page.
func TestAPoolThatNeverAnswersIsFull(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket) // nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	pool := NewPool(php.Pool{Address: fcgi.Address{Network: "unix", Path: socket}, StatusPath: "/status"}, nil)
	p := (&Caches{Options: Options{Warm: config.Warm{Slice: 200 * time.Millisecond}, Gently: true}}).pacing()
	p.patience = 2 * listPatience
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := p.rest(ctx, pool, time.Millisecond); err != nil || p.patience > 0 {
		t.Errorf("the rest ended with %s of patience: %v", p.patience, err)
	}
}
