package load

import (
	"slices"
	"time"
)

// Result is what a load has seen. Times are exact to the client's clock; an
// answer's time is from before the request to its last byte.
type Result struct {
	Start, End time.Time
	Requests   int      // answers and errors
	Errors     int      // no answer, a status other than 2xx, or no release where one is looked for
	Described  []string // the first errors in words

	samples  []sample
	releases []string
	hosts    []string
}

// Seen tells when one host answered with one release.
type Seen struct {
	Host, Release string
	Answers       int
	First, Last   time.Time // when the first and the last such answer had arrived
}

// Throughput is requests per second.
func (r Result) Throughput() float64 {
	if seconds := r.End.Sub(r.Start).Seconds(); seconds > 0 {
		return float64(r.Requests) / seconds
	}
	return 0
}

// Rates is the throughput of each whole window between from and to: the answers
// that arrived in it, per second.
func (r Result) Rates(from, to time.Time, window time.Duration) []float64 {
	rates := make([]float64, max(0, to.Sub(from)/window))
	first := from.Sub(r.Start)
	for _, s := range r.samples {
		after := s.begin + s.took - first
		if n := int(after / window); !s.failed && after >= 0 && n < len(rates) {
			rates[n] += 1 / window.Seconds()
		}
	}
	return rates
}

// Worst is the longest time of a request that was under way at some moment
// between from and to; 0 if there was none.
func (r Result) Worst(from, to time.Time) (worst time.Duration) {
	first, last := from.Sub(r.Start), to.Sub(r.Start)
	for _, s := range r.samples {
		if s.begin <= last && s.begin+s.took >= first {
			worst = max(worst, s.took)
		}
	}
	return worst
}

// OldAfter counts the answers of release whose request began after t.
func (r Result) OldAfter(t time.Time, release string) int {
	return r.count(func(s sample) bool {
		return r.releases[s.release] == release && s.begin > t.Sub(r.Start)
	})
}

// Since is the part of the load whose requests began after t. What went wrong is
// counted, not described.
func (r Result) Since(t time.Time) Result {
	kept := Result{Start: r.Start, End: r.End, releases: r.releases, hosts: r.hosts}
	for _, s := range r.samples {
		if s.begin <= t.Sub(r.Start) {
			continue
		}
		kept.samples = append(kept.samples, s)
		kept.Requests++
		if s.failed {
			kept.Errors++
		}
	}
	return kept
}

// Answers counts the answers of release over the whole load.
func (r Result) Answers(release string) int {
	return r.count(func(s sample) bool { return !s.failed && r.releases[s.release] == release })
}

func (r Result) count(accept func(sample) bool) int {
	n := 0
	for _, s := range r.samples {
		if accept(s) {
			n++
		}
	}
	return n
}

// Seen lists every pair of host and release that occurred, sorted by first sight.
func (r Result) Seen() []Seen {
	type pair struct{ host, release int16 }
	seen := map[pair]*Seen{}
	for _, s := range r.samples {
		if s.failed {
			continue
		}
		at := r.Start.Add(s.begin + s.took)
		entry := seen[pair{s.host, s.release}]
		if entry == nil {
			entry = &Seen{Host: r.hosts[s.host], Release: r.releases[s.release], First: at, Last: at}
			seen[pair{s.host, s.release}] = entry
		}
		entry.Answers++
		if at.Before(entry.First) {
			entry.First = at
		}
		if at.After(entry.Last) {
			entry.Last = at
		}
	}
	all := make([]Seen, 0, len(seen))
	for _, entry := range seen {
		all = append(all, *entry)
	}
	slices.SortFunc(all, func(a, b Seen) int { return a.First.Compare(b.First) })
	return all
}
