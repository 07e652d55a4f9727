package report

import (
	"fmt"
	"time"
)

// windowStart finds the counters that a master's window begins with, or says
// why there are none.
func (b *builder) windowStart(m *Master) (*MasterTotals, string) {
	if m.Err != nil {
		return nil, ""
	}
	if b.before == nil {
		return nil, "there is no earlier sample"
	}
	start := b.before.of(m)
	s := m.Status.Statistics
	switch {
	case start == nil:
		return nil, "the earlier sample lacks this OPcache"
	case !start.CountedSince.Equal(lastStart(s)):
		return nil, "OPcache was restarted since the earlier sample"
	case start.Hits > s.Hits || start.Misses > s.Misses || !b.now.Time.After(b.before.Time):
		return nil, "the earlier sample does not precede this one"
	}
	return start, ""
}

func (b *builder) window(i int) WindowReport {
	start := b.windows[i]
	if start == nil {
		return WindowReport{Unknown: b.gaps[i]}
	}
	s := b.now.Masters[i].Status.Statistics
	hits, misses := s.Hits-start.Hits, s.Misses-start.Misses
	w := WindowReport{
		Since: known(b.before.Time), Seconds: b.now.Time.Sub(b.before.Time).Round(time.Millisecond).Seconds(),
		Hits: &hits, Misses: &misses,
	}
	if requests := hits + misses; requests < b.options.MinRequests {
		w.Unknown = fmt.Sprintf("%d requests in the window, %d are needed", requests, b.options.MinRequests)
		return w
	}
	rate := ratio(hits, hits+misses)
	w.Ratio = &rate
	return w
}
