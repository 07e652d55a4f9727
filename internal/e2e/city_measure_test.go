package e2e

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"relink/deploy/outcome"
)

// settling is left out of a measurement: connections are made in it.
const settling = 200 * time.Millisecond

// run loads the sites for one window: requests per second, and the processor's
// microseconds of web server and PHP for one.
func (c *city) run(path string) (rate, cost float64) {
	c.b.Helper()
	l := c.begin(path)
	<-time.After(settling)
	before, spent, began := l.Result().Requests, c.serversSpent(), time.Now()
	<-time.After(window)
	requests := float64(l.Result().Requests - before)
	spent, took := c.serversSpent()-spent, time.Since(began)
	c.end(l)
	return requests / took.Seconds(), float64(spent.Microseconds()) / requests
}

// processes are those of the web server and of PHP.
func (c *city) processes() []int {
	c.b.Helper()
	children, err := c.server.WebChildren()
	c.must(err)
	workers, err := c.server.WorkerPIDs("")
	c.must(err)
	return slices.Concat([]int{c.server.WebPID(), c.server.Pool("").MasterPID}, children, workers)
}

// tick is the unit of times in /proc/PID/stat (sysconf(_SC_CLK_TCK), on Linux
// always 100).
const tick = 10 * time.Millisecond

// serversSpent is the processor time of the servers up to now.
func (c *city) serversSpent() time.Duration {
	c.b.Helper()
	var sum time.Duration
	for _, pid := range c.processes() {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		c.must(err)
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		for _, field := range fields[11:13] { // utime, stime (proc(5))
			ticks, err := strconv.Atoi(string(field))
			c.must(err)
			sum += time.Duration(ticks) * tick
		}
	}
	return sum
}

// measured is what deploys have cost, in milliseconds.
type measured struct{ cutOver, sweep, worst, alone, ratio []float64 }

const (
	calm  = 3           // windows of the load alone before each deploy
	after = time.Second // length of each, and of the one from the first moved link on
)

// deploys makes n of them to all sites under load, each of the other of two releases.
func (c *city) deploys(n int) (m measured) {
	c.b.Helper()
	l := c.begin("")
	for i := range n {
		<-time.After(2 * time.Second) // until the caches are filled
		began := time.Now()
		<-time.After(calm * after)
		report, ended := c.relink("deploy", []string{"v2", "v1"}[i%2], "--all", "--reset", "smart")
		<-time.After(after)
		result := l.Result()
		var alone []float64
		for k := range calm {
			from := began.Add(time.Duration(k) * after)
			alone = append(alone, ms(result.Between(from, from.Add(after)).Wait(1)))
		}
		moved := ended.Add(-since(report, "switch"))
		worst := ms(result.Between(moved, moved.Add(after)).Wait(1))
		m.cutOver, m.sweep = append(m.cutOver, report.CutoverMS), append(m.sweep, stepMS(report, "sweep"))
		m.worst, m.alone = append(m.worst, worst), append(m.alone, alone...)
		m.ratio = append(m.ratio, worst/middle(alone))
	}
	c.end(l)
	return m
}

// since is how long the command took from the beginning of that step.
func since(report outcome.Report, step string) time.Duration {
	var sum float64
	for _, one := range slices.Backward(report.Steps) {
		sum += one.MS
		if one.Name == step {
			break
		}
	}
	return time.Duration(sum * float64(time.Millisecond))
}

func stepMS(report outcome.Report, step string) float64 {
	for _, one := range report.Steps {
		if one.Name == step {
			return one.MS
		}
	}
	return 0
}

func (m measured) report(b *testing.B) {
	for name, values := range map[string][]float64{"cutover-ms": m.cutOver, "worst-ms": m.worst, "alone-ms": m.alone, "worst/alone": m.ratio} {
		report(b, name, values)
	}
	b.ReportMetric(middle(m.sweep), "sweep-ms")
	b.ReportMetric(0, "ns/op")
}
