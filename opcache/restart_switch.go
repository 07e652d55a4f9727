package opcache

import "context"

// cross gives the function that moves the links in the moment before the reload,
// or nil where that is not wanted.
func (r *restarting) cross() func(context.Context) error {
	if r.options.Switch == nil {
		return nil
	}
	return func(ctx context.Context) error {
		err := r.options.Switch(ctx)
		if err == nil {
			r.begin(ReloadFPM)
		}
		return err
	}
}

// by is how what was decided is done: where processes have to be renewed, another
// method that is configured for want of memory does not do that.
func (o RestartOptions) by(d Decision) RestartOptions {
	if d.Renews() {
		o.Method = MethodFPM
	}
	return o
}
