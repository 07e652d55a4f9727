package schematest

import (
	"cmp"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// Configuration is the schema of the configuration file, and so of what "config show" prints
// as JSON, made of the tags by which internal/config reads it.
type Configuration struct {
	Type reflect.Type
	// Shapes are types for which the file may say something else than their keys.
	Shapes map[reflect.Type]func(keys *jsonschema.Schema) *jsonschema.Schema

	source source
}

// Schema is the published schema.
func (c *Configuration) Schema(name, title, description string) *jsonschema.Schema {
	s := c.keys(c.Type)
	s.Schema, s.ID = "https://json-schema.org/draft/2020-12/schema", "urn:relink:schema:"+name
	s.Title, s.Description = title, description
	return s
}

// keys is a mapping. relink refuses what it does not know.
func (c *Configuration) keys(t reflect.Type) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: Never()}
	for field := range t.Fields() {
		key, ok := field.Tag.Lookup("key")
		if !ok {
			continue
		}
		one := c.of(field.Type, field.Tag)
		if _, ok := field.Tag.Lookup("off"); ok {
			one = OrText("off", one)
		}
		one.Description = cmp.Or(c.source.comment(t, field.Name), one.Description)
		s.Properties[key] = one
		s.PropertyOrder = append(s.PropertyOrder, key)
	}
	if shape := c.Shapes[t]; shape != nil {
		s = shape(s)
	}
	s.Description = c.source.comment(t, "")
	return s
}

var number = map[string]string{"size": `^[0-9]+[KMGT]?B$`, "duration": `^0$|^([0-9.]+(h|m|s|ms|µs|ns))+$`}

func (c *Configuration) of(t reflect.Type, tag reflect.StructTag) *jsonschema.Schema {
	switch t.Kind() {
	case reflect.Pointer:
		return c.of(t.Elem(), tag)
	case reflect.Struct:
		return c.keys(t)
	case reflect.Slice:
		if tag.Get("names") != "" {
			return &jsonschema.Schema{Type: "object", AdditionalProperties: c.of(t.Elem(), "")}
		}
		return &jsonschema.Schema{Type: "array", Items: c.of(t.Elem(), "")}
	case reflect.Bool:
		return &jsonschema.Schema{Type: "boolean"}
	case reflect.Float64:
		return &jsonschema.Schema{Type: "number", Minimum: jsonschema.Ptr(0.), Maximum: jsonschema.Ptr(1.)}
	case reflect.String:
		s := &jsonschema.Schema{Type: "string"}
		for _, choice := range strings.Fields(tag.Get("among")) {
			s.Enum = append(s.Enum, choice)
		}
		return s
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return Duration()
	case tag.Get("form") == "size":
		return &jsonschema.Schema{Types: []string{"string", "integer"}, Pattern: number["size"]}
	}
	return &jsonschema.Schema{Type: "integer", Minimum: bound(tag.Get("least")), Maximum: bound(tag.Get("most"))}
}

func bound(text string) *float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil
	}
	return &n
}

// Duration is a time with its unit.
func Duration() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: number["duration"]}
}

// Never is fulfilled by nothing.
func Never() *jsonschema.Schema { return &jsonschema.Schema{Not: &jsonschema.Schema{}} }

// OrText is a text, one that is given or any, in place of something else.
func OrText(text string, s *jsonschema.Schema) *jsonschema.Schema {
	plain := &jsonschema.Schema{Type: "string"}
	if text != "" {
		plain.Enum = []any{text}
	}
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{plain, s}}
}

// With adds further keys to a mapping.
func With(s *jsonschema.Schema, more map[string]*jsonschema.Schema) *jsonschema.Schema {
	maps.Copy(s.Properties, more)
	return s
}
