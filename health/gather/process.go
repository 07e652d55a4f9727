package gather

import (
	"bytes"
	"errors"
	"fmt"

	"relink/internal/hint"
)

// errHidden: what /proc would tell of a process in a container or elsewhere.
var errHidden = hint.With(errors.New("its FPM master (mod_php: its Apache) is no process that this machine shows"),
	"look inside its container, and name the check under health.skip")

// mapped tells whether a file of that name is mapped into a process.
func mapped(read func(string) ([]byte, error), pid int, name string) (bool, error) {
	text, err := read(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", name, err)
	}
	for line := range bytes.Lines(text) {
		if bytes.HasSuffix(bytes.TrimSpace(line), []byte("/"+name)) {
			return true, nil
		}
	}
	return false, nil
}
