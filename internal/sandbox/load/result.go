package load

import (
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// Result is what a load has seen, or has seen so far. Times are exact to the client's clock; an
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

// Window is what a load has seen between two moments.
type Window struct {
	Answered int             // requests that arrived in it and were answered as they should
	Failed   int             // requests that came to their end in it, and failed
	Waits    []time.Duration // of the requests that were under way at some moment of it, shortest first
}

// Between looks at one.
func (r Result) Between(from, to time.Time) Window {
	var w Window
	first, last := from.Sub(r.Start), to.Sub(r.Start)
	for _, s := range r.samples {
		ended := s.begin + s.took
		if s.begin <= last && ended >= first {
			w.Waits = append(w.Waits, s.took)
		}
		switch within := ended >= first && ended <= last; {
		case within && s.failed:
			w.Failed++
		case within:
			w.Answered++
		}
	}
	slices.Sort(w.Waits)
	return w
}

// Wait is the one that a share of the requests (0..1) did not exceed; 0 without requests.
func (w Window) Wait(share float64) time.Duration {
	if len(w.Waits) == 0 {
		return 0
	}
	at := int(math.Ceil(share*float64(len(w.Waits)))) - 1
	return w.Waits[max(0, at)]
}

// OtherAfter counts the answers that are not of release and whose request began after t.
func (r Result) OtherAfter(t time.Time, release string) int {
	return r.count(func(s sample) bool {
		return !s.failed && r.releases[s.release] != release && s.begin > t.Sub(r.Start)
	})
}

// OldAfter counts the answers of release whose request began after t.
func (r Result) OldAfter(t time.Time, release string) int {
	return r.count(func(s sample) bool {
		return r.releases[s.release] == release && s.begin > t.Sub(r.Start)
	})
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

// Seen lists every pair of host and release that answered a request begun after that time,
// sorted by first sight.
func (r Result) Seen(after time.Time) []Seen {
	type pair struct{ host, release int16 }
	seen := map[pair]Seen{}
	for _, s := range r.samples {
		if s.failed || s.begin <= after.Sub(r.Start) {
			continue
		}
		at := r.Start.Add(s.begin + s.took)
		entry, again := seen[pair{s.host, s.release}]
		if !again {
			entry = Seen{Host: r.hosts[s.host], Release: r.releases[s.release], First: at}
		}
		entry.Answers++
		if at.Before(entry.First) {
			entry.First = at
		}
		if at.After(entry.Last) {
			entry.Last = at
		}
		seen[pair{s.host, s.release}] = entry
	}
	return slices.SortedFunc(maps.Values(seen), func(a, b Seen) int { return a.First.Compare(b.First) })
}

// maxDescribed bounds how many errors are kept in words.
const maxDescribed = 10

// sample is one answer in 24 bytes: a load of a minute has some 300,000.
type sample struct {
	begin   time.Duration // since the start of the load
	took    time.Duration
	release int16 // index into Result.releases
	host    int16
	failed  bool
}

// recorder collects the samples of all clients. What a Result shares with it only grows.
type recorder struct {
	mu   sync.Mutex
	seen Result // its End is zero while the load runs
}

func (r *recorder) add(s sample, release string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := slices.Index(r.seen.releases, release)
	if known < 0 {
		known, r.seen.releases = len(r.seen.releases), append(r.seen.releases, release)
	}
	s.release = int16(known)
	r.seen.samples = append(r.seen.samples, s)
	if r.seen.Requests++; err == nil {
		return
	}
	if r.seen.Errors++; len(r.seen.Described) < maxDescribed {
		r.seen.Described = append(r.seen.Described, err.Error())
	}
}

func (r *recorder) close(end time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen.End = end
}

func (r *recorder) result() Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	result := r.seen
	if result.End.IsZero() {
		result.End = time.Now()
	}
	return result
}
