package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"relink/internal/exit"
	"relink/internal/ui"

	"github.com/goccy/go-yaml/token"
)

// Problem is one mistake in a configuration file. It is ErrInvalid.
type Problem struct {
	File         string
	Line, Column int    // from 1; Column counts characters
	Key          string // such as apps.booking.keep; "" for the file as a whole
	Text         string // what is wrong, and what would be right
	Excerpt      string // the line, and a mark below the place
}

func (p *Problem) Error() string {
	place := fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Key != "" {
		place += p.Key + ": "
	}
	return place + p.Text + p.Excerpt
}

// Is makes every Problem an ErrInvalid.
func (p *Problem) Is(target error) bool { return target == ErrInvalid || target == exit.ErrUsage }

// file remembers where each key stands, so that checks which know only the
// configuration can still name a line.
type file struct {
	path     string
	lines    []string
	at       map[string]token.Position
	excused  map[string]bool // keys that are missing because they are misspelt
	problems []*Problem
}

func (f *file) given(key string) bool {
	_, ok := f.at[key]
	return ok
}

func (f *file) missing(key string) bool { return !f.given(key) && !f.excused[key] }

// wrong reports a problem of a key. One that is not in the file is shown at
// the nearest key around it.
func (f *file) wrong(key, format string, args ...any) {
	place, ok := f.at[key]
	for around := key; !ok && around != ""; place, ok = f.at[around] {
		around = parent(around)
	}
	f.wrongAt(place, key, format, args...)
}

func (f *file) wrongAt(at token.Position, key, format string, args ...any) {
	line, column := max(at.Line, 1), max(at.Column, 1)
	f.problems = append(f.problems, &Problem{
		File: f.path, Line: line, Column: column, Key: key,
		Text:    ui.Mask(fmt.Sprintf(format, args...)),
		Excerpt: f.excerpt(line, column),
	})
}

// err joins the problems in the order of the file.
func (f *file) err() error {
	slices.SortStableFunc(f.problems, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	all := make([]error, len(f.problems))
	for i, p := range f.problems {
		all[i] = p
	}
	return errors.Join(all...)
}

func (f *file) excerpt(line, column int) string {
	if line > len(f.lines) || strings.TrimSpace(f.lines[line-1]) == "" {
		return ""
	}
	before := []rune(f.lines[line-1])
	before = []rune(ui.Mask(string(before[:min(column-1, len(before))])))
	text, column := window([]rune(ui.Mask(f.lines[line-1])), len(before))
	number := fmt.Sprintf("%5d", line)
	return fmt.Sprintf("\n%s | %s\n%*s | %s^", number, string(text), len(number), "", strings.Repeat(" ", column))
}

// window cuts a long line around a place, and takes out what a terminal would
// obey instead of show.
func window(line []rune, place int) ([]rune, int) {
	const width = 120
	place = min(place, len(line))
	from := max(0, min(place-width/2, len(line)-width))
	shown := slices.Clone(line[from:min(len(line), from+width)])
	for i, r := range shown {
		if !printable(r) {
			shown[i] = ' '
		}
	}
	return shown, place - from
}

// child names a key below another one: apps.booking, or apps."a.b" where the
// dot would mislead.
func child(key, name string) string {
	if strings.ContainsAny(name, ".[]\" \t\r\n") || name == "" || !plain(name) {
		name = strconv.Quote(name)
	}
	if key == "" {
		return name
	}
	return key + "." + name
}

func item(key string, index int) string { return fmt.Sprintf("%s[%d]", key, index) }

// parent is the key around a key; "" is the file.
func parent(key string) string {
	quoted := false
	for i := len(key) - 1; i >= 0; i-- {
		switch {
		case key[i] == '"' && (i == 0 || key[i-1] != '\\'):
			quoted = !quoted
		case !quoted && (key[i] == '.' || key[i] == '['):
			return key[:i]
		}
	}
	return ""
}
