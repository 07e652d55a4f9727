package command

import (
	"errors"
	"fmt"
	"strings"

	"relink/internal/hint"
	"relink/opcache"
)

// unsettled names all that a refresh could not prove.
func (r *refreshRun) unsettled(s opcache.SettleResult) error {
	const again = "run the same command again"
	var errs []error
	if len(s.Stale) > 0 {
		errs = append(errs, hint.With(fmt.Errorf("still in a request that began before the cut-over: %s", workersIn(s.Stale)),
			"%s", opcache.OfStale(s.Stale, again)))
	}
	if len(r.pinned) > 0 {
		errs = append(errs, hint.With(fmt.Errorf("kept by persistent connections, out of reach: %s", workersIn(r.pinned)),
			"take enablereuse=on out of Apache's handler (nginx: fastcgi_keep_conn), reload PHP-FPM at a quiet moment, and %s", again))
	}
	if len(s.Unproven) > 0 {
		errs = append(errs, hint.With(fmt.Errorf("nobody can tell whether all workers were reached of %s", strings.Join(s.Unproven, ", ")),
			"set pm.status_path in the pool and status_path in relink's configuration; reload PHP-FPM if old pages show up"))
	}
	return errors.Join(errs...)
}

func workersIn(workers []opcache.Worker) string {
	texts := make([]string, len(workers))
	for i, w := range workers {
		texts[i] = fmt.Sprintf("worker %d of pool %s", w.PID, w.Pool)
		if w.Request != "" {
			texts[i] += " in " + w.Request
		}
	}
	return some(texts)
}

// some names the first few.
func some(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
