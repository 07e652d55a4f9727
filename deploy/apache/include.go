// Package apache has Apache send real paths to PHP: it prints the configuration
// that looks each site's release up in a map (deploy/webmap), and proves on the
// running server that real paths arrive.
package apache

import (
	_ "embed"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"text/template"
	"unicode"

	"relink/internal/hint"
)

// Form is how sites are written in Apache's configuration.
type Form string

const (
	FormVHost Form = "vhost" // a <VirtualHost> for each site; the map's key is the instance's name
	FormMass  Form = "mass"  // one <VirtualHost> for all sites; the key is the host, in lower case
	FormAlias Form = "alias" // the application is below a prefix of a site's URLs; the key is the instance's name
)

// Include is what the configuration of one application is made of.
type Include struct {
	App           string
	Form          Form
	Prefix        string // of FormAlias: "/booking"
	Releases      string // real path of the releases folder
	Docroot       string // what is served, relative to a release; "." is the release
	Map           string // path of the map
	AllowOverride string // of .htaccess files, as for the links before
	Lua           string // path of Script on the server; "" leaves mod_lua out
}

// ErrInclude: no configuration can be made of what was given.
var ErrInclude = errors.New("no configuration for Apache")

var (
	prefixForm   = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
	overrideForm = regexp.MustCompile(`^[A-Za-z=,]+( [A-Za-z=,]+)*$`)
)

// check refuses what would mean something else to Apache than to a reader.
func (i Include) check() error {
	for name, value := range map[string]string{"releases": i.Releases, "map": i.Map, "lua": i.Lua} {
		if name == "lua" && value == "" {
			continue
		}
		if !filepath.IsAbs(value) || !plain(value) {
			return hint.With(fmt.Errorf("%w: %s %q", ErrInclude, name, value),
				`it takes an absolute path without quotes, wildcards and \ %% $ { }`)
		}
	}
	if !filepath.IsLocal(i.Docroot) || !plain(i.Docroot) {
		return fmt.Errorf("%w: docroot %q is no plain path below a release", ErrInclude, i.Docroot)
	}
	if !overrideForm.MatchString(i.AllowOverride) {
		return hint.With(fmt.Errorf("%w: AllowOverride %q", ErrInclude, i.AllowOverride), "give All, None, or a list such as \"FileInfo Limit\"")
	}
	return i.checkForm()
}

func (i Include) checkForm() error {
	switch i.Form {
	case FormVHost, FormMass:
		if i.Prefix != "" {
			return hint.With(fmt.Errorf("%w: a prefix (%s) belongs to the form alias", ErrInclude, i.Prefix), "give --form alias")
		}
	case FormAlias:
		if !prefixForm.MatchString(i.Prefix) || path.Clean(i.Prefix) != i.Prefix {
			return hint.With(fmt.Errorf("%w: prefix %q", ErrInclude, i.Prefix), "give the beginning of the application's URLs: --prefix /booking")
		}
	default:
		return hint.With(fmt.Errorf("%w: no form %q", ErrInclude, i.Form), "there are vhost, mass and alias")
	}
	return nil
}

// plain tells whether Apache reads a quoted path as it stands: no end of the
// quote, no variable, no wildcard of <Directory>, no back-reference.
func plain(path string) bool {
	return !strings.ContainsAny(path, "\"\\%${}*?[]`") && strings.IndexFunc(path, unicode.IsControl) < 0
}

//go:embed include.conf
var includeText string

// Script is what Apache needs besides with mod_php, as a file for mod_lua.
//
//go:embed document-root.lua
var Script string

var include = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("include").Parse(includeText))
})

// Text is the configuration, to be included in a <VirtualHost>.
func (i Include) Text() (string, error) {
	if err := i.check(); err != nil {
		return "", err
	}
	var b strings.Builder
	err := include().Execute(&b, i)
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

// Root is the document root with Apache's variable in place of the release.
func (i Include) Root() string {
	return path.Join(i.Releases, "%{reqenv:RELINK_RELEASE}", i.Docroot)
}

// Roots are the document roots of all releases, as <Directory> wants it.
func (i Include) Roots() string { return path.Join(i.Releases, "*", i.Docroot) }
