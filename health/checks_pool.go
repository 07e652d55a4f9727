package health

import (
	"errors"
	"strings"

	"relink/fcgi"
	"relink/internal/hint"
	"relink/internal/ui"
)

// NoPools is the subject of results that are about no pool in particular, such as that
// there is none.
const NoPools = "PHP-FPM"

func checkPools(f *Facts, t *Thresholds) []Result {
	switch results := each(pools, checkPool)(f, t); {
	case f.Discovery != nil:
		return append([]Result{NotMade(NoPools, f.Discovery).blocking()}, results...)
	case len(results) == 0:
		r := problem(Critical, "no PHP-FPM runs here and no pool is configured",
			"start PHP-FPM, or name the pools under pools in the configuration; mod_php is found once a release with the probe serves (relink deploy)")
		r.Subject = NoPools
		return []Result{r}
	default:
		return results
	}
}

func checkPool(_ *Facts, p *Pool, t *Thresholds) Result {
	if p.Err != nil {
		return problem(Critical, p.cause(), p.mend()).blocking()
	}
	fix := "look which requests keep its workers busy (pm.status_path with ?full), and raise pm.max_children if memory allows"
	if p.Apache {
		fix = "look which requests keep its processes busy (/server-status), and raise MaxRequestWorkers if memory allows"
	}
	return figure("latency", Seconds, p.Latency.Seconds(), t.own).judge("answers in "+ui.Duration(p.Latency), fix)
}

// cause is the error without the address, which is the subject of the result.
func (p *Pool) cause() string {
	text := oneLine(p.Err.Error())
	if _, after, found := strings.Cut(text, "call "+p.Address+": "); found {
		return after
	}
	return text
}

func (p *Pool) mend() string {
	switch {
	case p.Apache:
		return "look whether Apache runs and which requests keep its processes busy (/server-status), and in its error log"
	case errors.Is(p.Err, fcgi.ErrNotListening):
		return "start PHP-FPM (systemctl status php*-fpm says why it ended), or correct the address under pools in the configuration"
	case errors.Is(p.Err, fcgi.ErrTimeout):
		return "look whether its workers hang (systemctl status, strace) or are all busy, and reload PHP-FPM if they do not recover"
	}
	if hints := hint.Of(p.Err); len(hints) > 0 {
		return strings.Join(hints, "; ")
	}
	return "look in PHP-FPM's error log"
}

// errDown is what all other checks say of a pool that does not answer.
var errDown = errors.New("the pool does not answer")

// noStatus is why FPM's figures are not known.
func (p *Pool) noStatus() error {
	switch {
	case p.Err != nil:
		return errDown
	case errors.Is(p.StatusErr, fcgi.ErrStatusBusy):
		return fcgi.ErrStatusBusy
	case p.StatusErr != nil:
		return fcgi.ErrNoStatusPage
	}
	return nil
}
