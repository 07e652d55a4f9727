package opcache

import "context"

// cross notes what is hot and moves the links: the reload follows at once.
func (r *restarting) cross(ctx context.Context) error {
	if r.options.Warm {
		if err := r.remember(ctx); err != nil {
			return err
		}
	}
	return r.options.Switch(ctx)
}

// by is how what was decided is done: where processes have to be renewed, another
// method that is configured for want of memory does not do that.
func (o RestartOptions) by(d Decision) RestartOptions {
	if d.Renews() {
		o.Method = MethodFPM
	}
	return o
}
