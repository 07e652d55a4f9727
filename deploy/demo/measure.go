package demo

import (
	"slices"
	"time"

	"relink/internal/sandbox/app"
	"relink/internal/sandbox/load"
)

// span is one act in time: the command began, it returned, and the load went on
// until the act ended.
type span struct{ began, returned, ended time.Time }

// figures is what the load saw during one act.
type figures struct {
	requests int
	errors   int
	first    string        // error, in words
	old      int           // pages of the release that the sites had left, begun after the command returned
	strayed  int           // pages of a release that the sites should not be on at any time of the act
	mixed    int           // pages put together from two releases
	worst    time.Duration // of the requests that were under way while the command ran
}

// expectation is what holds for some of the sites during an act.
type expectation struct {
	gone  string // release that no page begun after the command's return may be of
	never string // release that no page of the act may be of
}

// measure compares what the load on some sites had seen before the act and at its end.
func measure(before, after load.Result, at span, e expectation) figures {
	f := figures{
		requests: after.Requests - before.Requests,
		errors:   after.Errors - before.Errors,
		mixed:    after.Answers(app.Mixed) - before.Answers(app.Mixed),
		worst:    after.Worst(at.began, at.returned),
	}
	if n := len(before.Described); f.errors > 0 && len(after.Described) > n {
		f.first = after.Described[n]
	}
	if e.gone != "" {
		f.old = after.OldAfter(at.returned, e.gone)
	}
	if e.never != "" {
		f.strayed = after.OldAfter(at.began, e.never)
	}
	return f
}

// measureAll is the same for the first site and the rest, in one.
func measureAll(before, after seen, at span, first, rest expectation) figures {
	a, b := measure(before.first, after.first, at, first), measure(before.rest, after.rest, at, rest)
	if a.first == "" {
		a.first = b.first
	}
	a.requests += b.requests
	a.errors += b.errors
	a.old += b.old
	a.strayed += b.strayed
	a.mixed += b.mixed
	a.worst = max(a.worst, b.worst)
	return a
}

// lost counts the processes that are no longer there.
func lost(before, after []int) int {
	n := 0
	for _, pid := range before {
		if !slices.Contains(after, pid) {
			n++
		}
	}
	return n
}
