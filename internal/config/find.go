package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/bounded"
)

// pattern is an instances_from taken apart: sites are the entries of dir whose
// name has prefix and suffix, and rest leads from there to the link.
type pattern struct{ dir, prefix, suffix, rest string }

func (r *reader) pattern(text, key string) (p pattern, ok bool) {
	before, after, found := strings.Cut(text, "*")
	if !found || strings.ContainsAny(before+after, "*?[]{}") {
		r.wrong(key, "%q must hold exactly one *, which stands for the name, and no other wildcard", text)
		return p, false
	}
	p.dir, p.prefix = filepath.Split(before)
	p.suffix, p.rest, _ = strings.Cut(after, "/")
	return p, true
}

// find adds the instances that are found on disk. It is part of loading: all
// commands must mean the same sites.
func (r *reader) find(a *App) {
	if a.InstancesFrom == nil || a.InstancesFrom.Pattern == "" {
		return
	}
	around := child("apps", a.Name)
	key := around + ".instances_from"
	if r.given(key + ".pattern") {
		key += ".pattern"
	}
	p, ok := r.pattern(a.InstancesFrom.Pattern, key)
	if !ok {
		return
	}
	entries, err := bounded.Folder(p.dir, bounded.MostLinks)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.wrong(key, "cannot look for instances: %v", err)
	}
	for _, e := range entries {
		if name, ok := p.site(e); ok && !slices.Contains(a.InstancesFrom.Except, name) {
			r.found(a, key, name, filepath.Join(p.dir, e.Name(), p.rest))
		}
	}
}

func (r *reader) found(a *App, key, name, link string) {
	switch {
	case !validName(name):
		r.wrong(key, "%s gives the name %q, which %s; rename the folder or add the name to instances_from.except", link, name, nameForm)
	case a.has(name):
		r.wrong(key, "finds %q (%s), which is another instance's name already; list it or find it, not both (instances_from.except)", name, link)
	default:
		a.Instances = append(a.Instances, Instance{Name: name, Link: link, Found: true})
	}
}

// site says whether an entry is one: a folder, or the link itself where the
// pattern ends with it. What is hidden, and ext4's lost+found, is nobody's site.
func (p pattern) site(e fs.DirEntry) (name string, ok bool) {
	name, hasPrefix := strings.CutPrefix(e.Name(), p.prefix)
	name, hasSuffix := strings.CutSuffix(name, p.suffix)
	if !hasPrefix || !hasSuffix || name == "" || e.Name()[0] == '.' || e.Name() == "lost+found" {
		return "", false
	}
	if p.rest == "" {
		return name, e.Type() == fs.ModeSymlink
	}
	info, err := os.Stat(filepath.Join(p.dir, e.Name()))
	return name, err == nil && info.IsDir()
}
