package fleettest

import (
	"testing"
	"time"
)

// All hosts cut over at one instant, under load: nothing fails, and nothing old is answered
// once the command has returned.
func TestDeploy(t *testing.T) {
	f := newFleet(t, 3, 4, "")
	f.relink(0, "fleet", "deploy", "v1")
	f.wantOn("v1")
	f.must(f.line.Few(f.ctx, "v2"))
	l := f.beginLoad(4)
	report := f.relink(0, "fleet", "deploy", "v2")
	returned := time.Now()
	f.wantOn("v2")
	<-time.After(500 * time.Millisecond)
	result := l.Stop()
	if result.Errors != 0 || result.Requests < 100 {
		t.Errorf("%d of %d requests failed: %q", result.Errors, result.Requests, result.Described)
	}
	if old := result.OtherAfter(returned, "v2"); old != 0 {
		t.Errorf("%d old answers", old)
	}
	if report.SpreadMS == nil {
		t.Error("no spread")
	} else {
		t.Logf("spread %.1f ms, %d requests", *report.SpreadMS, result.Requests)
	}
}
