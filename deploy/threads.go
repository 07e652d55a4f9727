package deploy

import (
	"fmt"

	"relink/internal/hint"
	"relink/internal/ui"
	"relink/opcache"
)

// refuseThreads: where PHP runs in threads of Apache (a thread-safe build in the
// event or worker MPM) each thread has a realpath cache of its own, and nobody can
// tell which of them a call has reached.
func (r *run) refuseThreads(found server) error {
	if found.caches == nil || found.addressing == opcache.Resolved { // nobody has to be reached
		return nil
	}
	threaded := found.caches.Threaded()
	if len(threaded) == 0 {
		return nil
	}
	text := "PHP runs in threads of Apache, which cannot be reached one by one: " + ui.FirstFew(threaded)
	if r.Force {
		r.report.Warn(text + "; what they serve may stay old until Apache is restarted")
		return nil
	}
	return hint.With(fmt.Errorf("%w: %s", ErrThreads, text),
		"let Apache run PHP in processes (a2dismod mpm_event, a2enmod mpm_prefork), or use PHP-FPM, or have Apache send real paths (relink apache); --force goes on, and pages may stay old until Apache is restarted")
}
