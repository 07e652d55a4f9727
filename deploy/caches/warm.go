package caches

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/restart"
	"relink/php"
)

// WarmLike compiles, in the release to, what is hot of the release from: the
// first half of a deploy whose links somebody else moves.
func WarmLike(ctx context.Context, c *opcache.Caches, from, to string, progress opcache.Progress) (opcache.WarmResult, error) {
	s := &opcache.Switch{Caches: c, Links: []opcache.Link{{From: from, To: to}}, Views: make([]*opcache.View, len(c.Spaces()))}
	err := c.EachSpace(ctx, func(ctx context.Context, i int, one *opcache.KeySpace) error {
		ctx, cancel := context.WithTimeout(ctx, c.Options.CallTimeout)
		defer cancel()
		hot, err := c.HotScripts(ctx, one, from)
		s.Views[i] = &opcache.View{Space: one, Hot: map[string][]php.Script{from: hot}}
		return err
	})
	if err != nil {
		return opcache.WarmResult{}, err
	}
	if _, err := restart.CheckFit(ctx, s, nil, restart.MethodAuto); err != nil {
		return opcache.WarmResult{}, err
	}
	return s.Warm(ctx, progress)
}

// WarmReport tells what "opcache warm" did. As JSON it is the contract of
// docs/opcache.md.
type WarmReport struct {
	From string `json:"from"`
	To   string `json:"to"`
	opcache.WarmResult
	Exit  int           `json:"exit"`
	Error *exit.Failure `json:"error,omitempty"`
}

// ErrReturns means that compiling a release would bring old keys back to life.
var ErrReturns = errors.New("it was in use before and has been left")

// warm is "relink opcache warm".
func (s *session) warm(ctx context.Context, from, to string, force bool) error {
	result := WarmReport{WarmResult: opcache.WarmResult{Failed: []opcache.FailedScript{}}}
	err := s.warmInto(ctx, from, to, force, &result)
	result.Exit, result.Error = exit.Status(err), exit.FailureOf(err)
	return s.Show(result, err)
}

func (s *session) warmInto(ctx context.Context, from, to string, force bool, result *WarmReport) (err error) {
	if result.To, err = existing(to); err != nil {
		return fmt.Errorf("release to be warmed: %w", err)
	}
	app := s.owner(result.To)
	if result.From, err = s.oldRelease(app, from); err != nil {
		return err
	}
	if links.Within(result.From, result.To) || links.Within(result.To, result.From) {
		return fmt.Errorf("%s and %s are not two releases", result.From, result.To)
	}
	caches, err := s.setup.Reach(ctx, app)
	if err != nil {
		return err
	}
	if err := s.mayWarm(ctx, caches, result.To, force); err != nil {
		return err
	}
	update, done := s.progress("warm", "scripts")
	defer done()
	warmed, err := WarmLike(ctx, caches, result.From, result.To, update)
	warmed.Failed = append([]opcache.FailedScript{}, warmed.Failed...)
	result.WarmResult = warmed
	return err
}

// oldRelease is the one that was named, or the one that most instances are on.
func (s *session) oldRelease(app *opcache.App, named string) (string, error) {
	if named != "" {
		return existing(named)
	}
	if app != nil {
		if folder := app.InUse().MostUsed(); folder != "" {
			return folder, nil
		}
	}
	return "", hint.With(errors.New("no configured link tells which release is live"), "name it with --from")
}

// mayWarm refuses a release that links have left: its old keys would serve it
// while the links are elsewhere.
func (s *session) mayWarm(ctx context.Context, caches *opcache.Caches, release string, force bool) error {
	returned, err := caches.Returned(ctx, release)
	if err != nil || !returned || force {
		return err
	}
	if addressing, err := caches.Addressing(ctx); err != nil || addressing.Reuses() {
		return err
	}
	known, err := s.setup.Known()
	if err != nil {
		return err
	}
	for _, link := range opcache.ScanLinks(s.setup.Sites(), known, filepath.Dir(release)) {
		if link.Within(release) {
			return nil // what is live is compiled by its visitors as well
		}
	}
	return hint.With(fmt.Errorf("warm %s: %w: pages that nobody has asked for since would come from it, though the links are elsewhere", release, ErrReturns),
		`leave the warm out: move the links and run "relink opcache refresh" at once; better, give each release a path of its own`)
}

// Text writes the result for people.
func (r WarmReport) Text(w io.Writer, width int) error {
	t := ui.NewTable(width, "warm", r.To)
	t.Row("like", r.From)
	t.Row("compiled", warmText(r.WarmResult))
	for _, failed := range r.Failed {
		t.Row("failed", failed.Path+": "+failed.Reason)
	}
	return t.Render(w)
}

func warmText(r opcache.WarmResult) string {
	switch {
	case r.Skipped != "":
		return "nothing: " + r.Skipped
	case r.Scripts+r.Absent+len(r.Failed) == 0:
		return "nothing: the caches hold no script of the old release"
	}
	return fmt.Sprintf("%s, %d failed, %d not part of the new release", ui.Plural(r.Scripts, "script"), len(r.Failed), r.Absent)
}
