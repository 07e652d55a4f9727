package php_test

import (
	"slices"
	"testing"
	"time"

	"relink/fcgi"
	"relink/internal/sandbox"
	"relink/php"
)

// testSiblings wants what the status page tells, and no worker of another pool.
func testSiblings(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{Pools: []sandbox.Pool{{Name: "www", Workers: 2}, {Name: "other", Workers: 1}}})
	held := check[php.Worker](t)(p.SweepAndHold(withTimeout(t), 10*time.Millisecond))
	listed, by, err := p.Siblings(withTimeout(t))
	if err != nil {
		t.Fatal(err)
	}
	page := check[fcgi.PoolStatus](t)(fcgi.Status(withTimeout(t), p.Pool().Address, p.server.Pool("www").StatusPath))
	var pids []int
	for i, w := range page.Processes {
		pids = append(pids, w.PID)
		if i >= len(listed) || listed[i].PID != w.PID || !listed[i].StartTime.Equal(w.StartTime) || listed[i].Requests > w.Requests {
			t.Errorf("%+v, want %+v", listed, page.Processes)
		}
		if w.PID == by.PID && listed[i].State != fcgi.StateRunning {
			t.Errorf("who answers is %+v", listed[i])
		}
	}
	if len(listed) != 2 || !slices.Contains(pids, held.PID) || !slices.Contains(pids, by.PID) {
		t.Errorf("%v: held %+v, answered %+v", pids, held, by)
	}
}
