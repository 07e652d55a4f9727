package restart

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"relink/internal/links"
	"relink/opcache"
	"relink/php"
)

// rewarmSlice is how long one request of the warm after a restart keeps a worker.
const rewarmSlice = 100 * time.Millisecond

// remember notes what is live in the cache, the hottest first, and for each
// script one cache under whose paths it can be compiled.
func (r *restartRun) remember(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.caches.Options.Timeouts.Call)
	defer cancel()
	scripts, err := r.memory.Agent().Scripts(ctx, nil)
	if err != nil {
		return err
	}
	slices.SortStableFunc(scripts, func(a, b php.Script) int { return cmp.Compare(b.Hits, a.Hits) })
	seen := map[string]bool{}
	for _, script := range scripts {
		if !script.Live || !strings.HasPrefix(script.Path, "/") { // "$PRELOAD$" is no file
			continue
		}
		one, path := r.home(script.Path)
		switch {
		case one == nil:
			r.done.Warm.Absent++
		case !seen[path]: // a page of the new release may be there already
			seen[path] = true
			r.hot[one] = append(r.hot[one], path)
		}
	}
	return nil
}

// home gives the cache whose pools see a script that is in use, or nil, and
// the path under which it is compiled.
func (r *restartRun) home(path string) (*opcache.KeySpace, string) {
	for _, one := range r.memory.Spaces {
		host := r.follow(one.ToHost(path))
		if slices.ContainsFunc(r.options.Unused, func(folder string) bool { return links.Within(host, folder) }) {
			return nil, ""
		}
		if info, err := os.Stat(host); err == nil && info.Mode().IsRegular() {
			return one, one.ToPool(host)
		}
	}
	return nil, ""
}

// follow is where a script is after the switch.
func (r *restartRun) follow(host string) string {
	for from, to := range r.options.Moved {
		if links.Within(host, from) {
			return to + strings.TrimPrefix(host, from)
		}
	}
	return host
}

// warm compiles what was hot, as fast as it goes with half of the workers: each
// page that a visitor asks for first costs him the compilation, and the other
// half serves him meanwhile.
func (r *restartRun) warm(ctx context.Context) error {
	r.done.Warm.Failed = []opcache.FailedScript{}
	for one, files := range r.hot {
		options := r.caches.Options
		options.Warm.Workers = max(len(one.Pools[0].LastListing())/2, 1)
		options.Warm.Slice, options.Warm.Pause, options.Gently = rewarmSlice, 0, false
		fast := &opcache.Caches{Options: options, All: r.caches.All}
		failed, err := fast.Compile(ctx, one, dealt(files, options.Warm.Workers), func(int) {})
		if err != nil {
			return err
		}
		r.done.Warm.Scripts += len(files) - len(failed.Failed)
		r.done.Warm.Failed = append(r.done.Warm.Failed, failed.Failed...)
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
