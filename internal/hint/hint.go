// Package hint attaches to an error the advice that belongs to it, so that
// whoever prints the error can print what to do about it on a line of its own.
package hint

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

type hinted struct {
	err     error
	text    string
	instead bool // of those of err
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// With returns err with a hint: one imperative sentence without "hint:" before
// it. A nil err stays nil.
func With(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hinted{err: err, text: fmt.Sprintf(format, args...)}
}

// Instead is With for a hint that says what those of err say, and knows more.
func Instead(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hinted{err, fmt.Sprintf(format, args...), true}
}

// Unless is With where err has no hint of its own.
func Unless(err error, format string, args ...any) error {
	if len(Of(err)) > 0 {
		return err
	}
	return With(err, format, args...)
}

// Of lists the hints along err's whole tree, outermost first, without repeats.
func Of(err error) []string {
	var hints []string
	seen := map[string]bool{}
	walk(err, func(text string) {
		if !seen[text] {
			seen[text] = true
			hints = append(hints, text)
		}
	})
	return hints
}

func walk(err error, visit func(string)) {
	switch one := err.(type) {
	case nil:
	case *hinted:
		visit(one.text)
		if !one.instead {
			walk(one.err, visit)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range one.Unwrap() {
			walk(inner, visit)
		}
	default:
		walk(errors.Unwrap(err), visit)
	}
}

var plainWord = regexp.MustCompile(`^[a-zA-Z0-9/._+:@,=-]+$`)

// Shell writes a path as one word that can be pasted into a shell.
func Shell(path string) string {
	if strings.HasPrefix(path, "-") {
		path = "./" + path // no option
	}
	if plainWord.MatchString(path) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
