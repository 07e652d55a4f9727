package schematest

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// Document is a schema that is made of a Go type, and of the comments on its fields.
type Document struct {
	Title, Description string
	Type               reflect.Type
	// Or is another document that is printed in its place, where the command does not come
	// to its own.
	Or reflect.Type
	// Known are types whose JSON form their Go type does not tell.
	Known map[reflect.Type]*jsonschema.Schema
}

// maker gives each struct type a definition.
type maker struct {
	Document
	source *source
	defs   map[string]*jsonschema.Schema
	names  map[reflect.Type]string
	failed []string
}

// Schema is the published schema. An error names the fields that nothing says anything of.
func (d Document) Schema(name string) (*jsonschema.Schema, error) {
	m := &maker{Document: d, source: &source{}, defs: map[string]*jsonschema.Schema{}, names: map[reflect.Type]string{}}
	schema := &jsonschema.Schema{
		Schema: "https://json-schema.org/draft/2020-12/schema", ID: "urn:relink:schema:" + name,
		Title: d.Title, Description: d.Description, Defs: m.defs,
	}
	if result := m.of(d.Type); d.Or == nil {
		schema.Ref = result.Ref
	} else {
		schema.AnyOf = []*jsonschema.Schema{result, m.of(d.Or)}
	}
	if len(m.failed) > 0 {
		return schema, fmt.Errorf("no comment tells what these are:\n\t%s", strings.Join(m.failed, "\n\t"))
	}
	return schema, nil
}

// of is the schema of a type. A list is never null; a pointer is, where nothing is there.
func (m *maker) of(t reflect.Type) *jsonschema.Schema {
	if known := m.Known[t]; known != nil {
		return known.CloneSchemas()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return orNull(m.of(t.Elem()))
	case reflect.Slice:
		if t == reflect.TypeFor[[]byte]() {
			return &jsonschema.Schema{Type: "string", ContentEncoding: "base64"}
		}
		return &jsonschema.Schema{Type: "array", Items: m.of(t.Elem())}
	case reflect.Map:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: m.of(t.Elem())}
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return &jsonschema.Schema{Type: "string", Format: "date-time"}
		}
		return &jsonschema.Schema{Ref: "#/$defs/" + m.define(t)}
	case reflect.String:
		return &jsonschema.Schema{Type: "string", Enum: m.source.constants(t)}
	case reflect.Bool:
		return &jsonschema.Schema{Type: "boolean"}
	case reflect.Int, reflect.Int64:
		if !t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
			return &jsonschema.Schema{Type: "integer"}
		}
	case reflect.Float64:
		return &jsonschema.Schema{Type: "number"}
	}
	panic("the JSON form of " + t.String() + " is not known")
}

func orNull(s *jsonschema.Schema) *jsonschema.Schema {
	if s.Type != "" && s.Enum == nil {
		s.Types, s.Type = []string{s.Type, "null"}, ""
		return s
	}
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, {Type: "null"}}}
}

// define gives a struct type its definition, and the name of that.
func (m *maker) define(t reflect.Type) string {
	if name := m.names[t]; name != "" {
		return name
	}
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	if m.defs[name] != nil { // of another package
		above := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]
		name = strings.ToUpper(above[:1]) + above[1:] + name
	}
	m.names[t] = name
	s := &jsonschema.Schema{Type: "object", Description: m.source.comment(t, ""), Properties: map[string]*jsonschema.Schema{}}
	m.defs[name] = s
	m.fields(s, t)
	return name
}

// everywhere are fields that mean the same wherever they are.
var everywhere = map[string]string{
	"app": "the application", "exit": "the exit status", "version": "of this document: it rises when a field changes its meaning or goes",
	"instance": "the instance, by its name", "pid": "of the process",
}

// told tells whether the type itself says what there is.
func told(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]()
}

// fields adds those of a struct type. Those of one that is embedded are its own.
func (m *maker) fields(s *jsonschema.Schema, t reflect.Type) {
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			m.fields(s, field.Type)
			continue
		case !field.IsExported() || name == "-":
			continue
		}
		name = cmp.Or(name, field.Name)
		of, optional := field.Type, strings.Contains(options, "omit")
		if optional && of.Kind() == reflect.Pointer {
			of = of.Elem() // it is absent rather than null
		}
		one := m.of(of)
		if !optional {
			s.Required = append(s.Required, name)
		}
		one.Description = cmp.Or(m.source.comment(t, field.Name), everywhere[name])
		if one.Description == "" && !told(of) {
			m.failed = append(m.failed, fmt.Sprintf("%s.%s", t, field.Name))
		}
		if one.Enum != nil && strings.Contains(one.Description, `""`) { // the comment says what it means
			one.Enum = append(one.Enum, "")
		}
		s.Properties[name] = one
		s.PropertyOrder = append(s.PropertyOrder, name)
	}
}
