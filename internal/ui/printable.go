package ui

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes a name safe to show: control characters, which could drive a
// terminal, what changes the direction of text around it, and bytes that are not
// UTF-8 become \x1b and the like.
func Printable(name string) string {
	if strings.IndexFunc(name, unprintable) < 0 {
		return name
	}
	var b strings.Builder
	for len(name) > 0 {
		r, size := utf8.DecodeRuneInString(name)
		if unprintable(r) {
			for _, c := range []byte(name[:size]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		} else {
			b.WriteString(name[:size])
		}
		name = name[size:]
	}
	return b.String()
}

func unprintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

var coloured = regexp.MustCompile(`\x1b\[[0-9;]*m|\n`)

// printableText is Printable that leaves tabs, ends of lines and colours.
func printableText(text string) string {
	var b strings.Builder
	end := 0
	for _, at := range coloured.FindAllStringIndex(text, -1) {
		b.WriteString(printableLine(text[end:at[0]]))
		b.WriteString(text[at[0]:at[1]])
		end = at[1]
	}
	b.WriteString(printableLine(text[end:]))
	return b.String()
}

// printableLine is Printable that leaves tabs.
func printableLine(line string) string {
	parts := strings.Split(line, "\t")
	for i, part := range parts {
		parts[i] = Printable(part)
	}
	return strings.Join(parts, "\t")
}

var (
	urlPassword = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^/:@\s'"]*):[^/\s'"]*@`)
	// A token is often written as the user of an HTTP address.
	urlToken = regexp.MustCompile(`((?i:https?)://)[^/:@\s'"]+@`)
)

// Mask hides the passwords of all addresses in a text: messages end up in the logs
// of CI jobs.
func Mask(text string) string {
	return urlToken.ReplaceAllString(urlPassword.ReplaceAllString(text, "$1:***@"), "$1***@")
}
