package deploy

import (
	"fmt"

	"relink/internal/exit"
	"relink/internal/hint"
)

func usagef(format string, args ...any) error {
	return hint.With(exit.As(exit.ErrUsage, fmt.Errorf(format, args...)), `see "relink help"`)
}
