package paths

import (
	"errors"
	"fmt"

	"relink/internal/hint"
	"relink/internal/ui"
	"relink/opcache"
)

// Divided names what nobody can put right who may not move links, where literal paths are
// looked at: some stay on the path from, which others have left, or to, which had been left,
// serves again (returned) while others are elsewhere.
func Divided(addressing opcache.Addressing, from, to string, staying, elsewhere []string, returned bool) error {
	if addressing.Reuses() {
		return nil
	}
	const way = "set opcache.revalidate_path=1 for the pool, which makes the literal paths not matter; or "
	var errs []error
	if len(staying) > 0 {
		errs = append(errs, hint.With(fmt.Errorf("%s stay on %s, which others have left: as soon as their visitors have its scripts compiled again, the old literal paths of those that have left lead there again",
			ui.FirstFew(staying), from), way+`move the links by "relink deploy", which gives those that stay a path of their own; or move the others too`))
	}
	if returned && len(elsewhere) > 0 {
		errs = append(errs, hint.With(fmt.Errorf("%s was in use before and had been left: literal paths of %s that led there then lead there again",
			to, ui.FirstFew(elsewhere)), way+"give each release a path of its own"))
	}
	return errors.Join(errs...)
}
