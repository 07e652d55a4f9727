package caches

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"relink/opcache"
	"relink/opcache/report"
	"relink/php"

	"github.com/google/go-cmp/cmp"
)

// shop is what Deployer leaves: releases, and current beside them.
func shop(t *testing.T) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, release := range []string{"1", "2", "3"} {
		if err := os.MkdirAll(filepath.Join(root, "releases", release, "public"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"current": "releases/2", "club": "releases/2/public", "gone": "releases/9"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestStandings(t *testing.T) {
	root := shop(t)
	releases := filepath.Join(root, "releases")
	all := opcache.ScanLinks([]opcache.Site{{Name: "one", Path: filepath.Join(root, "club")}, {Name: "none", Path: filepath.Join(root, "none")}}, nil, releases)
	want := map[string]string{
		"one": releases + "/2/public", "none": "",
		filepath.Join(root, "current"): releases + "/2", filepath.Join(root, "gone"): "",
	}
	got := map[string]string{}
	for _, s := range all {
		got[s.Name] = s.Real
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestChangedBetween(t *testing.T) {
	root := t.TempDir()
	var sample report.Sample
	sample.Masters = make([]report.Master, 1)
	for i := range 8 {
		for _, release := range []string{"old", "new"} {
			file := filepath.Join(root, release, fmt.Sprintf("%d.php", i))
			text := "same"
			if release == "new" && i < 2 {
				text = "news" // as long
			}
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644), os.Chtimes(file, time.Now(), time.Now().Add(time.Duration(len(release)*i+i)*time.Second+time.Duration(release[0])))); err != nil {
				t.Fatal(err)
			}
			sample.Masters[0].Scripts = append(sample.Masters[0].Scripts, php.Script{Path: file, Live: true})
		}
	}
	got := changedBetween(&sample, filepath.Join(root, "new"), filepath.Join(root, "old"))
	if got == nil || *got != 0.25 {
		t.Errorf("changed: %v", got)
	}
	if got := changedBetween(&sample, filepath.Join(root, "new"), filepath.Join(root, "none")); got != nil {
		t.Errorf("a release that is gone: %v", *got)
	}
}

// Two pools of a master that is down belong together if they did before.
func TestLost(t *testing.T) {
	down := func(address string) *opcache.Pool {
		p := &opcache.Pool{Err: errors.New("refused")}
		p.Pool.Address.Network, p.Pool.Address.Path = "unix", address
		return p
	}
	s := &sampler{earlier: &report.Totals{Masters: []report.MasterTotals{{Pools: []string{"unix:/a", "unix:/b"}}}}}
	lost := s.lost([]*opcache.Pool{down("/a"), down("/b"), down("/c")})
	if len(lost) != 2 || !slices.Equal(lost[0].Pools, []string{"unix:/a", "unix:/b"}) || len(lost[0].Down) != 2 || lost[1].Name != "unix:/c" {
		t.Errorf("%+v", lost)
	}
	m := report.Master{Down: map[string]string{}}
	if left := adopt(&m, []string{"unix:/b"}, []*opcache.Pool{down("/a"), down("/b")}); len(left) != 1 || len(m.Down) != 1 {
		t.Errorf("%+v, left %d", m, len(left))
	}
}
