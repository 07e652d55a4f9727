package deploy

import "relink/opcache"

// rememberReached keeps what was learned of how the web server reaches the
// links; opcache.Setup.Connect gives it to the next run.
func (r *run) rememberReached() error {
	if r.cut == nil {
		return nil
	}
	return opcache.RememberReached(opcache.ReachedFile(r.App.State, r.App.Name), r.cut.Learned())
}
