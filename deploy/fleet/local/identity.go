package local

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"relink/internal/state"
)

// Identity tells this installation from another one of the same name. It is made once.
func Identity(stateDir string) (id string, err error) {
	file := filepath.Join(stateDir, "fleet-host.json")
	text, err := state.Read(file)
	if err == nil && text != nil && json.Unmarshal(text, &id) == nil && id != "" {
		return id, nil
	}
	if err == nil {
		err = os.MkdirAll(stateDir, 0o755)
	}
	if err == nil {
		id = rand.Text()
		err = state.Write(file, id)
	}
	if err != nil {
		return "", fmt.Errorf("identity of this host: %w", err)
	}
	return id, nil
}
