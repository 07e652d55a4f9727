package config

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// string reads a text that is not empty. A number or a yes is not taken for
// one: YAML would drop the zeros of 007.
func (r *reader) string(n node) (string, bool) {
	var text string
	switch yaml := r.resolve(n.yaml).(type) {
	case *ast.StringNode:
		text = yaml.Value
	case *ast.LiteralNode:
		text = yaml.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		r.expected("a text", n)
		r.problems[len(r.problems)-1].Text += "; put it in quotes"
		return "", false
	default:
		r.expected("a text", n)
		return "", false
	}
	switch {
	case text == "":
		r.wrong(n.key, "is empty: give it a value or remove the key")
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		r.wrong(n.key, "%q is not UTF-8 text", text)
	default:
		return text, true
	}
	return "", false
}

// line is a string without line breaks and other control characters.
func (r *reader) line(n node) (string, bool) {
	text, ok := r.string(n)
	if ok && !plain(text) {
		r.wrong(n.key, "%q holds a control character", text)
		return "", false
	}
	return text, ok
}

func (r *reader) text(to *string) take {
	return func(n node) {
		if text, ok := r.string(n); ok {
			*to = text
		}
	}
}

func (r *reader) choice(to *string, among ...string) take {
	return func(n node) {
		text, ok := r.resolve(n.yaml).(*ast.StringNode)
		switch {
		case !ok:
			r.expected("one of "+strings.Join(among, ", "), n)
		case !slices.Contains(among, text.Value):
			r.wrong(n.key, "%q is not one of %s%s", text.Value, strings.Join(among, ", "), didYouMean(text.Value, among))
		default:
			*to = text.Value
		}
	}
}

func (r *reader) boolean(to *bool) take {
	return func(n node) {
		if yaml, ok := r.resolve(n.yaml).(*ast.BoolNode); ok {
			*to = yaml.Value
			return
		}
		r.expected("true or false", n)
	}
}

func (r *reader) integer(to *int, least, most int) take {
	return func(n node) {
		yaml, ok := r.resolve(n.yaml).(*ast.IntegerNode)
		if !ok {
			r.expected("a whole number", n)
			return
		}
		value, fits := yaml.Value.(int64)
		if unsigned, ok := yaml.Value.(uint64); ok && unsigned <= uint64(most) {
			value, fits = int64(unsigned), true
		}
		if !fits || value < int64(least) || value > int64(most) {
			r.wrong(n.key, "must be a number from %d to %d, not %s", least, most, yaml.Token.Value)
			return
		}
		*to = int(value)
	}
}

func (r *reader) ratio(to *float64) take {
	return func(n node) {
		var value float64
		switch yaml := r.resolve(n.yaml).(type) {
		case *ast.FloatNode:
			value = yaml.Value
		case *ast.IntegerNode:
			var err error
			if value, err = strconv.ParseFloat(yaml.Token.Value, 64); err != nil {
				value = -1
			}
		default:
			r.expected("a ratio between 0 and 1, such as 0.9", n)
			return
		}
		if !(value >= 0 && value <= 1) {
			r.wrong(n.key, "must be a ratio between 0 and 1, such as 0.9, not %s", r.resolve(n.yaml).GetToken().Value)
			return
		}
		*to = value
	}
}

// duration reads a time that is long enough to mean something.
func (r *reader) duration(to *time.Duration, least time.Duration) take {
	const form = "write it like 500ms, 30s or 10m"
	return func(n node) {
		yaml := r.resolve(n.yaml)
		if number, ok := yaml.(*ast.IntegerNode); ok && number.Token.Value != "0" {
			r.wrong(n.key, "%s has no unit; %s", number.Token.Value, form)
			return
		} else if ok {
			yaml = &ast.StringNode{Value: "0"}
		}
		text, ok := yaml.(*ast.StringNode)
		if !ok {
			r.expected("a duration, such as 30s", n)
			return
		}
		value, err := time.ParseDuration(text.Value)
		switch {
		case err != nil:
			r.wrong(n.key, "%q is not a duration; %s", text.Value, form)
		case value < least:
			r.wrong(n.key, "must be at least %s, not %s", shortDuration(least), text.Value)
		default:
			*to = value
		}
	}
}

func (r *reader) size(to *int64) take {
	return func(n node) {
		var text string
		switch yaml := r.resolve(n.yaml).(type) {
		case *ast.StringNode:
			text = yaml.Value
		case *ast.IntegerNode:
			text = yaml.Token.Value
		default:
			r.expected("a size, such as 16MB", n)
			return
		}
		value, err := parseSize(text)
		if err != nil {
			r.wrong(n.key, "%v", err)
			return
		}
		*to = value
	}
}

// list reads a list whose elements one reader reads. An element that cannot be
// read stays as "", so that the others keep their numbers.
func (r *reader) list(to *[]string, one func(to *string) take) take {
	return func(n node) {
		for _, n := range r.items(n) {
			var text string
			one(&text)(n)
			*to = append(*to, text)
		}
	}
}
