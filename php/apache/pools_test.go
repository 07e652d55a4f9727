package apache_test

import (
	"slices"
	"testing"
	"time"

	"relink/php/apache"
	"relink/php/probe"
)

// A process that this machine does not show is known by the numbers of its own PID
// namespace, where the parent is mostly 1.
func TestWebPoolsThatThisMachineDoesNotShow(t *testing.T) {
	start := time.Unix(1000, 0)
	answer := func(url string, parent int, start time.Time) probe.Heard {
		return probe.Heard{Door: probe.Door{URL: url, Host: "club.test"}, Answer: probe.Answer{SAPI: "apache2handler", PID: 1 << 30, ParentPID: parent, CacheStart: start}}
	}
	first := answer("http://127.0.0.1/", 1, start)
	threads, fpm, silent := first, first, first
	threads.Answer.ThreadSafe, threads.Answer.ParentPID = true, 7
	fpm.Answer.SAPI = "fpm-fcgi"
	silent.Err = probe.ErrHidden
	heard := []probe.Heard{
		first, answer("http://127.0.0.1/", 1, start), // one Apache with two sites
		answer("http://127.0.0.1:81/", 1, start),               // another container
		answer("http://127.0.0.1/", 1, start.Add(time.Second)), // another cache
		threads, fpm, silent,
	}
	pools := apache.Pools(t.Context(), heard, func(site int) string { return []string{"/a", "/b", "/c", "/d", "/e"}[site] })
	var sites [][]int
	for _, p := range pools {
		sites = append(sites, p.Sites)
		if p.Apache != 0 || p.String() != "mod_php "+p.Door.String() || p.Threads != (p.AgentDir == "/e") {
			t.Errorf("%+v", p)
		}
	}
	if want := [][]int{{0, 1}, {2}, {3}, {4}}; !slices.EqualFunc(sites, want, slices.Equal) || pools[1].AgentDir != "/c" {
		t.Errorf("%v, want %v", sites, want)
	}
}
