package exit

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"relink/internal/hint"
)

func TestStatus(t *testing.T) {
	cause := errors.New("cause")
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"done":                         {nil, 0},
		"anything else":                {cause, 1},
		"usage":                        {fmt.Errorf("%w: what?", ErrUsage), 2},
		"rolled back":                  {As(ErrRolledBack, cause), 3},
		"rolled back, since cancelled": {As(ErrRolledBack, context.Canceled), 3},
		"not verified":                 {fmt.Errorf("settle: %w", As(ErrUnverified, cause)), 4},
		"locked":                       {hint.With(As(ErrLocked, cause), "wait"), 5},
		"cancelled":                    {fmt.Errorf("fetch: %w", context.Canceled), 130},
		"live, but interrupted":        {errors.Join(As(ErrInterrupted, cause), As(ErrUnverified, cause)), 130},
		"unverified, since cancelled":  {As(ErrUnverified, context.Canceled), 130},
		"a contract of its own":        {fmt.Errorf("x: %w", As(ErrUsage, plugin(3))), 3},
		"a time limit is not a signal": {context.DeadlineExceeded, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Status(c.err); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
	if got := As(ErrRolledBack, cause).Error(); got != "cause" {
		t.Errorf("the kind changed the text: %q", got)
	}
}

// plugin is an error with an exit status of its own.
type plugin int

func (p plugin) Error() string   { return "plugin" }
func (p plugin) ExitStatus() int { return int(p) }

func TestPrinted(t *testing.T) {
	cause := errors.New("cause")
	if !IsPrinted(fmt.Errorf("x: %w", Printed(cause))) || IsPrinted(cause) || Printed(nil) != nil {
		t.Error("printed")
	}
	if got := Printed(As(ErrLocked, cause)); Status(got) != Locked || got.Error() != "cause" {
		t.Errorf("%v, %d", got, Status(got))
	}
}
