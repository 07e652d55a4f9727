package compare

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"relink/internal/pace"
)

// Plan is what is compared of a subject.
type Plan struct {
	Subject    Subject
	Ways       []Way
	Situations []Situation
	Whole      bool          // releases have no file in common with those before
	Longest    time.Duration // of a window without a deploy; 0: as long as the one with it
}

// Comparison is what Run does.
type Comparison struct {
	Plans      []Plan
	Rounds     int
	Executable string                        // relink
	Say        func(format string, a ...any) // progress
	Told       func(Pair) string             // how a pair is told in it; nil: with all figures
	Each       func(soFar Pairs) error       // after each round; may be nil
}

// Run measures each way in each situation once in a round: what the machine does besides
// meets all ways alike.
func Run(ctx context.Context, o Comparison) (pairs Pairs, err error) {
	scenes := make([]stage, len(o.Plans))
	defer func() {
		for _, one := range scenes {
			err = errors.Join(err, one.leave())
		}
	}()
	for i, plan := range o.Plans {
		if scenes[i], err = plan.scenes(ctx, o); err != nil {
			return nil, err
		}
	}
	for round := 1; round <= o.Rounds; round++ {
		for i, plan := range o.Plans {
			measured, err := plan.round(ctx, scenes[i], round, o)
			pairs = append(pairs, measured...)
			if err != nil {
				return pairs, err
			}
		}
		if o.Each != nil {
			if err := o.Each(pairs); err != nil {
				return pairs, err
			}
		}
	}
	return pairs, nil
}

// round measures each way in each situation once.
func (p Plan) round(ctx context.Context, on stage, number int, o Comparison) (pairs []Pair, err error) {
	for _, at := range p.Situations {
		for i := range p.Ways {
			way := p.Ways[(i+number)%len(p.Ways)] // nobody is always the first
			if way.run == nil && !at.Alone {
				continue
			}
			one, err := on[way.on.name].measure(ctx, way, at, p)
			if err != nil {
				return pairs, err
			}
			one.Round = number
			pairs = append(pairs, one)
			o.tell(one)
		}
	}
	return pairs, nil
}

func (o Comparison) tell(p Pair) {
	if o.Told == nil {
		o.Told = Pair.line
	}
	o.Say("%s", o.Told(p))
}

// stage is the servers of a plan, by name.
type stage map[string]*scene

func (s stage) leave() error {
	var errs []error
	for _, one := range s {
		errs = append(errs, one.leave())
	}
	return errors.Join(errs...)
}

// scenes has each server that the ways need, with the first release, its caches filled.
func (p Plan) scenes(ctx context.Context, o Comparison) (stage, error) {
	scenes := stage{}
	for _, way := range p.Ways {
		if scenes[way.on.name] == nil {
			o.Say("%s: %s, %d sites", p.Subject.Name, way.on.name, p.Subject.Sites)
			s, err := newScene(ctx, p.Subject, way.on, o.Executable)
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

const rehearsals = 3

// rehearse deploys so often that relink has all its slots by then, and to know
// how long one takes.
func (s *scene) rehearse(ctx context.Context, way Way) error {
	s.rehearsing = true
	defer func() { s.rehearsing = false }()
	run, often := way.run, rehearsals
	if run == nil {
		run = reload
	}
	if s.live != "" && way.on.name == byHand.name {
		often = 1
	}
	for range often {
		tag, err := s.next(ctx, false)
		if err != nil {
			return err
		}
		began := time.Now()
		if _, err := run(ctx, s, tag); err != nil {
			return err
		}
		s.live, s.last[way.Name] = tag, time.Since(began)+s.subject.Tail
		if err := s.visit(ctx); err != nil {
			return err
		}
	}
	return s.renew(ctx, way)
}

func (s *scene) measure(ctx context.Context, way Way, at Situation, of Plan) (Pair, error) {
	p, err := s.pair(ctx, way, at, of)
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
	return pace.Wait(ctx, s.subject.Visit)
}
