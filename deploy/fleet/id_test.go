package fleet

import (
	"testing"
	"time"
)

func TestNewID(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 8e6, time.FixedZone("", 3600))
	for name, c := range map[string]struct {
		last *Rollout
		want string
	}{
		"the first":                       {nil, "20260304T040607.008Z"},
		"after an earlier one":            {&Rollout{ID: "20260304T040607.007Z"}, "20260304T040607.008Z"},
		"at the same moment":              {&Rollout{ID: "20260304T040607.008Z"}, "20260304T040607.009Z"},
		"by a clock that is behind":       {&Rollout{ID: "20260304T041559.999Z"}, "20260304T041600.000Z"},
		"after one that is not of a time": {&Rollout{ID: "x"}, "20260304T040607.008Z"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := NewID(now, c.last); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
