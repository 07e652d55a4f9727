package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/deploy/outcome"
	"relink/internal/sandbox/app"
	"relink/internal/sandbox/load"
	"relink/opcache/restart"
)

// partsOfBig files make a release of which the small cache holds one, not two.
const partsOfBig = 150

// slowSeconds is how long a request lasts that a restart has to wait for.
const slowSeconds = 5

// A cache that cannot hold both releases is restarted together with the switch,
// when the request in flight has ended: the new release never runs uncached, and
// PHP never restarts the cache by itself.
func TestReleaseThatFitsOnlyInPlaceOfTheOld(t *testing.T) {
	t.Parallel()
	w := newCrowdedTown(t)
	began := time.Now()
	slow := w.slow(slowSeconds)
	report, ended := w.relink("deploy", "r2", "--all", "--smart-reset")
	if !strings.Contains(w.said, "waiting: ") || !strings.Contains(w.said, "GET /slow.php") {
		t.Errorf("nobody was told what is waited for: %s", w.said)
	}
	if body := <-slow; body != "200 r1" {
		t.Errorf("the slow request was answered by %q", body)
	}
	wantLive(t, w, report, ended, "r1")
	w.wantRoomMade(report, "in place of the old one")
	if report.Warm.Scripts < partsOfBig || report.Warm.Skipped != "" || len(report.Warnings) != 0 {
		t.Errorf("warm %+v, warnings %q", report.Warm, report.Warnings)
	}
	if history, err := restart.ReadHistory(w.path("state")); err != nil || history[0].Time.Before(began.Add(slowSeconds*time.Second)) {
		t.Errorf("restarted %v after the slow request had begun (%v)", history[0].Time.Sub(began), err)
	}
}

// What dies between the switch and the restart leaves the restart to others.
func TestRestartThatMakesRoomSurvivesACrash(t *testing.T) {
	t.Parallel()
	w := newCrowdedTown(t)
	w.kill("renew", "deploy", "r2", "--all")
	pending, err := restart.ReadPending(w.path("state"))
	if err != nil || len(pending) != 1 || pending[0].Reasons[0].Figure != restart.FigureFit {
		t.Fatalf("%+v %v", pending, err)
	}
	w.relink("recover")
	w.relink("opcache", "reset", "--when-needed", "--when-quiet")
	history, err := restart.ReadHistory(w.path("state"))
	if err != nil || len(history) != 1 || !history[0].Done() {
		t.Errorf("%+v %v", history, err)
	}
	if pending, err = restart.ReadPending(w.path("state")); err != nil || len(pending) != 0 {
		t.Errorf("%+v %v", pending, err)
	}
	w.wantNoFault(w.load.Stop())
}

// kill runs the program until it dies at that point.
func (w *town) kill(point string, args ...string) {
	w.t.Helper()
	command := exec.CommandContext(w.ctx, killed, append([]string{"--config", w.path("relink.yaml")}, args...)...)
	command.Env = append(os.Environ(), killPoint+"="+point)
	out, err := command.CombinedOutput()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.Exited() {
		w.t.Fatalf("it was not killed at %s: %v\n%s", point, err, out)
	}
}

// Where a restart frees enough for both, it comes before the switch.
func TestReleaseThatFitsAfterARestart(t *testing.T) {
	t.Parallel()
	w := newSmallTown(t)
	w.writeSource("r1")
	w.writeSource("r2")
	w.relink("deploy", "r1", "--all", "--smart-reset")
	w.beginLoadBy(releaseHeader)
	w.awaitHot(partsOfMany)
	w.waste("junk", partsOfBig)
	report, ended := w.relink("deploy", "r2", "--all", "--smart-reset")
	wantLive(t, w, report, ended, "r1")
	w.wantRoomMade(report, "a restart before the switch frees")
	// With the entry script and the probe, whose address the web server tells.
	if report.Warm.Scripts != partsOfMany+2 || report.Warm.Skipped != "" {
		t.Errorf("warm before the switch: %+v", report.Warm)
	}
}

// The same for links that somebody else has moved: the refresh restarts the cache.
func TestRefreshIntoACacheWithoutRoom(t *testing.T) {
	t.Parallel()
	w := newCrowdedTown(t)
	old := w.moveByHand("r2")
	report, ended := w.relink("opcache", "refresh", "--from", old, "--to", w.path("src", "r2"))
	wantLive(t, w, report, ended, "r1")
	history, err := restart.ReadHistory(w.path("state"))
	if err != nil || len(history) != 1 || history[0].Reasons[0].Figure != restart.FigureFit || history[0].Warmed < partsOfBig {
		t.Errorf("history %+v %v", history, err)
	}
	w.wantNoFault(w.load.Stop())
}

// Where the restart is refused, the pages are new all the same.
func TestRefreshWhereTheRestartIsRefused(t *testing.T) {
	t.Parallel()
	w := newCrowdedTown(t)
	later := time.Now().Add(time.Minute) // nobody knows what FPM has read of a file that is newer
	w.must(os.Chtimes(w.path("srv", "conf", "php.conf"), later, later))
	old := w.moveByHand("r2")
	out, _ := w.command("opcache", "refresh", "--from", old, "--to", w.path("src", "r2")).Output()
	ended := time.Now()
	// 4, but where PHP has restarted the full cache by itself meanwhile.
	if text := string(out); !regexp.MustCompile(`"exit": [04],?\n`).MatchString(text) || !strings.Contains(text, "the cache was not restarted: ") || !strings.Contains(text, "would kill the requests") {
		t.Errorf("%s", text)
	}
	wantLive(t, w, outcome.Report{Release: "r2", Operation: "refresh"}, ended, "r1")
	w.wantNoFault(w.load.Stop())
}

