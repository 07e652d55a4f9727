package serve

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"relink/deploy/lock"
	"relink/health"
	"relink/health/gather"
	"relink/internal/links"
	"relink/opcache/restart"
	"relink/php"
)

// finishing is a service that has seen something, with a restart pending.
func finishing(t *testing.T, facts health.Facts, f Resume) *service {
	t.Helper()
	o := idle(t)
	o.Resume = f
	s := newService(o, &access{}, memoryStore(t))
	s.sampler.reading.Store(newReading(s.sampler, facts, nil, nil))
	if err := restart.WritePending(o.Health.State, []restart.Pending{{Order: restart.Order{Pools: []string{"p"}, Decision: restart.Decision{Action: restart.Reset}}}}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNothingIsRestartedDuringADeploy(t *testing.T) {
	for name, facts := range map[string]health.Facts{
		"a deploy runs": {Time: noon, Apps: []health.App{{Name: "a", Locked: &lock.Holder{}}}}, "nothing was seen yet": {},
	} {
		s := finishing(t, facts, func(context.Context, []string) (restart.Outcome, error) {
			t.Errorf("%s: a restart is tried", name)
			return restart.Outcome{}, nil
		})
		if err := s.restart(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestAFailingRestartIsTriedMoreRarely(t *testing.T) {
	failed := errors.New("no")
	begun := restart.Outcome{Masters: []restart.MasterRestart{{Action: restart.ReloadFPM}}}
	s := finishing(t, health.Facts{Time: noon}, func(context.Context, []string) (restart.Outcome, error) { return begun, failed })
	var pauses []time.Duration
	for range 20 {
		err := s.restart(t.Context())
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		pauses = append(pauses, min(s.retry(err), slowestRetry))
	}
	if !slices.IsSorted(pauses) || pauses[0] <= s.Interval || pauses[19] > slowestRetry {
		t.Errorf("%v", pauses)
	}
	failed = nil
	if err := s.restart(t.Context()); err != nil || s.failures != 0 {
		t.Errorf("%v, %d failures", err, s.failures)
	}
	if s.retry(restart.ErrRestarting) != s.Interval {
		t.Error("another relink's restart is taken for a failure")
	}
}

// What was hot of a release that no instance is on is not warmed again.
func TestReleasesWithoutInstanceAreUnused(t *testing.T) {
	dir := t.TempDir()
	for _, id := range []string{"v1", "v2", "v3", ".staging-x"} {
		if err := os.Mkdir(filepath.Join(dir, id), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	facts := health.Facts{Time: noon, Apps: []health.App{{InUse: links.InUse{Releases: dir, Links: map[string]string{
		"/a": dir + "/v2/public", "/b": dir + "/v3", "/c": dir + "x/v1",
	}}}}}
	if got := unusedReleases(&reading{facts: facts}); !slices.Equal(got, []string{dir + "/v1"}) {
		t.Errorf("%v", got)
	}
}

// Pools are listed anew now and then, sooner where something does not answer.
func TestPoolsAreDiscoveredAgain(t *testing.T) {
	lists := 0
	d := newDiscovery(gather.Deps{Pools: func(context.Context) ([]php.Pool, error) { lists++; return make([]php.Pool, 1), nil }})
	look := func(age time.Duration, f health.Facts) int {
		d.note(f)
		d.at = time.Now().Add(-age)
		if pools, err := d.get(t.Context()); len(pools) != 1 || err != nil {
			t.Error(pools, err)
		}
		return lists
	}
	if _, err := d.get(t.Context()); err != nil || lists != 1 {
		t.Errorf("%d %v", lists, err)
	}
	good, bad := health.Facts{Pools: make([]health.Pool, 1)}, health.Facts{Pools: []health.Pool{{Err: errors.New("down")}}}
	for _, one := range []struct {
		age   time.Duration
		facts health.Facts
		want  int
	}{{30 * time.Second, good, 1}, {30 * time.Second, bad, 2}, {5 * time.Second, bad, 2}, {2 * time.Minute, good, 3}, {20 * time.Second, health.Facts{}, 4}, {-time.Hour, good, 5}} {
		if got := look(one.age, one.facts); got != one.want {
			t.Errorf("%+v: listed %d times", one, got)
		}
	}
}
