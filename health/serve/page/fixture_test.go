package page

import (
	"fmt"
	"math"
	"testing"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/journal"
	"relink/deploy/status"
	"relink/health"
	"relink/opcache/report"
	"relink/php"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

const mb = 1 << 20

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const (
	older = "20260313-101500-3f9c1ab"
	newer = "20260314-114500-b81e22d"
)

// fixture is a server in the middle of a roll-out.
func fixture() Snapshot {
	return Snapshot{
		Time: noon, Host: "web1.example.org", Checks: fixedChecks(),
		Apps: []App{
			{Name: "booking", Instances: instancesOf("club", 30, 7), Running: &Running{
				Pending: status.Pending{Operation: journal.OperationDeploy, Release: newer, Phase: journal.PhaseMoved, Since: noon.Add(-8 * time.Second)}, Holder: "deployer on web1, pid 4711",
			}},
			{Name: "mobile", Instances: []Instance{
				{Name: "app", Link: "/var/www/mobile", Release: newer, Since: noon.Add(-time.Hour)},
				{Name: "beta", Link: "/var/www/mobile-beta", Problem: "leads to /srv/releases/mobile/gone, which does not exist"},
			}},
		},
		Fleet:  fixedFleet(),
		Caches: fixedReport(), Rates: fixedRates(360), Pools: fixedPools(), Deploys: fixedDeploys(),
	}
}

// instancesOf is n instances, the first of them moved already.
func instancesOf(name string, n, moved int) []Instance {
	list := make([]Instance, n)
	for i := range list {
		one := fmt.Sprintf("%s%d", name, i+1)
		list[i] = Instance{Name: one, Link: "/var/www/" + one, Release: older, Since: noon.Add(-26 * time.Hour)}
		if i < moved {
			list[i].Release, list[i].Since = newer, noon.Add(-5*time.Second)
		}
	}
	return list
}

// fixedFleet is in the middle of a rollout, without one host that is away and another that
// could not prepare the release before.
func fixedFleet() *Fleet {
	v2, v3 := fleet.Target{Rollout: "2", Ref: "v2", Commit: "b81e22d", Digest: "d2"}, fleet.Target{Rollout: "3", Ref: "v3", Commit: "c90f33e"}
	host := func(name string, state fleet.Condition, stage fleet.Stage, why string) fleet.Standing {
		return fleet.Standing{Name: name, State: state, There: state != fleet.Away, Ready: state != fleet.Away && why == "", Why: why, Stage: stage, Wanted: v2, On: fleet.AppOn{Instances: 30, Release: newer}}
	}
	behind := host("web3", fleet.Behind, "", "booking: is not on v2 yet, which the fleet is on: build: composer install: exit status 1: the lock file is not up to date")
	behind.On.Release = older
	mobile := host("web1", fleet.Well, fleet.Finished, "")
	mobile.On.Instances = 2
	return &Fleet{Host: "web1", Time: noon, Steward: "web2", Apps: []fleet.Overview{
		{App: "booking", Rollout: &fleet.Rollout{ID: "3", Target: v3, By: "deployer on web1", Started: noon.Add(-20 * time.Second), Hosts: []string{"web1", "web2", "web3", "web4"}, Waves: []int{1, 4},
			Phase: fleet.Preparing, Out: map[string]string{"web4": "away"}},
			Hosts: []fleet.Standing{host("web1", fleet.Moving, fleet.Ready, ""), host("web2", fleet.Moving, fleet.Working, ""), behind, host("web4", fleet.Away, "", "away")}},
		{App: "mobile", Rollout: &fleet.Rollout{ID: "1", Target: v2, By: "root on web2", Started: noon.Add(-26 * time.Hour), Hosts: []string{"web1"}, Phase: fleet.Done, Ended: true},
			Paused: &fleet.Pause{By: "root on web2", Reason: "sale until Monday", Since: noon.Add(-time.Hour)}, Hosts: []fleet.Standing{mobile}},
	}}
}

func fixedChecks() []health.Result {
	const pool = "unix:/run/php/mobile.sock"
	list := []health.Result{
		{Check: "memory", Subject: "unix:/run/php/booking.sock", State: health.Warning, Message: "87 % of 128 MB in use or wasted, more than 85 %",
			Fix: `raise opcache.memory_consumption (128 MB now); "relink opcache report" tells what holds it`},
		{Check: "hit-rate", Subject: "unix:/run/php/booking.sock", Message: "99.8 % of 12,345 look-ups in 5 min"},
		{Check: "links", Subject: "mobile", State: health.Critical, Message: "1 of 2 links not in order",
			Details: []string{"beta: /var/www/mobile-beta: leads to /srv/releases/mobile/gone, which does not exist"},
			Fix:     `bring a release live on them with "relink deploy --app mobile --instance NAME REF"`},
		{Check: "pool", Subject: pool, State: health.Critical, Message: "nothing listens: connection refused", Fix: "start the pool: systemctl start php8.2-fpm"},
		{Check: "disk", Subject: "/srv/releases", Message: "51.2 GB free, 64 %"},
	}
	for _, check := range []string{"listen-queue", "max-children", "slow-requests", "opcache-on"} {
		list = append(list, health.Result{Check: check, Subject: pool, State: health.Unknown, Message: "the pool does not answer"})
	}
	return list
}

func fixedRates(points int) Rates {
	r := Rates{HitRatio: []Line{{Name: "unix:/run/php/booking.sock"}}, Requests: []Line{{Name: "unix:/run/php/booking.sock"}, {Name: "unix:/run/php/mobile.sock"}}}
	for i := range points {
		r = withPoint(r, noon.Add(time.Duration(i-points+1)*5*time.Second), i)
	}
	return r
}

// withPoint is r with one time more.
func withPoint(r Rates, t time.Time, i int) Rates {
	wave := math.Sin(float64(i) / 20)
	values := []*float64{new(0.99 + 0.008*wave), new(420 + 80*wave + float64(i%7)*9), new(60 + 20*wave)}
	if i%50 == 30 {
		values[0] = nil
	}
	add := func(lines []Line, values []*float64) []Line {
		out := make([]Line, len(lines))
		for j, line := range lines {
			out[j] = Line{Name: line.Name, Values: append(append([]*float64{}, line.Values...), values[j])}
		}
		return out
	}
	return Rates{Times: append(append([]int64{}, r.Times...), t.Unix()), HitRatio: add(r.HitRatio, values[:1]), Requests: add(r.Requests, values[1:])}
}

func fixedPools() []Pool {
	return []Pool{
		{Address: "unix:/run/php/booking.sock", Master: "unix:/run/php/booking.sock", LatencyMS: 0.7, Workers: Workers{Idle: 5, Active: 3, Most: 8},
			Queue: new(int64(2)), MaxQueue: new(int64(14)), MaxChildrenReached: new(int64(3)), SlowRequests: new(int64(1204)), Requests: new(431.0)},
		{Address: "unix:/run/php/admin.sock", Master: "unix:/run/php/booking.sock", LatencyMS: 1.2, Queue: new(int64(0))},
		{Address: "unix:/run/php/mobile.sock", Error: "nothing listens: connection refused"},
	}
}

func fixedDeploys() []Deploy {
	steps := []journal.Step{{Name: "recover", MS: 0.3}, {Name: "preflight", MS: 41}, {Name: "resolve", MS: 65}, {Name: "stage", MS: 2040}, {Name: "observe", MS: 20},
		{Name: "warm", MS: 265}, {Name: "prepare", MS: 7.4}, {Name: "switch", MS: 2}, {Name: "sweep", MS: 9.1}, {Name: "invalidate", MS: 3.2}, {Name: "check", MS: 120},
		{Name: "settle", MS: 2600}, {Name: "retire", MS: 14}, {Name: "restart", MS: 3}}
	return []Deploy{
		{App: "mobile", ID: "c3", Time: noon.Add(-10 * time.Minute), Operation: journal.OperationDeploy, Release: newer, Ref: "v3", User: "deployer", Moved: 1, Steps: steps, CutoverMS: 14.3, Restart: "none", SavedBytes: 0},
		{App: "booking", ID: "b2", Time: noon.Add(-20 * time.Minute), Operation: journal.OperationDeploy, Release: newer, Ref: "main", User: "deployer", Moved: 0,
			Undone: "check of club1: status 500, want 200", Steps: steps[:11], CutoverMS: 12.9},
		{App: "booking", ID: "a1", Time: noon.Add(-26 * time.Hour), Operation: journal.OperationRollback, Release: older, User: "root", Moved: 30, Stale: 1, Steps: steps[5:], CutoverMS: 17, Restart: "opcache", SavedBytes: 411 * mb},
	}
}

// fixedReport is a cache with two releases of booking, and one that is down.
func fixedReport() *report.Report {
	const folder = "/srv/releases/booking"
	m := report.Master{Name: "unix:/run/php/booking.sock", Pools: []string{"unix:/run/php/booking.sock", "unix:/run/php/admin.sock"}, ProcessControlTimeout: new(time.Duration)}
	m.Status.Enabled = true
	m.Status.Memory = php.Memory{Used: 62 * mb, Free: 48 * mb, Wasted: 18 * mb}
	m.Status.Statistics = php.Statistics{CachedScripts: 6, CachedKeys: 66, MaxCachedKeys: 16229, StartTime: noon.Add(-80 * time.Hour)}
	m.Configuration.InternedStringsBuffer = 8 * mb
	script := func(path string, live bool, size int64) php.Script {
		return php.Script{Path: path, Live: live, Memory: size, Hits: 9}
	}
	m.Scripts = []php.Script{script(folder+"/"+older+"/a.php", true, 14*mb), script(folder+"/"+newer+"/a.php", true, 15*mb),
		script("/srv/releases/mobile/"+newer+"/a.php", true, 8*mb), script(folder+"/20260312-090000-1c2d3e4/a.php", false, 11*mb), script("/usr/share/php/x.php", true, 2*mb)}
	booking, mobile := report.Application{Name: "booking", Releases: folder}, report.Application{Name: "mobile", Releases: "/srv/releases/mobile"}
	for _, one := range instancesOf("club", 30, 7) {
		booking.Instances = append(booking.Instances, report.Instance{Name: one.Name, Target: folder + "/" + one.Release})
	}
	mobile.Instances = []report.Instance{{Name: "app", Target: "/srv/releases/mobile/" + newer}}
	down := report.Master{Name: "unix:/run/php/mobile.sock", Pools: []string{"unix:/run/php/mobile.sock"}, Err: fmt.Errorf("nothing listens: connection refused")}
	return report.Build(report.Sample{Time: noon, Masters: []report.Master{m, down}}, nil, []report.Application{booking, mobile}, report.Options{})
}

// feedOf is a source that has published s.
func feedOf(t *testing.T, s Snapshot) *Feed {
	feed := &Feed{}
	feed.Publish(s)
	t.Cleanup(feed.Close)
	return feed
}
