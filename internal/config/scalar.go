package config

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// readText reads a text that is not empty. A number or a yes is not taken for
// one: YAML would drop the zeros of 007.
func readText(r *reader, n node) (string, bool) {
	var got string
	switch yaml := r.resolve(n.yaml).(type) {
	case *ast.StringNode:
		got = yaml.Value
	case *ast.LiteralNode:
		got = yaml.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		r.expected("a text", n)
		r.problems[len(r.problems)-1].Text += "; put it in quotes"
		return "", false
	default:
		r.expected("a text", n)
		return "", false
	}
	switch {
	case got == "":
		r.wrong(n.key, "is empty: give it a value or remove the key")
	case notText(got):
		r.wrong(n.key, "%q is not UTF-8 text", got)
	default:
		return got, true
	}
	return "", false
}

// readLine reads a text without line breaks and other control characters, in the form that
// parse gives it.
func readLine(parse func(string) (string, error)) func(*reader, node) (string, bool) {
	return func(r *reader, n node) (string, bool) {
		got, ok := readText(r, n)
		switch {
		case !ok:
			return "", false
		case !plain(got):
			r.wrong(n.key, "%q holds a control character", got)
			return "", false
		}
		return parsedBy(parse, r, n, got)
	}
}

func parsedBy[T any](parse func(string) (T, error), r *reader, n node, text string) (T, bool) {
	got, err := parse(text)
	if err != nil {
		r.wrong(n.key, "%v", err)
	}
	return got, err == nil
}

func asIs(text string) any { return text }

func lineText(to *string, preset string, parse func(string) (string, error)) value {
	return of(to, preset, readLine(parse), asIs)
}

// choice is one of some words; the first is the default.
func choice(to *string, among ...string) value {
	return of(to, among[0], func(r *reader, n node) (string, bool) {
		word, ok := r.resolve(n.yaml).(*ast.StringNode)
		switch {
		case !ok:
			r.expected("one of "+strings.Join(among, ", "), n)
		case !slices.Contains(among, word.Value):
			r.wrong(n.key, "%q is not one of %s%s", word.Value, strings.Join(among, ", "), didYouMean(word.Value, among))
		default:
			return word.Value, true
		}
		return "", false
	}, asIs)
}

// flag is false unless the file says true; only that is shown.
func flag(to *bool) value {
	return of(to, false, func(r *reader, n node) (bool, bool) {
		yaml, ok := r.resolve(n.yaml).(*ast.BoolNode)
		if !ok {
			r.expected("true or false", n)
		}
		return ok && yaml.Value, ok
	}, func(set bool) any {
		if !set {
			return nil
		}
		return true
	})
}

func integer[T int | int64](to *T, preset, least, most T) value {
	return of(to, preset, readInteger(least, most), func(n T) any { return n })
}

func readInteger[T int | int64](least, most T) func(*reader, node) (T, bool) {
	return func(r *reader, n node) (T, bool) {
		yaml, ok := r.resolve(n.yaml).(*ast.IntegerNode)
		if !ok {
			r.expected("a whole number", n)
			return 0, false
		}
		got, fits := yaml.Value.(int64)
		if unsigned, ok := yaml.Value.(uint64); ok && unsigned <= uint64(most) {
			got, fits = int64(unsigned), true
		}
		if !fits || got < int64(least) || got > int64(most) {
			r.wrong(n.key, "must be a number from %d to %d, not %s", least, most, yaml.Token.Value)
			return 0, false
		}
		return T(got), true
	}
}

func ratio(to *float64, preset float64) value {
	return of(to, preset, func(r *reader, n node) (got float64, ok bool) {
		switch yaml := r.resolve(n.yaml).(type) {
		case *ast.FloatNode:
			got = yaml.Value
		case *ast.IntegerNode:
			var err error
			if got, err = strconv.ParseFloat(yaml.Token.Value, 64); err != nil {
				got = -1
			}
		default:
			r.expected("a ratio between 0 and 1, such as 0.9", n)
			return 0, false
		}
		if !(got >= 0 && got <= 1) {
			r.wrong(n.key, "must be a ratio between 0 and 1, such as 0.9, not %s", r.resolve(n.yaml).GetToken().Value)
			return 0, false
		}
		return got, true
	}, func(got float64) any { return got })
}

// duration is a time that is long enough to mean something.
func duration(to *time.Duration, preset, least time.Duration) value {
	return of(to, preset, readDuration(least), func(d time.Duration) any { return shortDuration(d) })
}

func readDuration(least time.Duration) func(*reader, node) (time.Duration, bool) {
	const form = "write it like 500ms, 30s or 10m"
	return func(r *reader, n node) (time.Duration, bool) {
		yaml := r.resolve(n.yaml)
		if number, ok := yaml.(*ast.IntegerNode); ok && number.Token.Value != "0" {
			r.wrong(n.key, "%s has no unit; %s", number.Token.Value, form)
			return 0, false
		} else if ok {
			yaml = &ast.StringNode{Value: "0"}
		}
		given, ok := yaml.(*ast.StringNode)
		if !ok {
			r.expected("a duration, such as 30s", n)
			return 0, false
		}
		got, err := time.ParseDuration(given.Value)
		switch {
		case err != nil:
			r.wrong(n.key, "%q is not a duration; %s", given.Value, form)
		case got < least:
			r.wrong(n.key, "must be at least %s, not %s", shortDuration(least), given.Value)
		default:
			return got, true
		}
		return 0, false
	}
}

// shortDuration is 10m, where time.Duration says 10m0s.
func shortDuration(d time.Duration) string {
	return strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(d.String())
}

func size(to *int64, preset int64) value {
	return of(to, preset, func(r *reader, n node) (int64, bool) {
		var given string
		switch yaml := r.resolve(n.yaml).(type) {
		case *ast.StringNode:
			given = yaml.Value
		case *ast.IntegerNode:
			given = yaml.Token.Value
		default:
			r.expected("a size, such as 16MB", n)
			return 0, false
		}
		return parsedBy(parseSize, r, n, given)
	}, func(bytes int64) any { return formatSize(bytes) })
}

var sizeForm = regexp.MustCompile(`^([0-9]+) ?([KMGT]?)(?:i?B)?$`)

// units count by 1024, as opcache.memory_consumption and php.ini's 16M do.
var units = []struct {
	letter string
	bytes  int64
}{{"T", 1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"", 1}}

// parseSize reads 16MB, 16M, 16MiB and plain bytes.
func parseSize(text string) (int64, error) {
	parts := sizeForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("%q is not a size; write it like 512KB, 16MB or 1GB", text)
	}
	number, err := strconv.ParseInt(parts[1], 10, 64)
	for _, unit := range units {
		if unit.letter == parts[2] && err == nil && number <= math.MaxInt64/unit.bytes {
			return number * unit.bytes, nil
		}
	}
	return 0, fmt.Errorf("%q is too large for a size", text)
}

// formatSize is the shortest form that parseSize reads back exactly.
func formatSize(bytes int64) string {
	for _, unit := range units {
		if bytes >= unit.bytes && bytes%unit.bytes == 0 {
			return strconv.FormatInt(bytes/unit.bytes, 10) + unit.letter + "B"
		}
	}
	return strconv.FormatInt(bytes, 10) + "B"
}
