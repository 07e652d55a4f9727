package propose

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// plainScalar cannot be taken for anything but a string.
var plainScalar = regexp.MustCompile(`^((unix|tcp):)?[A-Za-z/][A-Za-z0-9/._-]*$`)

var reservedScalars = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

// quote writes a string in YAML; JSON's strings are strings there, too.
func quote(text string) string {
	if plainScalar.MatchString(text) && !slices.Contains(reservedScalars, strings.ToLower(text)) {
		return text
	}
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		return `""` // a string always encodes
	}
	return strings.TrimSpace(out.String())
}

func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, text := range list {
		quoted[i] = quote(text)
	}
	return strings.Join(quoted, ", ")
}
