package fleettest

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/fleet/command"
)

// All hosts cut over at one instant, under load: nothing fails, and nothing old is answered
// once the command has returned.
func TestDeploy(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, 4, nil)
	f.relink(0, "fleet", "deploy", "v1")
	f.wantOn("v1")
	f.must(f.line.Few(f.ctx, "v2"))
	l, _ := f.beginLoad(4)
	report := f.relink(0, "fleet", "deploy", "v2")
	returned := time.Now()
	f.wantOn("v2")
	before := l.Result().Requests
	f.await("visitors ask the new release", func() bool { return l.Result().Requests >= before+100 })
	result := l.Stop()
	if result.Errors != 0 {
		t.Errorf("%d of %d requests failed: %q", result.Errors, result.Requests, result.Described)
	}
	if old := result.OtherAfter(returned, "v2"); old != 0 {
		t.Errorf("%d old answers", old)
	}
	if report.SpreadMS == nil {
		t.Error("no spread")
	} else {
		t.Logf("spread %.1f ms, %d requests", *report.SpreadMS, result.Requests)
	}
}

// Where the check of one host fails, all go back, and the command says which host and why.
func TestCheckOfOneHostFails(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, 2, func(s *spec) {
		s.Check = `{url: "URL/release.php", host: "{instance}.test"}`
		if s.Name == "web2" {
			s.Check = `{url: "URL/release.php", host: "{instance}.test", contains: v1}`
		}
	})
	f.relink(0, "fleet", "deploy", "v1")
	f.must(f.line.Few(f.ctx, "v2"))
	l, _ := f.beginLoad(2)
	report := f.relink(3, "fleet", "deploy", "v2")
	returned := time.Now()
	if !strings.Contains(report.Error.Message, "web2") || !strings.Contains(report.Error.Message, "v1") || report.Votes["web1"].Stage != "back" || report.Votes["web2"].Stage != "failed" {
		t.Errorf("%+v %+v", report.Error, report.Votes)
	}
	f.wantOn("v1")
	<-time.After(300 * time.Millisecond)
	if result := l.Stop(); result.Errors != 0 || result.OtherAfter(returned, "v1") != 0 {
		t.Errorf("%d of %d requests failed: %q; %d of the release that was taken back", result.Errors, result.Requests, result.Described, result.OtherAfter(returned, "v1"))
	}
	for _, h := range f.hosts {
		h.awaitReady(true)
	}
}

// The canary goes first; a rollback needs no compilation, and a pause holds.
func TestWavesRollbackPause(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, 2, nil)
	f.relink(0, "fleet", "deploy", "v1")
	for _, ref := range []string{"v2", "v3"} {
		f.must(f.line.Few(f.ctx, ref))
	}
	report := f.relink(0, "fleet", "deploy", "v2", "--waves", "1,10%,rest")
	first := report.Votes["web1"].CutOver
	for _, host := range []string{"web2", "web3"} {
		if at := report.Votes[host].CutOver; !at.After(first) {
			t.Errorf("%s cut over at %s, web1 at %s", host, at, first)
		}
	}
	f.wantOn("v2")
	f.relink(0, "fleet", "pause", "--reason", "sale")
	f.relink(5, "fleet", "deploy", "v3")
	f.relink(0, "fleet", "resume")
	f.relink(0, "fleet", "deploy", "v3", "--label", "role=canary")
	if !f.hosts[0].on("v3") || !f.hosts[1].on("v2") {
		t.Errorf("%q, %q", f.hosts[0].releases(), f.hosts[1].releases())
	}
	f.relink(0, "fleet", "deploy", "v3")
	f.wantOn("v3")
	f.relink(0, "fleet", "rollback")
	f.wantOn("v2")
	f.relink(0, "fleet", "status")
	f.relink(0, "fleet", "history")
	f.relink(1, "fleet", "deploy", "nosuch")
	f.relink(2, "fleet", "deploy", "v3", "--waves", "0")
	f.relink(2, "fleet", "deploy", "v3", "--hosts", "web9")
	f.wantOn("v2")
}

// Hosts that have not made the same are told apart before anything moves, file by file.
func TestOtherContents(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, 2, func(s *spec) {
		s.Hooks = `{build: ["true"]}`
		if s.Name == "web3" {
			s.Hooks = `{build: ["echo other >public/other.txt; echo \"<?php\" >>public/slow-part.php"]}`
		}
	})
	report := f.relink(1, "fleet", "deploy", "v1")
	if !slices.Equal(report.Differ, []string{"public/other.txt", "public/slow-part.php"}) {
		t.Errorf("%q: %s", report.Differ, report.Error.Message)
	}
	for _, h := range f.hosts {
		if h.releases()[0] != "none" {
			t.Errorf("%s: %q", h.Name, h.releases())
		}
	}
	f.relink(0, "fleet", "deploy", "v1", "--hosts", "web1,web2")
}

// A host that comes late, while the first wave is on the way, and makes other contents than
// the others, stays on what it was on, and out of rotation; the command and the status name
// it. Once it makes the same, it follows.
func TestOtherContentsInAWave(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, 2, func(s *spec) {
		s.Extra = "  lease: 3s\n  absent: 1s\n"
		s.Check = `{url: "HELD/", host: "{instance}.test"}`
		s.Hooks = fmt.Sprintf(`{build: ["if test -e %s; then echo other >public/other.txt; fi"]}`, s.path("other"))
	})
	f.relink(0, "fleet", "deploy", "v1")
	f.must(f.line.Few(f.ctx, "v2"))
	l, _ := f.beginLoad(2)
	late := f.hosts[2]
	kill(late.agent)
	f.must(os.WriteFile(late.path("other"), nil, 0o644))
	f.must(os.WriteFile(f.hosts[0].path(checkHeld), nil, 0o644))
	deploy := f.hosts[1].command("--format", "json", "fleet", "deploy", "v2", "--quorum", "2", "--waves", "1,rest")
	out, told := &output{}, &output{}
	deploy.Stdout, deploy.Stderr = out, told
	f.must(deploy.Start())
	f.await("the first wave", func() bool { return f.hosts[0].on("v2") })
	late.startAgent()
	f.await("the late host is back", func() bool {
		v, err := f.store.View(f.ctx)
		_, there := v.Hosts[late.Name]
		return err == nil && there
	})
	f.must(os.Remove(f.hosts[0].path(checkHeld)))
	_ = deploy.Wait()
	var report command.Report
	f.must(json.Unmarshal([]byte(out.String()), &report))
	if report.Exit != 4 || !slices.Equal(report.Behind, []string{late.Name}) || report.Rollout.Phase != fleet.Done {
		t.Errorf("%s%s", told, out)
	}
	f.await("the late host says why", func() bool {
		v, err := f.store.View(f.ctx)
		return err == nil && strings.Contains(v.Hosts[late.Name].Why, "not the release that the fleet is on")
	})
	late.awaitReady(false)
	if !late.on("v1") || !f.hosts[0].on("v2") || !f.hosts[1].on("v2") {
		t.Errorf("%q %q %q", f.hosts[0].releases(), f.hosts[1].releases(), late.releases())
	}
	f.must(os.Remove(late.path("other")))
	late.awaitReady(true)
	f.wantOn("v2")
	if result := l.Stop(); result.Errors != 0 {
		t.Errorf("%d of %d requests failed: %q", result.Errors, result.Requests, result.Described)
	}
}
