package serve

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// fullEvery is how old the list of scripts may become, where it is cheap.
	fullEvery = time.Minute
	// fullAtLeast is how old it may become where it is not.
	fullAtLeast = 15 * time.Minute
	// mostSaved is CPU time that may be spent at once after a quiet time, so that
	// a deploy is looked at closely when it has ended.
	mostSaved = time.Second
	// mostWait bounds how far looks are spread where even a cheap one costs much.
	mostWait = time.Minute
)

// budget keeps the service within its share of a core: a full look needs CPU
// time that was saved.
type budget struct {
	share float64 // of one core
	saved time.Duration
	at    time.Time     // when it was counted
	used  time.Duration // CPU time of the process then
	full  time.Time     // of the last full look
}

func newBudget(share float64, now time.Time, used time.Duration) budget {
	return budget{share: share, saved: mostSaved, at: now, used: used}
}

// count adds what was earned and takes off what was spent since the last count.
func (b *budget) count(now time.Time, used time.Duration) {
	earned := time.Duration(float64(now.Sub(b.at)) * b.share)
	b.saved = min(b.saved+max(earned, 0), mostSaved) - max(used-b.used, 0)
	b.at, b.used = now, used
}

// fullNow tells whether everything is to be looked at now. What has changed is a
// reason not to wait.
func (b *budget) fullNow(now time.Time, changed bool) bool {
	age := now.Sub(b.full)
	switch {
	case b.full.IsZero() || age < 0 || age >= fullAtLeast:
		return true
	case b.saved <= 0:
		return false
	}
	return changed || age >= fullEvery
}

// wait is the time until the next look, longer where one costs more than its
// share.
func (b *budget) wait(interval, cost time.Duration) time.Duration {
	return max(interval, min(time.Duration(float64(cost)/b.share), mostWait))
}

// cpuTime is that of this process and of the children that it has waited for,
// such as "php-fpm -tt".
func cpuTime() time.Duration {
	var sum time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}
