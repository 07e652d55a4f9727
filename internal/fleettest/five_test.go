//go:build faults

package fleettest

import (
	"testing"
	"time"
)

// Five hosts with 20 sites each, under load: nothing fails, and nothing old is answered; how
// long it took, and how far apart the cut-overs were, is told.
func TestFiveHosts(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 5, 20, nil)
	f.relink(0, "fleet", "deploy", "v1")
	f.wantOn("v1")
	l, _ := f.beginLoad(4)
	for _, ref := range []string{"v2", "v3", "v4"} {
		f.must(f.line.Few(f.ctx, ref))
		began := time.Now()
		report := f.relink(0, "fleet", "deploy", ref)
		returned := time.Now()
		f.wantOn(ref)
		enough := l.Result().Requests + 300
		f.await("visitors ask", func() bool { return l.Result().Requests >= enough })
		result := l.Result()
		if old := result.OtherAfter(returned, ref); result.Errors != 0 || old != 0 || report.SpreadMS == nil {
			t.Fatalf("%d of %d requests failed: %q; %d old answers; %+v", result.Errors, result.Requests, result.Described, old, report)
		}
		t.Logf("%s in %s, spread %.1f ms, %d requests", ref, returned.Sub(began).Round(time.Millisecond), *report.SpreadMS, result.Requests)
	}
}
