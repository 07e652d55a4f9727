package compare

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"relink/internal/pace"
	"relink/internal/sandbox/app"
	"relink/internal/ui"
)

// Pair is a window with a deploy and one of the same length right before it.
type Pair struct {
	Subject   string `json:"subject"`
	Way       string `json:"way"`
	Situation string `json:"situation"`
	Round     int    `json:"round"`

	// From the command's begin until some seconds after it returned, or after the slow request
	// was answered; and as long a window before.
	During Seen `json:"during"`
	Calm   Seen `json:"calm"`
	// From the command's begin until it returned, and as long a window before.
	Command     Seen `json:"command"`
	CommandCalm Seen `json:"command_calm"`

	Old  int   `json:"old"`   // answers of another release that began after the command had returned
	Late int   `json:"later"` // all answers from then on
	Slow *Slow `json:"slow,omitempty"`
	// Why the first request failed.
	Problem string `json:"problem,omitempty"`

	CutoverMS    float64 `json:"cutover_ms,omitempty"` // as relink reports it
	Misses       int64   `json:"misses"`               // of OPcache: scripts that were compiled
	CacheBytes   int64   `json:"cache_bytes"`          // taken from what was free; negative: a restart gave some back
	Restarted    bool    `json:"restarted,omitempty"`  // the cache was emptied
	Written      int64   `json:"written"`              // bytes
	FilesWritten int     `json:"files_written"`
	Files        int     `json:"files"` // of the release
	CPUMS        float64 `json:"cpu_ms"`

	Series []int `json:"series,omitempty"` // answers in each 100 ms from a second before the command on
}

const (
	settling = 400 * time.Millisecond // until connections are there
	ahead    = 300 * time.Millisecond // that the slow request begins before the command
	least    = 1200 * time.Millisecond
	before   = time.Second // that a series shows before the command
)

// moments of a pair.
type moments struct{ calm, began, returned, ended time.Time }

// pair measures a way once.
func (s *scene) pair(ctx context.Context, way Way, at Situation, of Plan) (p Pair, err error) {
	tag, err := s.next(ctx, of.Whole)
	if err != nil {
		return p, err
	}
	load, err := s.begin(ctx, at)
	if err != nil {
		return p, err
	}
	defer load.stop()
	if err := pace.Wait(ctx, settling); err != nil {
		return p, err
	}
	var m moments
	m.calm = time.Now()
	if err := pace.Wait(ctx, s.expected(way, at, of.Longest)); err != nil {
		return p, err
	}
	first, err := s.cache(ctx)
	if err != nil {
		return p, err
	}
	did, slow, err := s.perform(ctx, way, at, tag, &m)
	if err != nil {
		return p, fmt.Errorf("%s, %s: %w", way.Name, at.Name, err)
	}
	last, err := s.cache(ctx)
	if err != nil {
		return p, err
	}
	if err := pace.Wait(ctx, s.subject.Tail/2); err != nil { // what is still under way counts
		return p, err
	}
	p = Pair{Subject: s.subject.Name, Way: way.Name, Situation: at.Name, Slow: slow, Files: s.line.Files}
	p.look(load, m, s.live)
	p.spent(did, first, last)
	s.last[way.Name+at.Name] = m.ended.Sub(m.began)
	if way.run != nil {
		p.FilesWritten, err = s.writtenSince(m.began)
	}
	return p, err
}

// expected is how long the window of a way will be, and a little more: the window before
// it has to be as long.
func (s *scene) expected(way Way, at Situation, longest time.Duration) time.Duration {
	length := max(least, s.last[way.Name+at.Name], s.last[way.Name])
	if at.Slow {
		length = max(length, app.SlowFor+s.subject.Tail)
	}
	if length += length / 8; longest > 0 {
		return min(length, longest)
	}
	return length
}

// perform runs the way. The slow request is waited for.
func (s *scene) perform(ctx context.Context, way Way, at Situation, tag string, m *moments) (did ran, slow *Slow, err error) {
	var asked sync.WaitGroup
	defer asked.Wait()
	if at.Slow {
		slow = &Slow{}
		asked.Go(func() { *slow = s.askSlowly(ctx) })
		if err := pace.Wait(ctx, ahead); err != nil {
			return did, nil, err
		}
	}
	m.began = time.Now()
	if way.run == nil {
		err = pace.Wait(ctx, least)
	} else {
		did, err = way.run(ctx, s, tag)
		s.live = tag
	}
	m.returned = time.Now()
	if err != nil {
		return did, nil, err
	}
	asked.Wait()
	err = pace.Wait(ctx, s.subject.Tail)
	m.ended = time.Now()
	return did, slow, err
}

func (p *Pair) look(load traffic, m moments, tag string) {
	p.During = load.seen(m.began, m.ended)
	p.Calm = load.seen(m.began.Add(-min(m.ended.Sub(m.began), m.began.Sub(m.calm))), m.began)
	p.Command = load.seen(m.began, m.returned)
	p.CommandCalm = load.seen(m.began.Add(-min(m.returned.Sub(m.began), m.began.Sub(m.calm))), m.began)
	p.Old, p.Late = load.otherThan(tag, m.returned), load.otherThan("", m.returned)
	p.Problem = load.problem()
	p.Series = load.series(m.began.Add(-before), m.ended)
}

func (p *Pair) spent(did ran, first, last cache) {
	p.Misses, p.CacheBytes = last.Misses-first.Misses, last.Used-first.Used
	if last.Started != first.Started { // its counts have begun anew
		p.Restarted, p.Misses = true, last.Misses
	}
	p.Written, p.CPUMS = did.Written, ui.Milliseconds(did.CPU)
	if did.report != nil {
		p.CutoverMS = did.report.CutoverMS
	}
}

// writtenSince counts the files of the release whose inode has changed: contents, or a link.
func (s *scene) writtenSince(began time.Time) (n int, err error) {
	release, err := filepath.EvalSymlinks(s.links()[0])
	if err != nil {
		return 0, err
	}
	return n, filepath.WalkDir(release, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if stat, is := info.Sys().(*syscall.Stat_t); err == nil && is && time.Unix(stat.Ctim.Unix()).After(began) {
			n++
		}
		return err
	})
}