// moveByHand leads all links to a source folder, and tells where they led before.
func (w *town) moveByHand(release string) (old string) {
	w.t.Helper()
	old, err := filepath.EvalSymlinks(w.path("www", "club0"))
	w.must(err)
	for i := range 3 {
		link := w.path("www", fmt.Sprintf("club%d", i))
		w.must(os.Symlink(w.path("src", release), link+".new"))
		w.must(os.Rename(link+".new", link))
	}
	return old
}

// BenchmarkRestart measures deploys into a cache that cannot hold both releases,
// with a request of five seconds in flight: the longest time for which the
// throughput was below half of normal, how long the restart with its warm took,
// and the throughput while it waited, as a part of the normal one.
func BenchmarkRestart(b *testing.B) {
	const window = 20 * time.Millisecond
	w := newCrowdedTown(b)
	var below, renew, waiting []float64
	refs := []string{"r2", "r1"}
	for i := 0; b.Loop(); i++ {
		calm := time.Now()
		<-time.After(2 * time.Second)
		begin := time.Now()
		normal := median(w.load.Result().Rates(calm, begin, window))
		slow := w.slow(slowSeconds)
		report, ended := w.relink("deploy", refs[i%2], "--all", "--smart-reset", "--rebuild")
		<-slow
		result := w.load.Result()
		below = append(below, ms(longest(result.Rates(begin, ended, window), normal/2)*window))
		waiting = append(waiting, median(result.Rates(begin.Add(time.Second), begin.Add(slowSeconds*time.Second), window))/normal)
		for _, step := range report.Steps {
			if step.Name == "renew" {
				renew = append(renew, step.MS)
			}
		}
	}
	w.wantNoFault(w.load.Stop())
	b.ReportMetric(median(below), "below-half-ms")
	b.ReportMetric(median(renew), "restart-ms")
	b.ReportMetric(median(waiting), "waiting/normal")
	b.ReportMetric(0, "ns/op")
}

// longest is the length of the longest row of values below bound.
func longest(values []float64, bound float64) (most time.Duration) {
	row := time.Duration(0)
	for _, value := range values {
		if row++; value >= bound {
			row = 0
		}
		most = max(most, row)
	}
	return most
}

func releaseHeader(_ []byte, header http.Header) string { return header.Get(app.ReleaseHeader) }

// newCrowdedTown serves r1 under load; its cache does not hold r2 beside it.
func newCrowdedTown(t testing.TB) *town {
	t.Helper()
	w := newSmallTown(t)
	w.app.Slow = "/slow.php"
	for _, release := range []string{"r1", "r2"} {
		w.writeSourceOf(release, partsOfBig)
		page := fmt.Sprintf("<?php for ($end = microtime(true) + (int) $_GET['s']; microtime(true) < $end; ) { usleep(10000); } echo '%s';", release)
		w.must(os.WriteFile(w.path("src", release, "slow.php"), []byte(page), 0o644))
	}
	w.relink("deploy", "r1", "--all", "--smart-reset")
	w.beginLoadBy(releaseHeader)
	w.awaitHot(partsOfBig)
	return w
}

// awaitHot waits until the visitors have made so many scripts hot.
func (w *town) awaitHot(scripts int64) {
	w.t.Helper()
	agent := w.agent()
	for {
		status, err := agent.Status(w.ctx)
		w.must(err)
		if status.Statistics.CachedScripts > scripts {
			return
		}
	}
}

// waste fills the cache with scripts that are then invalidated.
func (w *town) waste(name string, parts int) {
	w.t.Helper()
	w.writeSourceOf(name, parts)
	var files []string
	for i := range parts {
		files = append(files, w.path("src", name, fmt.Sprintf("part%d.php", i)))
	}
	agent := w.agent()
	compiled, err := agent.Compile(w.ctx, files, 0)
	w.must(err)
	invalidated, err := agent.Invalidate(w.ctx, files, 0)
	w.must(err)
	if len(compiled) != parts || invalidated.Invalidated != parts {
		w.t.Fatalf("%d compiled, %d invalidated", len(compiled), invalidated.Invalidated)
	}
}

// wantRoomMade wants one restart, to make room, and none of PHP's own.
func (w *town) wantRoomMade(report outcome.Report, reason string) {
	w.t.Helper()
	history, err := restart.ReadHistory(w.path("state"))
	w.must(err)
	if len(history) != 1 || history[0].Reasons[0].Figure != restart.FigureFit || !strings.Contains(history[0].Reasons[0].Text, reason) {
		w.t.Errorf("history %+v", history)
	}
	if report.Restart.Action != string(restart.ReloadFPM) || !slices.ContainsFunc(report.Restart.Reasons, func(r string) bool { return strings.Contains(r, reason) }) {
		w.t.Errorf("restart %+v", report.Restart)
	}
	status, err := w.agent().Status(w.ctx)
	w.must(err)
	if s := status.Statistics; status.CacheFull || s.OOMRestarts+s.HashRestarts+s.ManualRestarts != 0 {
		w.t.Errorf("cache full %t, %+v", status.CacheFull, s)
	}
	w.wantNoFault(w.load.Stop())
}

func (w *town) wantNoFault(result load.Result) {
	w.t.Helper()
	if result.Errors != 0 || result.Answers(app.Mixed) != 0 {
		w.t.Errorf("%d of %d requests failed, %d pages of two releases: %v", result.Errors, result.Requests, result.Answers(app.Mixed), result.Described)
	}
}
