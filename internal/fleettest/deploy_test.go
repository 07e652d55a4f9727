package fleettest

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// All hosts cut over at one instant, under load: nothing fails, and nothing old is answered
// once the command has returned.
func TestDeploy(t *testing.T) {
	f := newFleet(t, 3, 4, 1, nil)
	f.relink(0, "fleet", "deploy", "v1")
	f.wantOn("v1")
	f.must(f.line.Few(f.ctx, "v2"))
	l, _ := f.beginLoad(4)
	report := f.relink(0, "fleet", "deploy", "v2")
	returned := time.Now()
	f.wantOn("v2")
	<-time.After(500 * time.Millisecond)
	result := l.Stop()
	if result.Errors != 0 || result.Requests < 100 {
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
	f := newFleet(t, 3, 2, 1, func(s *spec) {
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
	f := newFleet(t, 3, 2, 1, nil)
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
	f := newFleet(t, 3, 2, 1, func(s *spec) {
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
