//go:build faults

package fleettest

import (
	"strings"
	"testing"
)

func init() { everyFault = true }

// Clocks that are minutes apart change nothing: rollouts are in the order in which they were
// asked for, whoever asks, and a rollback goes to the one before. A clock that is behind a
// certificate keeps its host out, which says why, until it is right.
func TestClocksApart(t *testing.T) {
	t.Parallel()
	const ahead, behind = 10 * 60, -10 * 60
	f := newFleet(t, 3, 2, func(s *spec) {
		s.Extra = "  lease: 3s\n  absent: 1s\n  prepare: 30s\n  switch: 20s\n"
		s.Clock = map[string]int{"web2": ahead, "web3": behind}[s.Name]
	})
	f.relink(0, "fleet", "deploy", "v1")
	l, _ := f.beginLoad(2)
	for _, ref := range []string{"v2", "v3", "v4"} {
		f.must(f.line.Few(f.ctx, ref))
	}
	f.relinkOn(1, 0, "fleet", "deploy", "v2")
	f.relinkOn(2, 0, "fleet", "deploy", "v3")
	report := f.relinkOn(0, 0, "fleet", "deploy", "v4")
	for host, seconds := range map[string]int{"web1": 0, "web2": ahead, "web3": behind} {
		if off := report.Clocks[host]/1000 - float64(seconds); off < -60 || off > 60 || report.SpreadMS != nil {
			t.Errorf("%v, spread %v", report.Clocks, report.SpreadMS)
		}
	}
	f.wantOn("v4")
	f.relink(0, "fleet", "rollback")
	f.wantOn("v3")

	h := f.hosts[2]
	kill(h.agent)
	h.Clock = -2 * 60 * 60
	h.startAgent()
	f.await("the agent says why", func() bool {
		return strings.Contains(h.log.String(), "not yet valid")
	})
	h.awaitReady(false)
	if refused := f.relinkOn(2, 1, "fleet", "deploy", "v4"); !strings.Contains(refused.Error.Message, "not yet valid") || !strings.Contains(strings.Join(refused.Error.Hints, ""), "clocks") {
		t.Errorf("%+v", refused.Error)
	}
	kill(h.agent)
	h.Clock = behind
	h.startAgent()
	h.awaitReady(true)
	f.relink(0, "fleet", "deploy", "v4")
	f.wantOn("v4")
	if result := l.Stop(); result.Errors != 0 {
		t.Errorf("%d of %d requests failed: %q", result.Errors, result.Requests, result.Described)
	}
}
