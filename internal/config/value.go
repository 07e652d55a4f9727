package config

import (
	"reflect"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// value is what a key of the file stands for: how it is read, and how it is shown.
type value struct {
	read func(*reader, node)
	show func() any // nothing, or what is empty: it is not shown
}

// field is a key that relink knows, and fields those of one mapping, in the order in
// which they are shown.
type field struct {
	name string
	value
}
type fields []field

// schema is of types whose keys say more than their fields' tags, which known are made of.
type schema interface{ schema(known fields) value }

// valueOf is a variable as its type and the tags of its field say.
func valueOf(to reflect.Value, tag reflect.StructTag) value {
	switch at := to.Addr().Interface().(type) {
	case *string:
		return of(at, asString(tag), func(text string) any { return text })
	case *[]string:
		return listOf(at, asString(tag))
	case *bool:
		return of(at, asFlag, func(set bool) any { return set })
	case *int:
		return of(at, asInteger[int](tag), func(n int) any { return n })
	case *int64:
		if tag.Get("form") == "size" {
			return of(at, asSize, func(bytes int64) any { return formatSize(bytes) })
		}
		return of(at, asInteger[int64](tag), func(n int64) any { return n })
	case *float64:
		return ratio.value(at)
	case *time.Duration:
		return of(at, asDuration(tag), func(d time.Duration) any { return shortDuration(d) })
	}
	switch to.Kind() {
	case reflect.Slice:
		if what := tag.Get("names"); what != "" {
			return named(to, what)
		}
		return sections(to)
	case reflect.Pointer:
		return optional(to, tag)
	}
	return keyed(to, tag)
}

// of is a value that one function reads and another one shows.
func of[T any](to *T, read as[T], show func(T) any) value {
	return value{
		read: func(r *reader, n node) {
			if got, err := read(r.resolve(n.yaml)); err == nil {
				*to = got
			} else {
				r.refuse(n, err)
			}
		},
		show: func() any { return show(*to) },
	}
}

// listOf is a list of texts. One that cannot be read stays as "", so that the others keep
// their numbers.
func listOf(to *[]string, read as[string]) value {
	return value{
		read: func(r *reader, n node) {
			for _, n := range r.items(n) {
				*to = append(*to, "")
				of(&(*to)[len(*to)-1], read, nil).read(r, n)
			}
		},
		show: func() any { return *to },
	}
}

// keyed is a mapping that has a value for each field with a key. Tag is that of the field
// which it is.
func keyed(to reflect.Value, tag reflect.StructTag) value {
	var known fields
	for f, at := range to.Fields() {
		name, ok := f.Tag.Lookup("key")
		if !ok {
			continue
		}
		if tag.Get("of") != "" {
			f.Tag += ` of:"all"`
		}
		v := valueOf(at, f.Tag)
		if other := f.Tag.Get("off"); other != "" {
			v = orOff(to.FieldByName(other).Addr().Interface().(*bool), v)
		}
		known = append(known, field{name, v})
	}
	if own, ok := to.Addr().Interface().(schema); ok {
		return own.schema(known)
	}
	return section(known)
}

// preset gives the fields of a mapping their defaults, which are read as the file's.
func preset(to reflect.Value) {
	for f, at := range to.Fields() {
		if text, ok := f.Tag.Lookup("default"); ok {
			given, _ := parser.ParseBytes([]byte(text), 0)
			valueOf(at, f.Tag).read(&reader{file: &file{}}, node{yaml: given.Docs[0].Body})
		} else if at.Kind() == reflect.Struct {
			preset(at)
		}
	}
	if own, ok := to.Addr().Interface().(interface{ preset() }); ok {
		own.preset()
	}
}

// section is a mapping as a value of another one.
func section(known fields) value {
	return value{
		read: func(r *reader, n node) { r.mapping(n, known) },
		show: func() any {
			var o ordered
			for _, f := range known {
				o.add(f.name, f.show())
			}
			return o
		},
	}
}

// sections is a list of mappings.
func sections(to reflect.Value) value {
	return value{
		read: func(r *reader, n node) {
			for _, n := range r.items(n) {
				keyed(added(to), "").read(r, n)
			}
		},
		show: func() any {
			all := make([]ordered, to.Len())
			for i := range all {
				all[i] = keyed(to.Index(i), "").show().(ordered)
			}
			return all
		},
	}
}

// named is a mapping from names, of which a person has given each, to what they name.
func named(to reflect.Value, what string) value {
	return value{
		read: func(r *reader, n node) {
			for _, e := range r.entries(n) {
				if !validName(e.name) {
					r.wrongAt(e.keyAt, e.key, "the name of %s %s", what, nameForm)
					continue
				}
				last := added(to)
				last.FieldByName("Name").SetString(e.name)
				keyed(last, "").read(r, e.node)
			}
		},
		show: func() any {
			var all ordered
			for i := range to.Len() {
				all.add(to.Index(i).FieldByName("Name").String(), keyed(to.Index(i), "").show())
			}
			return all
		},
	}
}

// added is one more element of a list, with its defaults.
func added(to reflect.Value) reflect.Value {
	to.Set(reflect.Append(to, reflect.Zero(to.Type().Elem())))
	last := to.Index(to.Len() - 1)
	preset(last)
	return last
}

// optional is a mapping that may be missing as a whole.
func optional(to reflect.Value, tag reflect.StructTag) value {
	return value{
		read: func(r *reader, n node) {
			to.Set(reflect.New(to.Type().Elem()))
			preset(to.Elem())
			keyed(to.Elem(), tag).read(r, n)
		},
		show: func() any {
			if to.IsNil() {
				return nil
			}
			return keyed(to.Elem(), tag).show()
		},
	}
}

const off = "off"

// orOff is a value for which the file may also say "off".
func orOff(isOff *bool, v value) value {
	return value{
		read: func(r *reader, n node) {
			if *isOff = r.isOff(n); !*isOff {
				v.read(r, n)
			}
		},
		show: func() any {
			if *isOff {
				return off
			}
			return v.show()
		},
	}
}

// orText is a mapping that may be given by its most important value alone.
func orText(text, whole value) value {
	return value{
		read: func(r *reader, n node) {
			if _, ok := r.resolve(n.yaml).(*ast.MappingNode); ok {
				whole.read(r, n)
			} else {
				text.read(r, n)
			}
		},
		show: whole.show,
	}
}
