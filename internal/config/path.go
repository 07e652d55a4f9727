package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// plain says that a text has only characters that a terminal shows. Spaces
// and letters of all scripts are fine.
func plain(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return !printable(r) }) < 0
}

func printable(r rune) bool {
	return r != unicode.ReplacementChar && !unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// absolute gives a path that does not depend on where relink is started.
func absolute(text string) (string, error) {
	if !filepath.IsAbs(text) {
		return "", fmt.Errorf("must be an absolute path, one that begins with /, not %q", text)
	}
	return clean(text)
}

// relative gives a path below another folder that cannot leave it.
func relative(text string) (string, error) {
	if filepath.IsAbs(text) {
		return "", fmt.Errorf("must be a relative path, not %q", text)
	}
	return clean(text)
}

// relativeEntry keeps a slash at the end, which says that it is a folder.
func relativeEntry(text string) (string, error) {
	path, err := relative(text)
	if strings.HasSuffix(text, "/") && path != "." && err == nil {
		path += "/"
	}
	return path, err
}

// clean: making /a/c of /a/b/../c is wrong where b is a symbolic link.
func clean(text string) (string, error) {
	if hasDotDot(text) {
		return "", fmt.Errorf(`must be a path without "..", not %q`, text)
	}
	return filepath.Clean(text), nil
}

func hasDotDot(path string) bool { return slices.Contains(strings.Split(path, "/"), "..") }

// validName says whether --app and --instance can carry a name, and a file
// can have it.
func validName(name string) bool {
	return name != "" && len(name) <= 128 && !strings.ContainsAny(name[:1], "-.") && plain(name) &&
		strings.IndexFunc(name, func(r rune) bool {
			return !unicode.In(r, unicode.L, unicode.M, unicode.Nd) && !strings.ContainsRune("._-", r)
		}) < 0
}

const nameForm = `must consist of letters, digits, ".", "_" and "-", and begin with neither "." nor "-"`

func nameText(text string) (string, error) {
	if !validName(text) {
		return "", fmt.Errorf("%q %s", text, nameForm)
	}
	return text, nil
}
