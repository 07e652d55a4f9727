package e2e

import (
	"fmt"
	"regexp"
	"strings"
)

// part is a generated part of a page, between two comments.
var part = regexp.MustCompile(`(?s)(<!-- measured: (\S+) -->\n).*?(<!-- end -->)`)

// fillPage writes the parts of a page anew; the text around them stays.
func fillPage(page string, r measurements) (string, error) {
	var unknown error
	filled := part.ReplaceAllStringFunc(page, func(found string) string {
		of := part.FindStringSubmatch(found)
		text, known := content(of[2], r)
		if !known {
			unknown = fmt.Errorf("a page's part %q is not known", of[2])
		}
		return of[1] + text + of[3]
	})
	return filled, unknown
}

func content(name string, r measurements) (text string, known bool) {
	subject, situation, two := strings.Cut(name, "/")
	switch {
	case name == "machine":
		return about(r), true
	case name == "asked":
		return asked(r.Kept), true
	case two:
		return ways(r, subject, situation), true
	}
	return "", false
}

func about(r measurements) string {
	m := r.Machine
	return fmt.Sprintf(`| | |
|---|---|
| measured | %s, commit %s, %d runs of each and more |
| machine | %s, %s of memory |
| system | %s, Linux %s |
| web server | %s |
| PHP | %s |
`, r.Date, r.Commit, r.runs(), m.CPU, m.Memory, m.System, m.Kernel, m.Apache, m.PHP)
}
