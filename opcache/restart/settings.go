package restart

import (
	"context"
	"errors"
	"fmt"

	"relink/internal/hint"
	"relink/opcache"
	"relink/php/fpm"
)

// errSettings: nobody can tell whether FPM reads settings out of a release.
var errSettings = errors.New("what FPM's configuration includes is not known")

// settings tells whether FPM would read other settings (php_admin_value, env and
// the like) at a start after the switch than before it, because its configuration
// includes files through links that move. It tries them then.
func (r *masterRenewal) settings(ctx context.Context) (changed bool, err error) {
	m := r.master
	if m.PID == 0 || m.Root != "/" { // in another root no link of ours leads
		return false, nil
	}
	now, err := m.FlatConfig(func(path string) string { real, _ := opcache.Follow(path, nil); return real })
	if err != nil {
		return false, fmt.Errorf("%w: %w", errSettings, err)
	}
	then, err := m.FlatConfig(func(path string) string { real, _ := opcache.Follow(path, r.moved); return real })
	switch {
	case err != nil:
		err = fmt.Errorf("%w after the switch: %w", fpm.ErrBadConfig, err)
	case now == then:
		return false, nil
	default:
		_, err = m.TryConfig(ctx, then)
	}
	return true, hint.With(err, "mend the files that FPM's configuration includes from the release, or include them from elsewhere")
}
