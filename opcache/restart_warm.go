package opcache

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"relink/php"
)

// rewarmSlice is how long one request of the warm after a restart keeps a worker.
const rewarmSlice = 100 * time.Millisecond

// remember notes what is live in the cache, the hottest first, and for each
// script one cache under whose paths it can be compiled.
func (r *restarting) remember(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.caches.options.CallTimeout)
	defer cancel()
	scripts, err := r.memory.caches[0].agent().Scripts(ctx, nil)
	if err != nil {
		return err
	}
	slices.SortStableFunc(scripts, func(a, b php.Script) int { return cmp.Compare(b.Hits, a.Hits) })
	for _, script := range scripts {
		if !script.Live || !strings.HasPrefix(script.Path, "/") { // "$PRELOAD$" is no file
			continue
		}
		if one := r.home(script.Path); one != nil {
			r.hot[one] = append(r.hot[one], script.Path)
		} else {
			r.done.Warm.Absent++
		}
	}
	return nil
}

// home gives the cache whose pools see a file under this path that is in use, or nil.
func (r *restarting) home(path string) *cache {
	for _, one := range r.memory.caches {
		host := one.toHost(path)
		if slices.ContainsFunc(r.options.Unused, func(folder string) bool { return strings.HasPrefix(host, strings.TrimRight(folder, "/")+"/") }) {
			return nil
		}
		if info, err := os.Stat(host); err == nil && info.Mode().IsRegular() {
			return one
		}
	}
	return nil
}

// warm compiles what was hot, as fast as it goes with half of the workers: each
// page that a visitor asks for first costs him the compilation, and the other
// half serves him meanwhile.
func (r *restarting) warm(ctx context.Context) error {
	r.done.Warm.Failed = []FailedScript{}
	for one, files := range r.hot {
		options := r.caches.options
		options.WarmWorkers = max(len(one.pools[0].lastListing())/2, 1)
		options.WarmSlice, options.WarmPause = rewarmSlice, 0
		fast := &Caches{options: options, caches: r.caches.caches}
		failed, err := fast.compile(ctx, one, dealt(files, options.WarmWorkers), func(int) {})
		if err != nil {
			return err
		}
		r.done.Warm.Scripts += len(files) - len(failed)
		r.done.Warm.Failed = append(r.done.Warm.Failed, failed...)
	}
	return nil
}

// dealt orders files so that n workers, who are given one piece of it each, all
// begin with the first ones.
func dealt(files []string, n int) []string {
	out := make([]string, 0, len(files))
	for first := range n {
		for i := first; i < len(files); i += n {
			out = append(out, files[i])
		}
	}
	return out
}
