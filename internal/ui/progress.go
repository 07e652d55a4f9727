package ui

import (
	"fmt"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Progress shows how far something is. It may be used concurrently, and must be
// ended by Done; what comes after Done is ignored.
type Progress struct {
	out        *Output
	name, unit string
	bar        *mpb.Bar // nil where there is no terminal

	mu          sync.Mutex
	done, total int
	over        bool
	shownAt     time.Time
	shown       string
}

// Progress begins to show how many units of the total are done. A total of 0 is
// not known yet.
func (o *Output) Progress(name, unit string, total int) *Progress {
	p := &Progress{out: o, name: name, unit: unit, shownAt: time.Now()}
	o.mu.Lock()
	o.running[p] = true
	if o.options.Terminal && !o.options.Quiet {
		p.bar = o.addBar(name, unit)
	}
	o.mu.Unlock()
	p.Update(0, total)
	return p
}

// addBar starts to draw if nothing is drawn yet. The caller holds o.mu.
func (o *Output) addBar(name, unit string) *mpb.Bar {
	if o.bars == nil {
		o.bars = mpb.New(mpb.WithOutput(o.w), mpb.WithAutoRefresh(), mpb.WithWidth(o.options.Width))
	}
	state := func(s decor.Statistics) string { return countText(int(s.Current), int(s.Total), unit) }
	// A bar that is given its total at once would complete at it, and could not
	// be given a higher one.
	return o.bars.New(0, mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"),
		mpb.PrependDecorators(decor.Name("  "+padRight(name, nameWidth-1))),
		mpb.AppendDecorators(decor.Any(state)))
}

// countText says "120/301 scripts".
func countText(done, total int, unit string) string {
	if total == 0 {
		return fmt.Sprintf("%d %s", done, unit)
	}
	return fmt.Sprintf("%d/%d %s", done, total, unit)
}

// Set says how many units are done.
func (p *Progress) Set(done int) { p.change(func() { p.done = done }) }

// Update says both; as a value it is what a long operation asks for.
func (p *Progress) Update(done, total int) { p.change(func() { p.done, p.total = done, total }) }

func (p *Progress) change(to func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	to()
	if p.bar != nil {
		p.bar.SetTotal(int64(p.total), false)
		p.bar.SetCurrent(int64(p.done))
		return
	}
	if time.Since(p.shownAt) >= p.out.options.Every {
		p.line()
	}
}

// line shows the state unless it is shown already. The caller holds p.mu.
func (p *Progress) line() {
	if now := countText(p.done, p.total, p.unit); now != p.shown {
		p.shown, p.shownAt = now, time.Now()
		p.out.Line("  %s: %s", p.name, now)
	}
}

// Done ends the progress, with the state it has. When the last one ends, Done
// waits until the bars are drawn and nothing runs any more.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.over = true
	switch {
	case p.bar == nil:
		if p.shown != "" { // of what was over at once, its step tells enough
			p.line()
		}
	case p.done < p.total:
		p.bar.Abort(false)
	default:
		p.bar.SetTotal(-1, true)
	}
	p.out.end(p)
}

// end forgets p, and stops to draw if it was the last one.
func (o *Output) end(p *Progress) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.running, p)
	if len(o.running) == 0 && o.bars != nil {
		o.bars.Wait()
		o.bars = nil
	}
}

// Following shows how far a step is, once there is something to show.
func (o *Output) Following(name, unit string) (update func(done, total int), end func()) {
	var mu sync.Mutex
	var shown *Progress
	update = func(done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if shown == nil && total > 0 {
			shown = o.Progress(name, unit, total)
		}
		if shown != nil {
			shown.Update(done, total)
		}
	}
	return update, func() {
		mu.Lock()
		defer mu.Unlock()
		if shown != nil {
			shown.Done()
		}
	}
}
