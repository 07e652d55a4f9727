package config

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// of is the application's check for one of its instances.
func (c *Check) of(instance string) *Check {
	own := *c
	for _, text := range []*string{&own.URL, &own.Host, &own.Contains} {
		*text = strings.ReplaceAll(*text, InstancePlaceholder, instance)
	}
	return &own
}

// of is the application's probe for one of its instances.
func (p *Probe) of(instance string) *Probe {
	own := *p
	for _, text := range []*string{&own.URL, &own.Host} {
		*text = strings.ReplaceAll(*text, InstancePlaceholder, instance)
	}
	return &own
}

// probe is where the web server is that a check asks: a site is mostly served
// at the root of its host.
func (c *Check) probe() *Probe {
	if c == nil || c.Off {
		return &Probe{}
	}
	parsed, err := url.Parse(c.URL)
	if err != nil || parsed.Host == "" {
		return &Probe{}
	}
	root := url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: "/"}
	return &Probe{URL: root.String(), Host: c.Host}
}

// url reads the address of a check; one for all instances may hold
// InstancePlaceholder.
func (r *reader) url(to *string, forAll bool) take {
	return func(n node) {
		text, ok := r.line(n)
		if !ok {
			return
		}
		example := text
		if forAll {
			example = strings.ReplaceAll(text, InstancePlaceholder, "x")
		}
		parsed, err := url.Parse(example)
		switch {
		case err != nil || !slices.Contains([]string{"http", "https"}, parsed.Scheme) || parsed.Hostname() == "":
			r.wrong(n.key, "%q is not a URL; write it like http://127.0.0.1/health", text)
		case hasPassword(parsed):
			r.wrong(n.key, "must not hold a password: this file is no place for secrets")
		default:
			*to = text
		}
	}
}

func hasPassword(u *url.URL) bool {
	_, set := u.User.Password()
	return set
}

func (r *reader) host(to *string, forAll bool) take {
	return func(n node) {
		text, ok := r.line(n)
		if !ok {
			return
		}
		host := text
		if forAll {
			host = strings.ReplaceAll(text, InstancePlaceholder, "x")
		}
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !validHost(host) {
			r.wrong(n.key, "%q is not a host name; write it like club1.example.org", text)
			return
		}
		*to = text
	}
}

// urlPath reads a path as a web server or an FPM pool names it.
func (r *reader) urlPath(to *string) take {
	return func(n node) {
		text, ok := r.line(n)
		switch {
		case !ok:
		case !strings.HasPrefix(text, "/") || strings.ContainsAny(text, " ?#"):
			r.wrong(n.key, "%q is not the path of a page; write it as in the pool's pm.status_path, such as /status", text)
		default:
			*to = text
		}
	}
}

// command reads the name of a program: one that PATH finds, or an absolute path.
func (r *reader) command(to *string) take {
	return func(n node) {
		text, ok := r.line(n)
		switch {
		case !ok:
		case strings.HasPrefix(text, "/"):
			r.setAbsolute(to, n.key, text)
		case strings.ContainsAny(text, "/ \t"):
			r.wrong(n.key, "%q is not a program; write its name or its absolute path, without arguments", text)
		default:
			*to = text
		}
	}
}

// scpLike is git's short form of an SSH address: user@host:path.
var scpLike = regexp.MustCompile(`^[^-/:\s][^/:\s]*:[^:\s]`)

func (r *reader) git(to *string) take {
	return func(n node) {
		text, ok := r.line(n)
		switch {
		case !ok:
		case strings.HasPrefix(text, "/"):
			r.setAbsolute(to, n.key, text)
		case strings.Contains(text, "://"):
			r.gitURL(to, n.key, text)
		case scpLike.MatchString(text):
			*to = text
		default:
			r.wrong(n.key, "%q is not a repository; write an absolute path, a URL or user@host:path", text)
		}
	}
}

func (r *reader) gitURL(to *string, key, text string) {
	parsed, err := url.Parse(text)
	switch {
	case err != nil || !slices.Contains([]string{"ssh", "https", "http", "git", "file"}, parsed.Scheme) ||
		parsed.Hostname() == "" && parsed.Scheme != "file" || strings.HasPrefix(parsed.Hostname(), "-"):
		r.wrong(key, "%q is not the URL of a repository; its scheme is ssh, https, http, git or file", text)
	case hasPassword(parsed):
		r.wrong(key, "must not hold a password: use an SSH key or git's credential helper")
	default:
		*to = text
	}
}

// template reads the path of a folder or archive in which {ref} stands for the
// REF of a deploy.
func (r *reader) template(to *string) take {
	return func(n node) {
		text, ok := r.line(n)
		switch {
		case !ok:
		case strings.ContainsAny(strings.ReplaceAll(text, Placeholder, ""), "{}"):
			r.wrong(n.key, "%q has a placeholder that does not exist: only %s does", text, Placeholder)
		default:
			r.setAbsolute(to, n.key, text)
		}
	}
}
