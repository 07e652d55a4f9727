package restart

import "context"

// before gives the function that prepares for a reload, with which the restart begins
// where no links move right before it.
func (r *restartRun) before(action Action) func(context.Context) error {
	return func(ctx context.Context) error {
		err := r.prepare(ctx, action)
		if err == nil && r.options.Switch == nil {
			r.begin(action)
		}
		return err
	}
}

// cross gives the function that moves the links in the moment before the reload,
// or nil where that is not wanted.
func (r *restartRun) cross(action Action) func(context.Context) error {
	if r.options.Switch == nil {
		return nil
	}
	return func(ctx context.Context) error {
		err := r.options.Switch(ctx)
		if err == nil {
			r.begin(action)
		}
		return err
	}
}

// by is how what was decided is done: where processes have to be renewed, another
// method that is configured for want of memory does not do that.
func (o Options) by(d Decision) Options {
	switch {
	case d.Renews() && d.Action == ReloadApache:
		o.Method = MethodApache
	case d.Renews():
		o.Method = MethodFPM
	}
	return o
}
