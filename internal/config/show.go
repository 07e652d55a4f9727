package config

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"sync"

	"relink/internal/ui"
)

// Show writes the configuration with all defaults filled in. Both formats,
// "yaml" and "json", load again as the same configuration.
func Show(out io.Writer, c *Config, format string) error {
	if format == "json" {
		return ui.JSON(out, keyed(reflect.ValueOf(c).Elem(), "").show())
	}
	var text strings.Builder
	emit(&text, keyed(reflect.ValueOf(c).Elem(), "").show(), "")
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
		shown, err := json.Marshal(p.Value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(append(text, key...), ':'), shown...)
	}
	return append(text, '}'), nil
}

// add skips what is empty or not set, as the keys of a file that does not give it.
func (o *ordered) add(key string, shown any) {
	v := reflect.ValueOf(shown)
	if sized := v.Kind() == reflect.String || v.Kind() == reflect.Slice; shown != nil && shown != false && !(sized && v.Len() == 0) {
		*o = append(*o, pair{key, shown})
	}
}

// emit writes a value as YAML below what stands in the line already. goccy's
// encoder leaves texts plain that its decoder reads differently, such as one
// that ends with a tab, and what "config show" prints must be exact.
func emit(out *strings.Builder, shown any, indent string) {
	switch v := shown.(type) {
	case ordered:
		for _, p := range v {
			fmt.Fprintf(out, "\n%s%s:", indent, Scalar(p.Key))
			emit(out, p.Value, indent+"  ")
		}
	case []ordered:
		for _, one := range v {
			var text strings.Builder
			emit(&text, one, indent+"  ")
			out.WriteString("\n" + indent + "- " + strings.TrimLeft(text.String(), "\n "))
		}
	case []string:
		for _, one := range v {
			out.WriteString("\n" + indent + "- " + Scalar(one))
		}
	case string:
		out.WriteString(" " + Scalar(v))
	default:
		fmt.Fprintf(out, " %v", v)
	}
}

var (
	// unquoted texts cannot be read as anything else, whichever YAML reads them.
	unquoted = formOf(`^(?:[\pL/]|\.(?:$|[\pL/]))(?:[\pL\pN/._@+=-]| [\pL\pN/._@+=-]|:[\pL\pN/._-])*$`)
	measure  = formOf(`^(?:(?:[0-9.]+(?:h|m|s|ms|µs|ns))+|[0-9]+[KMGT]?B)$`)
	reserved = formOf(`(?i)^(?:y|n|yes|no|on|off|true|false|null|\.inf|\.nan)$`)
)

// formOf compiles a form when it is first asked for.
func formOf(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// Scalar is a text as YAML; JSON's strings are strings there, too.
func Scalar(text string) string {
	if measure().MatchString(text) || unquoted().MatchString(text) && !reserved().MatchString(text) {
		return text
	}
	var quoted strings.Builder
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string always encodes
	return strings.TrimSuffix(quoted.String(), "\n")
}
