package apache

import (
	"cmp"
	_ "embed"
	"path"
	"regexp"
	"strings"
	"text/template"
)

//go:embed include.conf
var includeText string

// Script is what Apache needs besides with mod_php, as a file for mod_lua.
//
//go:embed document-root.lua
var Script string

var include = template.Must(template.New("include").Parse(includeText))

// Text is the configuration, to be included in a <VirtualHost>.
func (i Include) Text() (string, error) {
	if err := i.check(); err != nil {
		return "", err
	}
	var b strings.Builder
	err := include.Execute(&b, i)
	return b.String(), err
}

// The following is for the template.

// MapName is the map's name in Apache: two applications in one virtual host
// have two maps.
func (i Include) MapName() string {
	return "relink-" + regexp.MustCompile(`[^A-Za-z0-9_-]`).ReplaceAllString(i.App, "-")
}

// Pattern matches the URLs that the application has.
func (i Include) Pattern() string {
	if i.Prefix == "" {
		return "^"
	}
	return "^" + regexp.QuoteMeta(i.Prefix) + "(?:/|$)"
}

// Location is the same as a path.
func (i Include) Location() string {
	return cmp.Or(i.Prefix, "/")
}

// Root is the document root with Apache's variable in place of the release.
func (i Include) Root() string {
	return path.Join(i.Releases, "%{reqenv:RELINK_RELEASE}", i.Docroot)
}

// Target is what Alias puts in place of Location: mod_alias appends what
// follows it in the URL as it is, so the slash of "/" has to come back.
func (i Include) Target() string {
	if i.Prefix == "" {
		return i.Root() + "/"
	}
	return i.Root()
}

// Roots are the document roots of all releases, as <Directory> wants it.
func (i Include) Roots() string { return path.Join(i.Releases, "*", i.Docroot) }

// LuaHook is when the document root changes; document-root.lua tells why.
func (i Include) LuaHook() string {
	if i.Prefix == "" {
		return "LuaHookMapToStorage"
	}
	return "LuaHookFixups"
}

// LuaFunction is what the hook calls.
func (i Include) LuaFunction() string {
	if i.Prefix == "" {
		return "at_root"
	}
	return "below_prefix"
}
