// Package hedge asks a second way where the first brings no answer.
package hedge

import (
	"context"
	"fmt"
	"time"
)

// Way is one of two to the same answer.
type Way[T any] func(context.Context) (T, error)

// Pair is what to ask, and when the second is worth it.
type Pair[T any] struct {
	First, Second Way[T]
	Patience      time.Duration // how long the first is asked alone
	AfterFailure  bool          // the second is also asked when the first has failed, not only when it is slow
}

type answer[T any] struct {
	value  T
	err    error
	second bool
}

// Ask gives the first answer that is no error, and whether it came by the second
// way; else what both said. It returns when no way is under way any more: the one
// whose answer is not needed is told so by its context.
func (p Pair[T]) Ask(ctx context.Context) (value T, bySecond bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer[T], 2)
	begin := func(way Way[T], second bool) {
		got, err := way(ctx)
		answers <- answer[T]{got, err, second}
	}
	go begin(p.First, false)
	late := time.NewTimer(p.Patience)
	defer late.Stop()
	ways, ended := 1, 0
	errs := map[bool]error{}
	for ended < ways {
		failed := false
		select {
		case <-late.C:
		case got := <-answers:
			ended++
			if got.err == nil {
				cancel()
				for ; ended < ways; ended++ {
					<-answers
				}
				return got.value, got.second, nil
			}
			errs[got.second], failed = got.err, true
		}
		if ways == 1 && ctx.Err() == nil && (!failed || p.AfterFailure) {
			ways++
			go begin(p.Second, true)
		}
	}
	return value, false, both(errs[false], errs[true])
}

func both(first, second error) error {
	if second == nil {
		return first
	}
	return fmt.Errorf("%w; the other way: %w", first, second)
}
