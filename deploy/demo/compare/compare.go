package compare

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Plan is what is compared.
type Plan struct {
	Subject    Subject
	Ways       []Way
	Situations []Situation
	Rounds     int
	Whole      bool // releases have no file in common with those before

	Executable string                        // relink
	Say        func(format string, a ...any) // progress
}

// Run measures each way in each situation once in a round: what the machine does besides
// meets all ways alike.
func Run(ctx context.Context, o Plan) (pairs []Pair, err error) {
	scenes, err := o.scenes(ctx)
	defer func() {
		for _, s := range scenes {
			err = errors.Join(err, s.leave())
		}
	}()
	if err != nil {
		return nil, err
	}
	for round := range o.Rounds {
		for _, at := range o.Situations {
			for i := range o.Ways {
				way := o.Ways[(i+round)%len(o.Ways)] // nobody is always the first
				p, err := scenes[way.on.name].measure(ctx, way, at, o.Whole)
				if err != nil {
					return pairs, err
				}
				p.Round = round + 1
				pairs = append(pairs, p)
				o.Say("%s", p.line())
			}
		}
	}
	return pairs, nil
}

// scenes has each server that the ways need, with the first release, its caches filled.
func (o Plan) scenes(ctx context.Context) (map[string]*scene, error) {
	scenes := map[string]*scene{}
	for _, way := range o.Ways {
		if scenes[way.on.name] == nil {
			o.Say("%s: %s, %d sites", o.Subject.Name, way.on.name, o.Subject.Sites)
			s, err := newScene(ctx, o.Subject, way.on, o.Executable)
			scenes[way.on.name] = s
			if err != nil {
				return scenes, fmt.Errorf("%s: %w", way.on.name, err)
			}
		}
		if err := scenes[way.on.name].rehearse(ctx, way); err != nil {
			return scenes, fmt.Errorf("%s: %w", way.Name, err)
		}
	}
	return scenes, nil
}

// rehearse deploys so often that relink has all its slots by then, and to know
// how long one takes.
func (s *scene) rehearse(ctx context.Context, way Way) error {
	run := way.run
	if run == nil {
		run = reload
	}
	for range 3 {
		tag, err := s.next(ctx, false)
		if err != nil {
			return err
		}
		began := time.Now()
		if _, err := run(ctx, s, tag); err != nil {
			return err
		}
		s.live, s.last[way.Name] = tag, time.Since(began)+tail
		if err := s.visit(ctx); err != nil {
			return err
		}
	}
	return s.renew(ctx, way)
}

func (s *scene) measure(ctx context.Context, way Way, at Situation, whole bool) (Pair, error) {
	p, err := s.pair(ctx, way, at, whole)
	if err != nil {
		return p, err
	}
	return p, s.renew(ctx, way)
}

// renew puts right what a way has left: workers on the old release.
func (s *scene) renew(ctx context.Context, way Way) error {
	if !way.lingers {
		return nil
	}
	if err := signal(s.server.Pool("").MasterPID, syscall.SIGUSR2); err != nil {
		return err
	}
	return s.visit(ctx)
}

// visit has all caches filled.
func (s *scene) visit(ctx context.Context) error {
	t, err := s.begin(ctx, Situation{Load: true})
	if err != nil {
		return err
	}
	defer t.stop()
	return watch(ctx, s.subject.Visit)
}
