package webserver

import (
	"strconv"
	"strings"
)

// Patterned tells whether the document root depends on the host.
func (s Site) Patterned() bool {
	if s.Server == Apache {
		return strings.Contains(s.DocumentRoot, "%")
	}
	return strings.Contains(s.DocumentRoot, "$")
}

// RootFor is the document root that a host is served from.
func (s Site) RootFor(host string) string {
	switch {
	case !s.Patterned():
		return s.DocumentRoot
	case s.Server == Apache:
		return interpolate(s.DocumentRoot, strings.ToLower(host))
	}
	root := s.DocumentRoot
	for _, name := range []string{"host", "http_host"} {
		root = strings.NewReplacer("${"+name+"}", host, "$"+name, host).Replace(root)
	}
	return strings.NewReplacer("${server_name}", s.Host(), "$server_name", s.Host()).Replace(root)
}

// interpolate fills in a VirtualDocumentRoot as mod_vhost_alias does
// (vhost_alias_interpolate): %0 is the host, %2 its second part, %-1 the last
// one, %2+ the second and all that follow, %1.3 the third letter of the first.
func interpolate(pattern, host string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(pattern, "%")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		if strings.HasPrefix(after, "%") {
			out.WriteByte('%')
			pattern = after[1:]
			continue
		}
		which, rest := specifier(after)
		value := which.of(strings.Split(host, "."), ".", host)
		if letters, ok := strings.CutPrefix(rest, "."); ok {
			if letter, more := specifier(letters); len(more) < len(letters) {
				value, rest = letter.of(strings.Split(value, ""), "", value), more
			}
		}
		out.WriteString(value)
		pattern = rest
	}
}

// selector is "2", "-1", "2+" or "-2+" of a VirtualDocumentRoot.
type selector struct {
	number  int
	fromEnd bool
	all     bool
}

func specifier(text string) (selector, string) {
	var s selector
	rest, minus := strings.CutPrefix(text, "-")
	if rest == "" || rest[0] < '0' || rest[0] > '9' {
		return s, text
	}
	s.fromEnd = minus
	s.number, _ = strconv.Atoi(rest[:1])
	rest, s.all = strings.CutPrefix(rest[1:], "+")
	return s, rest
}

// of picks from the list; what is not there is "_".
func (s selector) of(list []string, separator, whole string) string {
	switch {
	case s.number == 0:
		return whole
	case s.number > len(list):
		return "_"
	case s.fromEnd && s.all:
		return strings.Join(list[:len(list)-s.number+1], separator)
	case s.fromEnd:
		return list[len(list)-s.number]
	case s.all:
		return strings.Join(list[s.number-1:], separator)
	}
	return list[s.number-1]
}
