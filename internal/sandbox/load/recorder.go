package load

import (
	"slices"
	"sync"
	"time"
)

// maxDescribed bounds how many errors are kept in words.
const maxDescribed = 10

// sample is one answer in 24 bytes: a load of a minute has some 300,000.
type sample struct {
	begin   time.Duration // since the start of the load
	took    time.Duration
	release int16 // index into recorder.releases
	host    int16
	failed  bool
}

// recorder collects the samples of all clients.
type recorder struct {
	mu       sync.Mutex
	samples  []sample
	releases []string
	errors   []string
	end      time.Time // zero while the load runs
}

func (r *recorder) add(s sample, release string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := slices.Index(r.releases, release)
	if known < 0 {
		known, r.releases = len(r.releases), append(r.releases, release)
	}
	s.release = int16(known)
	r.samples = append(r.samples, s)
	if err != nil && len(r.errors) < maxDescribed {
		r.errors = append(r.errors, err.Error())
	}
}

func (r *recorder) close(end time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end = end
}

func (r *recorder) result(start time.Time, hosts []string) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := r.end
	if end.IsZero() {
		end = time.Now()
	}
	result := Result{
		Start: start, End: end, Requests: len(r.samples),
		Described: slices.Clone(r.errors),
		samples:   slices.Clone(r.samples), releases: slices.Clone(r.releases), hosts: hosts,
	}
	for _, s := range r.samples {
		if s.failed {
			result.Errors++
		}
	}
	return result
}
