// Package schematest makes the JSON Schemas of docs/schemas from Go types, and holds
// documents against them. Only tests import it.
package schematest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"relink/internal/bounded"

	"github.com/google/jsonschema-go/jsonschema"
)

// root is the module's folder.
var root = sync.OnceValue(func() string {
	dir, err := os.Getwd() // of a test: its package's
	for ; err == nil && dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	return ""
})

// File is that of a schema.
func File(name string) string { return filepath.Join(root(), "docs", "schemas", name+".json") }

// Of is the schema of what a command prints: "opcache report".
func Of(command string) string { return strings.ReplaceAll(command, " ", "-") }

var (
	mu     sync.Mutex
	strict = map[string]*jsonschema.Resolved{}
)

// Check holds a document against a schema, more strictly than the schema is published:
// whoever reads a document has to expect further fields, but none may be printed that
// the schema does not tell of.
func Check(name string, document []byte) error {
	schema, err := load(name)
	if err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		return fmt.Errorf("schema %s: %w", name, err)
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("schema %s: %w", name, err)
	}
	return nil
}

func load(name string) (*jsonschema.Resolved, error) {
	mu.Lock()
	defer mu.Unlock()
	if known := strict[name]; known != nil {
		return known, nil
	}
	text, err := bounded.File(File(name), 1<<20)
	if err != nil {
		return nil, err
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	shut(&schema)
	for _, one := range schema.Defs {
		shut(one)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	strict[name] = resolved
	return resolved, nil
}

// shut has a schema refuse fields that it does not name. Objects lie in the document and its
// definitions only.
func shut(s *jsonschema.Schema) {
	if s.Properties != nil && s.AdditionalProperties == nil {
		s.AdditionalProperties = Never()
	}
}
