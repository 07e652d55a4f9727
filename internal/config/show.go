package config

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"relink/internal/ui"
)

// Show writes the configuration with all defaults filled in. Both formats,
// "yaml" and "json", load again as the same configuration.
func Show(out io.Writer, c *Config, format string) error {
	if format == "json" {
		return ui.JSON(out, viewOf(c))
	}
	var text strings.Builder
	emit(&text, viewOf(c), "")
	_, err := fmt.Fprintf(out, "# %s with its defaults%s\n%s", c.Path, text.String(), foundComment(c))
	return err
}

// foundComment lists what instances_from found. As keys, they would no longer
// be searched for when the output becomes a configuration.
func foundComment(c *Config) string {
	var lines strings.Builder
	for _, a := range c.Apps {
		for _, i := range a.Instances {
			if i.Found {
				fmt.Fprintf(&lines, "# found: apps.%s.instances.%s: %s\n", a.Name, i.Name, i.Link)
			}
		}
	}
	return lines.String()
}

// ordered is a mapping that keeps its order in YAML and in JSON. Its values are
// ordered, []ordered, []string, string, bool, int or float64.
type ordered []pair

type pair struct {
	Key   string
	Value any
}

func (o ordered) MarshalJSON() ([]byte, error) {
	text := []byte{'{'}
	for i, p := range o {
		key, err := json.Marshal(p.Key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(p.Value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(append(text, key...), ':'), value...)
	}
	return append(text, '}'), nil
}

// add skips what is empty, as the keys of a file that does not give it.
func (o *ordered) add(key string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case []string:
		if len(v) == 0 {
			return
		}
	case ordered:
		if len(v) == 0 {
			return
		}
	case []ordered:
		if len(v) == 0 {
			return
		}
	}
	*o = append(*o, pair{key, value})
}
