package config

import "github.com/goccy/go-yaml/ast"

// value is what a key of the file stands for: the one place that says what it is
// where the file does not give it, how it is read, and how it is shown.
type value struct {
	preset func()
	read   func(*reader, node)
	show   func() any // nothing, or what is empty: it is not shown
}

// field is a key that relink knows, and fields those of one mapping, in the order in
// which they are shown.
type field struct {
	name string
	value
}
type fields []field

// of is a value that one function reads and another one shows.
func of[T any](to *T, preset T, read func(*reader, node) (T, bool), show func(T) any) value {
	return value{
		preset: func() { *to = preset },
		read: func(r *reader, n node) {
			if got, ok := read(r, n); ok {
				*to = got
			}
		},
		show: func() any { return show(*to) },
	}
}

// section is a mapping as a value of another one.
func section(known fields) value {
	return value{
		preset: func() {
			for _, f := range known {
				f.preset()
			}
		},
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

// listOf reads a list whose elements one function reads. An element that cannot be read
// stays as "", so that the others keep their numbers.
func listOf(to *[]string, one func(*reader, node) (string, bool)) value {
	return of(to, nil, func(r *reader, n node) (all []string, ok bool) {
		for _, n := range r.items(n) {
			text, _ := one(r, n)
			all = append(all, text)
		}
		return all, true
	}, func(all []string) any { return all })
}

// sections is a list of mappings.
func sections[T any](to *[]T, known func(*T) value) value {
	return of(to, nil, func(r *reader, n node) (all []T, ok bool) {
		for _, n := range r.items(n) {
			all = append(all, *new(T))
			fresh(r, n, known(&all[len(all)-1]))
		}
		return all, true
	}, func(all []T) any {
		shown := make([]ordered, len(all))
		for i := range all {
			shown[i] = known(&all[i]).show().(ordered)
		}
		return shown
	})
}

// named is a mapping from names, of which a person has given each, to what they name.
func named[T any](to *[]T, what string, name func(*T) *string, known func(*T) value) value {
	return of(to, nil, func(r *reader, n node) (all []T, ok bool) {
		for _, e := range r.entries(n) {
			if !validName(e.name) {
				r.wrongAt(e.keyAt, e.key, "the name of %s %s", what, nameForm)
				continue
			}
			all = append(all, *new(T))
			one := &all[len(all)-1]
			*name(one) = e.name
			fresh(r, e.node, known(one))
		}
		return all, true
	}, func(all []T) any {
		var o ordered
		for i := range all {
			o.add(*name(&all[i]), known(&all[i]).show())
		}
		return o
	})
}

// optional is a value that may be missing as a whole.
func optional[T any](to **T, known func(*T) value) value {
	return of(to, nil, func(r *reader, n node) (*T, bool) {
		one := new(T)
		fresh(r, n, known(one))
		return one, true
	}, func(one *T) any {
		if one == nil {
			return nil
		}
		return known(one).show()
	})
}

func fresh(r *reader, n node, v value) {
	v.preset()
	v.read(r, n)
}

const off = "off"

// orOff is a value for which the file may also say "off".
func orOff(isOff *bool, v value) value {
	return value{
		preset: v.preset,
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
		preset: whole.preset,
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
