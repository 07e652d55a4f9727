package deploy

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"relink/internal/hint"
)

func TestExitCode(t *testing.T) {
	cause := errors.New("cause")
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"done":                         {nil, 0},
		"anything else":                {cause, 1},
		"usage":                        {usagef("what?"), 2},
		"rolled back":                  {as(ErrRolledBack, cause), 3},
		"rolled back, since cancelled": {as(ErrRolledBack, context.Canceled), 3},
		"not verified":                 {fmt.Errorf("settle: %w", as(ErrUnverified, cause)), 4},
		"locked":                       {hint.With(as(ErrLocked, cause), "wait"), 5},
		"cancelled":                    {fmt.Errorf("fetch: %w", context.Canceled), 130},
		"live, but interrupted":        {errors.Join(as(ErrInterrupted, cause), as(ErrUnverified, cause)), 130},
		"a time limit is not a signal": {context.DeadlineExceeded, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ExitCode(c.err); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
	if got := as(ErrRolledBack, cause).Error(); got != "cause" {
		t.Errorf("the kind changed the text: %q", got)
	}
}
