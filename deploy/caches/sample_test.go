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
)

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
