package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// as turns one value of the file into one of a configuration; its error tells what would
// be right.
type as[T any] = func(ast.Node) (T, error)

// asText reads a text that is not empty. A number or a yes is not taken for
// one: YAML would drop the zeros of 007.
func asText(yaml ast.Node) (got string, err error) {
	switch yaml := yaml.(type) {
	case *ast.StringNode:
		got = yaml.Value
	case *ast.LiteralNode:
		got = yaml.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return "", fmt.Errorf("%w; put it in quotes", expected("a text", yaml))
	default:
		return "", expected("a text", yaml)
	}
	switch {
	case got == "":
		err = errors.New("is empty: give it a value or remove the key")
	case notText(got):
		err = fmt.Errorf("%q is not UTF-8 text", got)
	}
	return got, err
}

// asLine reads a text without line breaks and other control characters, in the form that
// parse gives it.
func asLine(parse func(string) (string, error)) as[string] {
	return func(yaml ast.Node) (string, error) {
		got, err := asText(yaml)
		if err == nil && !plain(got) {
			err = fmt.Errorf("%q holds a control character", got)
		}
		if err != nil {
			return "", err
		}
		return parse(got)
	}
}

// forms are those of a text that the tag "form" names.
var forms = map[string]func(string) (string, error){
	"absolute": absolute, "relative": relative, "entry": relativeEntry, "program": program,
	"pool": PoolAddress, "page": pagePath, "listen": ListenAddress, "host and port": HostPort, "name": nameText,
	"url": webURL(false), "url of all": webURL(true), "host": hostHeader(false), "host of all": hostHeader(true),
}

// asString reads a text as the tags say: any, in a form, or one of some words.
func asString(tag reflect.StructTag) as[string] {
	form := tag.Get("form")
	if own, ok := forms[form+" of "+tag.Get("of")]; ok {
		return asLine(own)
	}
	switch {
	case form != "":
		return asLine(forms[form])
	case tag.Get("among") != "":
		return asChoice(strings.Fields(tag.Get("among")))
	}
	return asText
}

func asChoice(among []string) as[string] {
	return func(yaml ast.Node) (string, error) {
		word, ok := yaml.(*ast.StringNode)
		switch {
		case !ok:
			return "", expected("one of "+strings.Join(among, ", "), yaml)
		case !slices.Contains(among, word.Value):
			return "", fmt.Errorf("%q is not one of %s%s", word.Value, strings.Join(among, ", "), didYouMean(word.Value, among))
		}
		return word.Value, nil
	}
}

func asFlag(yaml ast.Node) (bool, error) {
	if flag, ok := yaml.(*ast.BoolNode); ok {
		return flag.Value, nil
	}
	return false, expected("true or false", yaml)
}

func asInteger[T int | int64](tag reflect.StructTag) as[T] {
	least, _ := strconv.ParseInt(tag.Get("least"), 10, 64)
	most, _ := strconv.ParseInt(tag.Get("most"), 10, 64)
	return func(yaml ast.Node) (T, error) {
		number, ok := yaml.(*ast.IntegerNode)
		if !ok {
			return 0, expected("a whole number", yaml)
		}
		got, fits := number.Value.(int64)
		if unsigned, ok := number.Value.(uint64); ok && unsigned <= uint64(most) {
			got, fits = int64(unsigned), true
		}
		if !fits || got < least || got > most {
			return 0, fmt.Errorf("must be a number from %d to %d, not %s", least, most, number.Token.Value)
		}
		return T(got), nil
	}
}

func asRatio(yaml ast.Node) (got float64, err error) {
	switch yaml := yaml.(type) {
	case *ast.FloatNode:
		got = yaml.Value
	case *ast.IntegerNode:
		got, err = strconv.ParseFloat(yaml.Token.Value, 64)
	default:
		return 0, expected("a ratio between 0 and 1, such as 0.9", yaml)
	}
	if err != nil || !(got >= 0 && got <= 1) {
		err = fmt.Errorf("must be a ratio between 0 and 1, such as 0.9, not %s", yaml.GetToken().Value)
	}
	return got, err
}

// asDuration reads a time that is long enough to mean something.
func asDuration(tag reflect.StructTag) as[time.Duration] {
	const form = "write it like 500ms, 30s or 10m"
	least, _ := time.ParseDuration(cmp.Or(tag.Get("least"), "0"))
	return func(yaml ast.Node) (time.Duration, error) {
		var given string
		switch yaml := yaml.(type) {
		case *ast.IntegerNode:
			if given = yaml.Token.Value; given != "0" {
				return 0, fmt.Errorf("%s has no unit; %s", given, form)
			}
		case *ast.StringNode:
			given = yaml.Value
		default:
			return 0, expected("a duration, such as 30s", yaml)
		}
		got, err := time.ParseDuration(given)
		switch {
		case err != nil:
			err = fmt.Errorf("%q is not a duration; %s", given, form)
		case got < least:
			err = fmt.Errorf("must be at least %s, not %s", shortDuration(least), given)
		}
		return got, err
	}
}

// shortDuration is 10m, where time.Duration says 10m0s.
func shortDuration(d time.Duration) string {
	return strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(d.String())
}

func asSize(yaml ast.Node) (int64, error) {
	switch yaml := yaml.(type) {
	case *ast.StringNode:
		return parseSize(yaml.Value)
	case *ast.IntegerNode:
		return parseSize(yaml.Token.Value)
	}
	return 0, expected("a size, such as 16MB", yaml)
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
