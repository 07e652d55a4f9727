package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// emit writes a value as YAML below what stands in the line already. goccy's
// encoder leaves texts plain that its decoder reads differently, such as one
// that ends with a tab, and what "config show" prints must be exact.
func emit(out *strings.Builder, value any, indent string) {
	switch v := value.(type) {
	case ordered:
		for _, p := range v {
			fmt.Fprintf(out, "\n%s%s:", indent, scalar(p.Key))
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
			out.WriteString("\n" + indent + "- " + scalar(one))
		}
	case string:
		out.WriteString(" " + scalar(v))
	default:
		fmt.Fprintf(out, " %v", v)
	}
}

var (
	// unquoted texts cannot be read as anything else, whichever YAML reads them.
	unquoted = regexp.MustCompile(`^(?:[\pL/]|\.(?:$|[\pL/]))(?:[\pL\pN/._@+=-]| [\pL\pN/._@+=-]|:[\pL\pN/._-])*$`)
	measure  = regexp.MustCompile(`^(?:(?:[0-9.]+(?:h|m|s|ms|µs|ns))+|[0-9]+[KMGT]?B)$`)
	reserved = regexp.MustCompile(`(?i)^(?:y|n|yes|no|on|off|true|false|null|\.inf|\.nan)$`)
)

func scalar(text string) string {
	if measure.MatchString(text) || unquoted.MatchString(text) && !reserved.MatchString(text) {
		return text
	}
	var quoted strings.Builder
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string always encodes
	return strings.TrimSuffix(quoted.String(), "\n")
}
