package serve

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"relink/deploy/lock"
	"relink/health"
	"relink/internal/ui"
)

// Change is something that was noticed between two looks.
type Change struct {
	Time    time.Time `json:"time"`    // when it was noticed
	Kind    string    `json:"kind"`    // link, deploy, pool, master or restart
	Subject string    `json:"subject"` // application, pool or cache
	Message string    `json:"message"` // what happened
}

// keptChanges bounds what is remembered of them.
const keptChanges = 100

// changes remembers the last ones.
type changes struct {
	mu    sync.Mutex
	last  []Change // oldest first
	total map[string]int64
}

func newChanges() *changes {
	return &changes{total: map[string]int64{"link": 0, "deploy": 0, "pool": 0, "master": 0, "restart": 0}}
}

func (c *changes) add(noticed ...Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range noticed {
		c.total[one.Kind]++
	}
	c.last = append(c.last, noticed...)
	c.last = slices.Clone(c.last[max(0, len(c.last)-keptChanges):])
}

// newest gives the last changes, newest first.
func (c *changes) newest() []Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := append([]Change{}, c.last...)
	slices.Reverse(list)
	return list
}

func (c *changes) counted() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.total)
}

// changesBetween tells what is different between two looks.
func changesBetween(before, now health.Facts) []Change {
	var list []Change
	add := func(kind, subject, format string, args ...any) {
		list = append(list, Change{Time: now.Time.UTC(), Kind: kind, Subject: subject, Message: fmt.Sprintf(format, args...)})
	}
	for i := range now.Apps {
		if i < len(before.Apps) && before.Apps[i].Name == now.Apps[i].Name {
			appChanges(&before.Apps[i], &now.Apps[i], add)
		}
	}
	poolChanges(before.Pools, now.Pools, add)
	masterChanges(before.Masters, now.Masters, add)
	return list
}

type adder func(kind, subject, format string, args ...any)

func appChanges(before, now *health.App, add adder) {
	moves := map[[2]string]int{}
	for i := range now.Instances {
		if i < len(before.Instances) && before.Instances[i].Name == now.Instances[i].Name && before.Instances[i].Real != now.Instances[i].Real {
			moves[[2]string{before.Instances[i].Release, now.Instances[i].Release}]++
		}
	}
	for _, move := range slices.SortedFunc(maps.Keys(moves), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		add("link", now.Name, "%s moved from %s to %s", ui.Plural(moves[move], "link"), cmp.Or(move[0], "nowhere"), cmp.Or(move[1], "nowhere"))
	}
	deployChanges(before, now, add)
}

// deployChanges tells each of a deploy's beginning and end by itself: one look may see both,
// since the lock is held for a moment after the history has been written.
func deployChanges(before, now *health.App, add adder) {
	if began(before.Locked, now.Locked) {
		add("deploy", now.Name, "a deploy began, by %s", now.Locked.User)
	}
	last, known := now.Last, before.Last
	if last == nil || known != nil && known.ID == last.ID && known.Undone == last.Undone {
		return
	}
	outcome := "ended"
	if !last.Moved() {
		outcome = "failed and was rolled back"
	}
	add("deploy", now.Name, "the %s of %s %s", last.Operation, last.Release, outcome)
}

// began tells a deploy from the one of before. Who holds the lock and names nobody is about
// to, has ended, or restarts a cache.
func began(before, now *lock.Holder) bool {
	if now == nil || now.PID == 0 {
		return false
	}
	return before == nil || before.PID != now.PID || !before.Since.Equal(now.Since)
}

func poolChanges(before, now []health.Pool, add adder) {
	known := map[string]*health.Pool{}
	for i := range before {
		known[before[i].Address] = &before[i]
	}
	for i := range now {
		p := &now[i]
		old := known[p.Address]
		delete(known, p.Address)
		switch {
		case old == nil:
			add("pool", p.Address, "appeared")
		case old.Err == nil && p.Err != nil:
			add("pool", p.Address, "does not answer: %v", p.Err)
		case old.Err != nil && p.Err == nil:
			add("pool", p.Address, "answers again")
		case old.Status != nil && p.Status != nil && !old.Status.StartTime.Equal(p.Status.StartTime):
			add("pool", p.Address, "was started")
		}
	}
	for _, p := range before {
		if known[p.Address] != nil {
			add("pool", p.Address, "is gone")
		}
	}
}

func masterChanges(before, now []health.Master, add adder) {
	for i := range now {
		m := &now[i]
		at := slices.IndexFunc(before, func(o health.Master) bool { return o.Name == m.Name && o.Err == nil })
		if at < 0 || m.Err != nil {
			continue
		}
		switch old := &before[at]; {
		case instant(old.Started) != instant(m.Started):
			add("master", m.Name, "the FPM master was started or reloaded")
		case instant(old.LastRestart) != instant(m.LastRestart):
			add("restart", m.Name, "OPcache was restarted")
		}
	}
}
