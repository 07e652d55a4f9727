package fleet

import (
	"math"
	"strings"
	"testing"
)

// One value in etcd must not crash every agent.
func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		alter func(*Rollout)
		want  string
	}{
		"well":                      {func(*Rollout) {}, ""},
		"waves":                     {func(r *Rollout) { r.Waves, r.Wave = []int{1, 2}, 1 }, ""},
		"a negative wave":           {func(r *Rollout) { r.Waves = []int{-1, 2} }, "do not rise"},
		"an empty wave":             {func(r *Rollout) { r.Waves = []int{1, 1, 2} }, "do not rise"},
		"too few in the last wave":  {func(r *Rollout) { r.Waves = []int{1} }, "do not end with all"},
		"too many in the last wave": {func(r *Rollout) { r.Waves = []int{1, 3} }, "do not end with all"},
		"before the first wave":     {func(r *Rollout) { r.Waves, r.Wave = []int{1, 2}, -1 }, "wave -1"},
		"behind the last wave":      {func(r *Rollout) { r.Waves, r.Wave = []int{1, 2}, 2 }, "wave 2"},
		"a wave where there is one": {func(r *Rollout) { r.Wave = 1 }, "wave 1"},
		"no quorum":                 {func(r *Rollout) { r.Quorum = 0 }, "quorum of 0"},
		"more than all":             {func(r *Rollout) { r.Quorum = 3 }, "quorum of 3"},
		"no hosts":                  {func(r *Rollout) { r.Hosts, r.Quorum = nil, 1 }, "quorum"},
		"a phase of a later relink": {func(r *Rollout) { r.Phase = "verify" }, `"verify"`},
		"no phase":                  {func(r *Rollout) { r.Phase = "" }, "phase"},
		"ended before its verdict":  {func(r *Rollout) { r.Ended = true }, "has ended in the phase"},
		"no id":                     {func(r *Rollout) { r.ID = "" }, "no id"},
		"no bound":                  {func(r *Rollout) { r.Bounds.Prepare = 0 }, "prepare_seconds"},
		"a negative bound":          {func(r *Rollout) { r.Bounds.Switch = -1 }, "switch_seconds"},
		"a bound that is no number": {func(r *Rollout) { r.Bounds.Absent = Seconds(math.NaN()) }, "absent_seconds"},
		"a bound of centuries":      {func(r *Rollout) { r.Bounds.Absent = 1e10 }, "absent_seconds"},
		"ended":                     {func(r *Rollout) { *r = Rollout{ID: "1", Phase: Done, Ended: true} }, ""},
		"ended, of negative waves":  {func(r *Rollout) { *r = Rollout{ID: "1", Phase: Done, Ended: true, Waves: []int{-1}} }, "do not rise"},
	} {
		t.Run(name, func(t *testing.T) {
			s := at(Switching, "a", "b")
			c.alter(s.Rollout)
			if err := s.Validate(); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if err := (State{}).Validate(); err != nil {
		t.Error(err)
	}
}

// Whatever passes does not crash those who decide and take part.
func FuzzValidate(f *testing.F) {
	f.Add(0, 1, 2, 1, 2, "switch", false)
	f.Add(-1, -1, 2, 0, 3, "prepare", true)
	f.Fuzz(func(t *testing.T, wave, one, other, quorum, hosts int, phase string, ended bool) {
		s := at(Phase(phase), []string{"a", "b", "c"}[:max(0, min(3, hosts))]...)
		r := s.Rollout
		r.Wave, r.Waves, r.Quorum, r.Ended = wave, []int{one, other}, quorum, ended
		if s.Validate() != nil {
			return
		}
		for _, stage := range []Stage{Working, Ready, Switched, Finished, Returned, Failed} {
			next, _ := Next(s, votes(map[string]Stage{"a": stage, "b": Ready}))
			if err := next.Validate(); err != nil {
				t.Errorf("%+v becomes %+v: %v", r, next.Rollout, err)
			}
		}
		s.WantedOf("a")
		r.MayCutOver("a")
		DutyOf(s, "a", AppOn{}, Vote{})
	})
}
