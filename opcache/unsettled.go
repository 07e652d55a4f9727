package opcache

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"relink/internal/hint"
	"relink/internal/ui"
)

var (
	// ErrUnsettled: workers that were busy at the cut-over have not been reached
	// since, and may bring old code back.
	ErrUnsettled = errors.New("not settled")
	// ErrPinned: persistent connections keep workers from everybody but the web server,
	// and no probe leads to them either, so that they cannot be made to see the new links.
	ErrPinned = errors.New("workers are pinned by persistent connections")
)

// Unsettled names all that Settle could not prove; finish says how that is done later.
func Unsettled(s SettleResult, pinned []Worker, finish string) error {
	var errs []error
	if len(s.Stale) > 0 {
		errs = append(errs, hint.With(fmt.Errorf("%w: still in a request that began before the cut-over: %s", ErrUnsettled, DescribeWorkers(s.Stale)),
			"%s", ofStale(s.Stale, finish)))
	}
	if len(pinned) > 0 {
		errs = append(errs, hint.With(fmt.Errorf("%w: %w: %s", ErrUnsettled, ErrPinned, DescribeWorkers(pinned)),
			"reload PHP-FPM at a quiet moment, then %s; no worker is kept without enablereuse=on in Apache's proxy definition (nginx: with fastcgi_keep_conn off)", finish))
	}
	if len(s.Unproven) > 0 {
		errs = append(errs, hint.With(fmt.Errorf("%w: nobody can tell whether all workers were reached of %s", ErrUnsettled, strings.Join(s.Unproven, ", ")),
			"set pm.status_path in the pool and status_path in relink's configuration; reload PHP-FPM if old pages show up"))
	}
	return errors.Join(errs...)
}

// ofStale advises about workers that Settle has not reached.
func ofStale(stale []Worker, finish string) string {
	for _, w := range stale {
		if w.Hidden {
			return fmt.Sprintf(`when the request has ended, or once worker %d, which is a pid of the container that the pool runs in and not of this machine, has been sent SIGQUIT in there, %s; else the first page that this worker serves then brings old code back, for all workers and for good`, w.PID, finish)
		}
		if !w.Ends {
			return fmt.Sprintf(`when the request has ended, or after "kill -QUIT %d", %s; else the first page that this worker serves then brings old code back, for all workers and for good`, w.PID, finish)
		}
	}
	return "told to end with the request, so that no page follows it; " + finish + " then, or deploy again: it retires what the request runs on"
}

// DescribeWorkers names the first few, and what each is doing where that is known.
func DescribeWorkers(workers []Worker) string {
	texts := make([]string, len(workers))
	for i, w := range workers {
		texts[i] = w.describe()
	}
	return ui.FirstFew(texts)
}

func (w Worker) describe() string {
	text := fmt.Sprintf("pid %d of %s", w.PID, w.Pool)
	switch {
	case w.Request != "" && w.Busy > 0:
		text += fmt.Sprintf(" (%s, for %s)", w.Request, w.Busy.Round(100*time.Millisecond))
	case w.Request != "":
		text += " (" + w.Request + ")"
	}
	return text
}
